//! Decides what to apply; never touches the database.

mod back;
mod problem;
mod rules;

pub use back::RevertTo;
pub(crate) use back::plan_back;
pub use problem::{PlanError, Problem};
pub use rules::{OutOfOrder, Rules};

use crate::{Applied, Kind, Migration, MigrationId, Outcome};
use std::collections::{HashMap, HashSet};

/// What to do, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What is applied.
    pub steps: Vec<Step<'a>>,
    /// What is not, by the rules: of another environment, without the tag, after the target.
    pub skipped: Vec<&'a Migration>,
    /// What is worth knowing and stops nothing.
    pub warnings: Vec<Problem>,
}

/// One migration that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Which.
    pub migration: &'a Migration,
    /// Why now.
    pub why: Why,
}

/// Why a migration is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was never applied.
    New,
    /// It was never applied, and later ones were.
    OutOfOrder,
    /// It is repeatable and its text has changed.
    Changed,
    /// Everything that it replaces was applied: it is only recorded.
    Replaces,
}

/// What to apply, in order: each after what it depends on, otherwise as the format has it; repeatable ones last.
///
/// # Errors
/// [`PlanError`] with every way in which the files and the history contradict each other.
pub fn plan<'a>(files: &'a [Migration], applied: &[Applied], rules: &Rules) -> Result<Plan<'a>, PlanError> {
    let state = State::new(files, applied);
    let mut plan = Plan::default();
    let mut problems = state.contradictions();
    let (wanted, after) = state.wanted(rules, &mut problems);
    plan.skipped = wanted.skipped;
    for (at, file) in wanted.due {
        let Some(why) = state.why(at, file) else { continue };
        problems.extend(state.replaced_in_part(file));
        let why = if state.is_completed_by(file, &plan.steps) { Why::Replaces } else { why };
        if why == Why::OutOfOrder {
            let last = state.last.map(|last| last.label.clone()).unwrap_or_default();
            let problem = Problem::OutOfOrder { label: file.label.clone(), last };
            match rules.out_of_order {
                OutOfOrder::Refuse => problems.push(problem),
                OutOfOrder::Warn => plan.warnings.push(problem),
                OutOfOrder::Apply => {}
            }
        }
        plan.steps.push(Step { migration: file, why });
    }
    if let Some(count) = rules.count {
        let rest = plan.steps.split_off(count.min(plan.steps.len()));
        plan.skipped.extend(rest.into_iter().map(|step| step.migration));
    }
    problems.extend(state.unmet(&plan.steps));
    problems.extend(after);
    if problems.is_empty() { Ok(plan) } else { Err(PlanError { problems }) }
}

/// Every way in which the files and the history contradict each other, whatever the rules.
pub(crate) fn contradictions(files: &[Migration], applied: &[Applied]) -> Vec<Problem> {
    State::new(files, applied).contradictions()
}

/// What was never applied, whatever else is wrong.
pub(crate) fn pending<'a>(files: &'a [Migration], applied: &[Applied]) -> Vec<Step<'a>> {
    let state = State::new(files, applied);
    let due = |(at, migration)| Some(Step { migration, why: state.why(at, migration)? });
    files.iter().enumerate().filter_map(due).collect()
}

/// Files and history, looked up by version.
struct State<'a, 'h> {
    files: &'a [Migration],
    applied: &'h [Applied],
    rows: HashMap<&'h MigrationId, &'h Applied>,
    /// The last file that was applied.
    last: Option<&'a Migration>,
    last_at: Option<usize>,
    /// Files up to here are covered by a baseline that was, or will be, applied in their place.
    baseline: Option<usize>,
    /// Files that stand for several others.
    squashes: Vec<&'a Migration>,
}

#[derive(Default)]
struct Wanted<'a> {
    due: Vec<(usize, &'a Migration)>,
    skipped: Vec<&'a Migration>,
}

impl<'a, 'h> State<'a, 'h> {
    fn new(files: &'a [Migration], applied: &'h [Applied]) -> Self {
        let rows: HashMap<_, _> = applied.iter().map(|row| (&row.id, row)).collect();
        let is_applied = |file: &Migration| rows.contains_key(&file.id) && file.kind != Kind::Repeatable;
        let last_at = files.iter().rposition(is_applied);
        let baseline = |file: &Migration| {
            file.kind == Kind::Baseline
                && rows.get(&file.id).map_or(applied.is_empty(), |row| row.label == file.label)
        };
        let baseline = files.iter().rposition(baseline);
        let squashes = files.iter().filter(|file| !file.replaces.is_empty()).collect();
        Self { files, applied, squashes, last: last_at.map(|at| &files[at]), last_at, rows, baseline }
    }

