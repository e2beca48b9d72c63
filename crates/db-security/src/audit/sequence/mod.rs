//! Gives events their places: one batch from the inbox into the log, and the tree over it grown.

mod cursor;
mod seal;
mod take;
mod tiles;

pub(crate) use cursor::{Cursor, has_waiting};
pub(crate) use tiles::{missing, read_tiles, tile_rows};

use super::{
    Error, MasterKey,
    partition::{self, Month},
    tree::{Missing, Tiles, needed_for_growth},
};
use chrono::{DateTime, Utc};
use seal::{Seals, seal};
use sqlx::{PgConnection, Row as _};
use std::time::Duration;
use take::take;

/// A clock may be set back by as much as this, as time servers do: events keep the time of the last one meanwhile.
const TOLERATED_BEHIND: Duration = Duration::from_secs(60);
/// The server's clock may be ahead of this program's by as much as this: a log cannot go back behind a time that it has noted once.
const TOLERATED_AHEAD: Duration = Duration::from_secs(86_400);

/// What one batch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequenced {
    /// Another process has the log in hand.
    Elsewhere,
    /// So many events were moved, and the log has so many leaves since.
    Moved {
        /// Events that got their place.
        events: u64,
        /// Events that were there already: sent twice, as their writer had not heard.
        repeated: u64,
        /// Events whose subject was erased after they happened: what they say of the subject is readable by nobody.
        erased: u64,
        /// Events that were put aside in the inbox (`refused`): they cannot be moved, and others go on.
        refused: u64,
        /// Leaves of the log.
        size: u64,
        /// Whether nothing is left that had committed when the first batch began, but for what waits for a master key.
        is_drained: bool,
    },
}

/// Whether the server's clock has to agree with the log, and with this program's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    #[default]
    Checked,
    /// Events keep the time of the last one for as long as the clock is behind it.
    Ignored,
}

/// The log as whoever holds its row sees it.
struct Log {
    size: u64,
    sequenced_at: DateTime<Utc>,
    tiles: Tiles,
}

/// Moves at most so many events that have committed into the log, in the caller's transaction, and grows the tree. Within a batch they stand
/// in the order in which their transactions began to write, and what commits later stands behind. With a master key it encrypts what
/// triggers found personal; without, that waits. An event that the server cannot move is put aside, and the others go on.
///
/// # Errors
/// [`Error::ClockBehind`], [`Error::ClockAhead`], [`Error::WrongMasterKey`], [`Error::Damaged`], [`Error::NotThere`],
/// [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn sequence(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    max_events: u32,
) -> Result<Sequenced, Error> {
    sequence_from(conn, master, max_events, &mut Cursor::default(), Clock::Checked).await
}

/// [`sequence`] whatever the server's clock says: the way on for a log that has noted a time which is far ahead. Its events keep that
/// time until the clock has come by, and every proof holds.
///
/// # Errors
/// Those of [`sequence`], but for the clock's.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn sequence_despite_clock(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    max_events: u32,
) -> Result<Sequenced, Error> {
    sequence_from(conn, master, max_events, &mut Cursor::default(), Clock::Ignored).await
}

/// The same for whoever comes again and again, and knows where to look. The cursor holds for what the caller commits.
pub(crate) async fn sequence_from(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    max_events: u32,
    cursor: &mut Cursor,
    clock: Clock,
) -> Result<Sequenced, Error> {
    let Some(mut log) = lock(conn, clock).await? else { return Ok(Sequenced::Elsewhere) };
    let seals = match master {
        Some(master) => seal(conn, master, max_events, cursor).await?,
        None => Seals::default(),
    };
    let month = Month::of(log.sequenced_at);
    if cursor.month != Some(month) {
        partition::ensure(conn, month).await?;
        cursor.month = Some(month);
    }
    let moved = take(conn, &log, max_events, cursor).await?;
    let events = moved.leaves.len() as u64;
    if events > 0 {
        log.tiles.grow(log.size, moved.leaves).map_err(|Missing(place)| missing(place))?;
        store(conn, &log, events).await?;
    }
    let is_drained = cursor.advance(moved.snapshot, moved.last.into_iter().chain(seals.last).min());
    Ok(Sequenced::Moved {
        events,
        repeated: moved.taken - events,
        erased: seals.erased,
        refused: seals.refused + moved.refused,
        size: log.size + events,
        is_drained,
    })
}

