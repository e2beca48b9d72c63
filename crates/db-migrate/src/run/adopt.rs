//! Takes a database over from another tool: what that applied is recorded as applied, and nothing is run.

use super::apply::refuse_read_only;
use super::{Event, Options, lock};
use crate::adopt::{Candidate, match_up, read_foreign};
use crate::history::Begun;
use crate::{Error, Format, Migrations, Note, Outcome};
use sqlx::{Connection, PgConnection};

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Labels of what the tool had applied.
    pub adopted: Vec<String>,
    /// Labels of what it had not.
    pub pending: Vec<String>,
    /// What is worth knowing and stops nothing.
    pub notes: Vec<Note>,
}

/// Reads the history of the tool whose format this is, from its own table or the one that is named (`table` or
/// `schema.table`), and records in ours what it had applied. Nothing of any migration is run.
///
/// # Errors
/// [`Error::NotEmpty`] when our history has rows, [`Error::Foreign`] when theirs cannot be read, [`Error::Adopt`] with
/// everything that does not fit; nothing was changed then.
///
/// # Cancel safety
/// All of it happens or nothing.
pub async fn adopt(
    conn: &mut PgConnection,
    migrations: &Migrations,
    format: Format,
    table: Option<&str>,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Adopted, Error> {
    refuse_read_only(conn).await?;
    let mut lock = lock::acquire(conn, options, progress).await?;
    let outcome = lock.keeping(take_over(conn, migrations, format, table)).await;
    lock.release(conn, outcome).await
}

async fn take_over(
    conn: &mut PgConnection,
    migrations: &Migrations,
    format: Format,
    table: Option<&str>,
) -> Result<Adopted, Error> {
    let (history, files) = (migrations.history(), migrations.as_slice());
    if let Some(row) = history.read(conn).await?.first() {
        return Err(Error::NotEmpty { label: row.label.clone() });
    }
    let mut tx = conn.begin().await.map_err(Error::during("begin to take the history over"))?;
    let rows = read_foreign(&mut tx, format, table).await?;
    let candidates: Vec<Candidate<'_>> = files
        .iter()
        .map(|file| Candidate {
            version: file.id.as_str(),
            name: &file.name,
            label: &file.label,
            kind: file.kind,
            // Of a repeatable one, of which Flyway takes the checksum with the values in it, this is what is sent.
            original: &file.up.text,
        })
        .collect();
    let found = match_up(format, &candidates, &rows);
    if !found.problems.is_empty() {
        return Err(Error::Adopt { format, problems: found.problems });
    }
    history.create_within(&mut tx).await?;
    for (at, since) in &found.adopted {
        history.insert(&mut tx, &files[*at], Begun::Taken(Outcome::Adopted, *since), None).await?;
    }
    tx.commit().await.map_err(Error::during("commit the history that was taken over"))?;
    let label = |at: &usize| files[*at].label.clone();
    Ok(Adopted {
        adopted: found.adopted.iter().map(|(at, _)| label(at)).collect(),
        pending: found.pending.iter().map(label).collect(),
        notes: found.notes,
    })
}