    /// Whether and why a file is due.
    fn why(&self, at: usize, file: &'a Migration) -> Option<Why> {
        let row = self.rows.get(&file.id);
        match file.kind {
            Kind::Repeatable => match row {
                None => Some(Why::New),
                Some(row) if row.outcome == Outcome::Running || row.checksum == file.checksum() => None,
                Some(_) => Some(Why::Changed),
            },
            Kind::Baseline => (self.baseline == Some(at) && row.is_none()).then_some(Why::New),
            Kind::Versioned if row.is_some() => None,
            Kind::Versioned if self.baseline.is_some_and(|baseline| at < baseline) => None,
            Kind::Versioned if self.is_replaced(file) => None,
            Kind::Versioned if !file.replaces.is_empty() && self.replaced(file).all(|applied| applied) => {
                Some(Why::Replaces)
            }
            Kind::Versioned if self.last_at.is_some_and(|last| at < last) => Some(Why::OutOfOrder),
            Kind::Versioned => Some(Why::New),
        }
    }

    /// For each migration that this one replaces, whether it was applied.
    fn replaced(&self, file: &'a Migration) -> impl Iterator<Item = bool> + '_ {
        file.replaces.iter().map(|id| self.rows.contains_key(id))
    }

    /// Whether a file that replaces this one stands for it.
    fn is_replaced(&self, file: &Migration) -> bool {
        self.squashes.iter().any(|other| {
            other.replaces.contains(&file.id)
                && (self.rows.contains_key(&other.id) || !self.replaced(other).any(|applied| applied))
        })
    }

    /// Whether some of what it replaces is applied and the rest comes before it: then there is nothing left for it to do.
    fn is_completed_by(&self, file: &'a Migration, steps: &[Step<'_>]) -> bool {
        // Most replace nothing, and the steps are many.
        if !self.replaced(file).any(|applied| applied) {
            return false;
        }
        let due: HashSet<&MigrationId> = steps.iter().map(|step| &step.migration.id).collect();
        let covered = |id: &MigrationId| self.rows.contains_key(id) || due.contains(id);
        file.replaces.iter().all(covered)
    }

    fn replaced_in_part(&self, file: &'a Migration) -> Option<Problem> {
        let applied = self.replaced(file).filter(|applied| *applied).count();
        let some = applied > 0 && applied < file.replaces.len();
        let missing = file.replaces.iter().find(|id| !self.rows.contains_key(id));
        let missing = missing.filter(|id| !self.files.iter().any(|file| file.id == **id))?;
        some.then(|| Problem::ReplacedInPart { label: file.label.clone(), missing: missing.clone() })
    }

    fn contradictions(&self) -> Vec<Problem> {
        let by_id: HashMap<&MigrationId, &Migration> =
            self.files.iter().map(|file| (&file.id, file)).collect();
        let replaced: HashSet<&MigrationId> = self.files.iter().flat_map(|file| &file.replaces).collect();
        let mut problems = Vec::new();
        for row in self.applied {
            if matches!(row.outcome, Outcome::Running | Outcome::Reverting) {
                problems.push(Problem::half_applied(row));
                continue;
            }
            match by_id.get(&row.id) {
                None if replaced.contains(&row.id) || row.is_repeatable => {}
                None => problems.push(Problem::Missing { label: row.label.clone() }),
                Some(file) if file.kind == Kind::Repeatable => {}
                Some(file) if file.checksum() != row.checksum => problems.push(Problem::Edited {
                    label: file.label.clone(),
                    file: file.up.file.clone(),
                    diff: None,
                }),
                Some(_) => {}
            }
        }
        problems
    }

    /// What the rules select, and what is wrong with the rules.
    fn wanted(&self, rules: &Rules, problems: &mut Vec<Problem>) -> (Wanted<'a>, Option<Problem>) {
        let target = rules.to.as_ref().map(|typed| {
            let meant = self.files.iter().position(|file| file.id.is_meant_by(typed) || file.label == *typed);
            meant.ok_or_else(|| Problem::UnknownTarget { typed: typed.clone() })
        });
        let (target, unknown) = match target {
            None => (None, None),
            Some(Ok(at)) => (Some(at), None),
            Some(Err(problem)) => (None, Some(problem)),
        };
        problems.extend(rules.unknown_words(self.files));
        let mut wanted = Wanted::default();
        for (at, file) in self.files.iter().enumerate() {
            let within = target.is_none_or(|target| at <= target);
            if within && rules.select(file) {
                wanted.due.push((at, file));
            } else if self.why(at, file).is_some() {
                wanted.skipped.push(file);
            }
        }
        (wanted, unknown)
    }

    /// Steps that depend on what is neither applied nor planned.
    fn unmet(&self, steps: &[Step<'_>]) -> Vec<Problem> {
        let planned: HashSet<&MigrationId> = steps.iter().map(|step| &step.migration.id).collect();
        let is_met = |id: &MigrationId| {
            self.rows.contains_key(id)
                || planned.contains(id)
                || self.files.iter().any(|file| file.id == *id && self.is_replaced(file))
        };
        let mut problems = Vec::new();
        for step in steps {
            for need in step.migration.depends_on.iter().filter(|id| !is_met(id)) {
                let label = step.migration.label.clone();
                problems.push(Problem::NeedsSkipped { label, depends_on: need.clone() });
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests;