/// Decides whether the server's clock can be believed: what it says once, no later event can be before.
fn check_clock(last: DateTime<Utc>, server: DateTime<Utc>, ours: DateTime<Utc>) -> Result<(), Error> {
    let behind = (last - server).to_std().unwrap_or_default();
    if behind > TOLERATED_BEHIND {
        return Err(Error::ClockBehind { behind });
    }
    let ahead = (server - ours).to_std().unwrap_or_default();
    if ahead > TOLERATED_AHEAD {
        return Err(Error::ClockAhead { ahead });
    }
    Ok(())
}

/// Two round trips, as what is read beside a row that is waited for would be of the moment before.
async fn lock(conn: &mut PgConnection, clock: Clock) -> Result<Option<Log>, Error> {
    let row = sqlx::query(
        "SELECT size, sequenced_at = '-infinity', \
         CASE WHEN sequenced_at = '-infinity' THEN clock_timestamp() ELSE sequenced_at END, clock_timestamp() \
         FROM audit_tree FOR UPDATE SKIP LOCKED",
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::while_trying("lock the log"))?;
    let Some(row) = row else { return Ok(None) };
    let (size, last, now): (i64, DateTime<Utc>, DateTime<Utc>) = (row.get(0), row.get(2), row.get(3));
    let size = u64::try_from(size).map_err(|_| Error::Damaged { what: format!("it has {size} leaves") })?;
    if clock == Clock::Checked {
        check_clock(last, now, Utc::now())?;
    }
    let tiles = read_tiles(conn, &needed_for_growth(size).collect()).await?;
    Ok(Some(Log { size, sequenced_at: last.max(now), tiles }))
}

async fn store(conn: &mut PgConnection, log: &Log, events: u64) -> Result<(), Error> {
    let mut changed: (Vec<i16>, Vec<i64>, Vec<Vec<u8>>) = Default::default();
    for (place, hashes) in log.tiles.iter() {
        changed.0.push(i16::try_from(place.level).unwrap_or(i16::MAX));
        changed.1.push(i64::try_from(place.tile).unwrap_or(i64::MAX));
        changed.2.push(hashes.iter().flat_map(|hash| hash.0).collect());
    }
    sqlx::query(
        "WITH grown AS (UPDATE audit_tree SET size = $4, sequenced_at = $5) \
         INSERT INTO audit_tiles (level, tile, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
         ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
    )
    .bind(changed.0)
    .bind(changed.1)
    .bind(changed.2)
    .bind(i64::try_from(log.size + events).unwrap_or(i64::MAX))
    .bind(log.sequenced_at)
    .execute(conn)
    .await
    .map_err(Error::while_trying("store the tree"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Error, check_clock};
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn a_clock_is_believed_when_neither_the_log_nor_this_machine_says_otherwise() {
        let at = DateTime::from_timestamp(1_763_769_600, 0).expect("a time");
        let minute = TimeDelta::minutes(1);
        assert!(check_clock(at, at, at).is_ok());
        assert!(check_clock(at + minute, at, at).is_ok());
        assert!(matches!(check_clock(at + minute * 2, at, at), Err(Error::ClockBehind { .. })));
        let day = TimeDelta::days(1);
        assert!(check_clock(at - day * 500, at + day, at).is_ok(), "a quiet log");
        assert!(matches!(check_clock(at, at + day * 2, at), Err(Error::ClockAhead { .. })));
    }
}
