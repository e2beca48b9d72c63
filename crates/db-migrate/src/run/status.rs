//! Where a database stands.

use super::{Direction, lock};
use crate::plan::{contradictions, pending, plan};
use crate::{Applied, Error, Holder, Migration, Migrations, Problem, Rules};
use similar::TextDiff;
use sqlx::PgConnection;

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What was applied, in the order in which it was; half-applied ones too.
    pub applied: Vec<Applied>,
    /// Labels of what was not, in the order in which they would be applied.
    pub pending: Vec<String>,
    /// What keeps the pending ones from being applied. While somebody is deploying, what looks half applied may be
    /// under way.
    pub problems: Vec<Problem>,
    /// Who is deploying just now.
    pub deploying: Option<Holder>,
}

/// Compares the files with the history; changes nothing, and waits for nobody.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn status(conn: &mut PgConnection, migrations: &Migrations) -> Result<Status, Error> {
    status_by(conn, migrations, &Rules::default()).await
}

/// The same under rules: what they leave out is not pending.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn status_by(
    conn: &mut PgConnection,
    migrations: &Migrations,
    rules: &Rules,
) -> Result<Status, Error> {
    let applied = migrations.history().read(conn).await?;
    let files = migrations.as_slice();
    let (pending, mut problems) = match plan(files, &applied, rules) {
        Ok(plan) => (plan.steps, contradictions(files, &applied)),
        Err(error) => (pending(files, &applied), error.problems),
    };
    let pending = pending.iter().map(|step| step.migration.label.clone()).collect();
    show_edits(conn, migrations, &mut problems).await?;
    Ok(Status { deploying: lock::holder(conn).await?, pending, problems, applied })
}

/// More lines of difference than anybody reads in an error.
const SHOWN_LINES: usize = 40;

/// More files than anybody reads the differences of.
const SHOWN_FILES: usize = 20;

/// Puts into the first problems of edited files what was edited, where the text is known, and counts the others.
pub(super) async fn show_edits(
    conn: &mut PgConnection,
    migrations: &Migrations,
    problems: &mut [Problem],
) -> Result<(), Error> {
    let mut edited: Vec<(&Migration, &mut Option<String>)> = Vec::new();
    for problem in problems {
        let Problem::Edited { label, diff, .. } = problem else { continue };
        edited.extend(migrations.iter().find(|file| file.label == *label).map(|file| (file, diff)));
    }
    let more = edited.len().saturating_sub(SHOWN_FILES);
    edited.truncate(SHOWN_FILES);
    let ids: Vec<&str> = edited.iter().map(|(file, _)| file.id.as_str()).collect();
    let mut texts = Box::pin(migrations.history().texts_of(conn, &ids, Direction::Up)).await?;
    for (file, diff) in &mut edited {
        let before = texts.remove(file.id.as_str());
        **diff = before.map(|before| difference(&before, file.up_sql()));
    }
    let last = edited.into_iter().rev().find_map(|(_, diff)| diff.as_mut());
    if let Some(last) = last.filter(|_| more > 0) {
        let files = if more == 1 { "edited file" } else { "edited files" };
        *last = format!("{}\n… the differences of {more} more {files} are not shown", last.trim_end());
    }
    Ok(())
}

fn difference(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(2).header("as applied", "as it is now").to_string();
    let lines = text.lines().count();
    if lines <= SHOWN_LINES {
        return text;
    }
    let kept: String = text.split_inclusive('\n').take(SHOWN_LINES).collect();
    format!("{kept}… {} more lines", lines - SHOWN_LINES)
}
