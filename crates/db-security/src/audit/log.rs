//! How far the log has come.

use super::Error;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// The log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) log_id: Uuid,
    /// Leaves.
    pub(crate) size: u64,
    /// Events before it have left.
    pub(crate) first_leaf: u64,
    /// One more than the greatest leaf of an event.
    pub(crate) next_leaf: u64,
    /// There are events of leaves that have left.
    pub(crate) has_early: bool,
    /// Events without a place; one more than [`COUNTED`] where there are more.
    pub(crate) waiting: u64,
    /// Of them, those that were put aside.
    pub(crate) refused: u64,
}

/// Events of the inbox are counted up to here, as each has to be looked at.
pub(crate) const COUNTED: i64 = 10_000;

/// How many leaves the log has, and from which on they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) size: u64,
    pub(crate) first_leaf: u64,
}

/// Reads it, at a cost that has nothing to do with how much there is.
pub(crate) async fn extent(conn: &mut PgConnection) -> Result<Extent, Error> {
    let row = sqlx::query("SELECT size, first_leaf FROM audit_tree")
        .fetch_one(conn)
        .await
        .map_err(Error::while_trying("read how far the log has come"))?;
    Ok(Extent { size: unsigned(row.get(0))?, first_leaf: unsigned(row.get(1))? })
}

fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Damaged { what: format!("it counts {number}") })
}

/// Reads it, in one round trip.
pub(crate) async fn state(conn: &mut PgConnection) -> Result<State, Error> {
    let row = sqlx::query(
        "SELECT log_id, size, first_leaf, coalesce((SELECT max(leaf) + 1 FROM audit_events), 0), \
         EXISTS (SELECT FROM audit_events WHERE leaf < first_leaf), \
         counted.waiting, counted.refused \
         FROM audit_tree, (SELECT count(*) AS waiting, count(refused) AS refused \
             FROM (SELECT refused FROM audit_inbox LIMIT $1) AS few) AS counted",
    )
    .bind(COUNTED + 1)
    .fetch_one(conn)
    .await
    .map_err(Error::while_trying("read how far the log has come"))?;
    let number = |at: usize| unsigned(row.get(at));
    let (size, first_leaf) = (number(1)?, number(2)?);
    Ok(State {
        log_id: row.get(0),
        size,
        first_leaf,
        // An empty log that has lost all its events to retention.
        next_leaf: number(3)?.max(if size == first_leaf { size } else { 0 }),
        has_early: row.get(4),
        waiting: number(5)?,
        refused: number(6)?,
    })
}

/// What its checkpoints say which log they are of.
pub(crate) fn origin(log_id: Uuid) -> String {
    format!("cairn-audit/{log_id}")
}
