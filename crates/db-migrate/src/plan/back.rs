//! Decides what to revert.

use super::{PlanError, Problem, State};
use crate::{Applied, Error, Kind, Migration, Outcome};

/// How far to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevertTo {
    /// Before the first migration.
    Start,
    /// This many that were applied last.
    Last(usize),
    /// After this migration, by version or label, which stays.
    After(String),
}

/// What to revert: the newest first, in the order opposite to that in which they were applied.
pub(crate) fn plan_back<'a>(
    files: &'a [Migration],
    applied: &[Applied],
    to: &RevertTo,
) -> Result<Vec<&'a Migration>, Error> {
    let state = State::new(files, applied);
    let problems = state.contradictions();
    if !problems.is_empty() {
        return Err(PlanError { problems }.into());
    }
    let mut rows: Vec<&Applied> = applied.iter().filter(|row| !row.is_repeatable).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    let until = match to {
        RevertTo::Start => rows.len(),
        RevertTo::Last(count) => (*count).min(rows.len()),
        RevertTo::After(typed) => rows
            .iter()
            .position(|row| row.id.is_meant_by(typed) || row.label == *typed)
            .ok_or_else(|| Error::NotApplied { to: typed.clone() })?,
    };
    let steps: Vec<&Migration> = rows[..until]
        .iter()
        .filter_map(|row| files.iter().find(|file| file.id == row.id && file.kind != Kind::Repeatable))
        .collect();
    let adopted =
        |file: &&&Migration| rows.iter().any(|row| row.id == file.id && row.outcome == Outcome::Baselined);
    if let Some(step) = steps.iter().find(adopted) {
        return Err(Error::Baselined { label: step.label.clone() });
    }
    let without: Vec<String> =
        steps.iter().filter(|step| step.down.is_none()).map(|step| step.label.clone()).collect();
    if !without.is_empty() {
        return Err(Error::NoDown { labels: without });
    }
    let stranded = stranded(&steps, files, applied);
    if stranded.is_empty() { Ok(steps) } else { Err(PlanError { problems: stranded }.into()) }
}

/// Applied migrations that would lose what they depend on.
fn stranded(steps: &[&Migration], files: &[Migration], applied: &[Applied]) -> Vec<Problem> {
    let goes = |id| steps.iter().any(|step| step.id == id);
    let stays = files.iter().filter(|file| {
        !goes(file.id.clone()) && applied.iter().any(|row| row.id == file.id) && file.kind != Kind::Repeatable
    });
    stays
        .flat_map(|file| file.depends_on.iter().map(move |need| (file, need)))
        .filter(|(_, need)| goes((*need).clone()))
        .map(|(file, need)| Problem::NeedsSkipped { label: file.label.clone(), depends_on: need.clone() })
        .collect()
}
