//! Runs a statement that the server refuses in a transaction.

use super::attempt::Record;
use super::evidence::{drop_invalid, finish_detach};
use super::execute::blocked_by;
use super::retry::is_worth_it;
use super::send::send;
use super::{Direction, Event, Runner};
use crate::migration::Script;
use crate::script::{Class, Effect, Statement, effect};
use crate::{Error, Left, Migration};
use sqlx::PgConnection;
use std::time::Instant;

impl Runner<'_> {
    /// One statement that the server refuses in a transaction.
    pub(super) async fn alone(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        at: usize,
        record: Record,
    ) -> Result<(), Error> {
        let statement = &script.statements()[at];
        let effect = effect(&statement.text);
        if statement.class != Class::Outside {
            let mut tx = self.history.begin(self.conn).await?;
            self.history.begin_alone(&mut tx, &migration.id, at).await?;
            self.history.commit(tx).await?;
        }
        // Nobody waits behind a concurrent build, and one that times out leaves an invalid index. What may have committed
        // some of its work must not be run twice.
        let concurrent = statement.text.to_ascii_uppercase().contains("CONCURRENTLY");
        let once = effect == Effect::Unknown;
        let timeout = if concurrent || once { self.options.lock_deadline } else { self.options.lock_timeout };
        let began = Instant::now();
        // Behind a pooler each transaction has discarded what it did.
        let is_done = self.options.is_pooled() && is_discard_all(statement);
        for attempt in 1.. {
            if is_done {
                break;
            }
            self.limit_locks(timeout).await?;
            let work = send_alone(&mut *self.conn, script, at, &effect, attempt, &migration.label);
            let (outcome, blockers) = self.watch.during(&migration.label, &mut *self.tell, work).await;
            self.settings_after_alone().await?;
            match outcome {
                Ok(()) => break,
                Err(error) => {
                    self.clean(migration, &effect).await;
                    if once || !is_worth_it(&error) {
                        return Err(blocked_by(error, &blockers));
                    }
                    self.pause(&migration.label, began, attempt, error, &blockers).await?;
                }
            }
        }
        if is_discard_all(statement) {
            self.settings.restore(self.conn).await?;
        }
        (self.tell)(&Event::Statement { label: &migration.label, number: at + 1, total: script.len() });
        self.record(migration, direction, script, record).await
    }

    /// An index that could not be built is of no use to anybody, and costs every write.
    async fn clean(&mut self, migration: &Migration, effect: &Effect) {
        let dropped = drop_invalid(self.conn, &self.history, &migration.id, effect).await;
        if let Ok(Some(what)) = dropped {
            (self.tell)(&Event::Mended { what: &what });
        }
    }
}

/// Sends it, or finishes what an attempt before has begun.
async fn send_alone(
    conn: &mut PgConnection,
    script: &Script,
    at: usize,
    effect: &Effect,
    attempt: u32,
    label: &str,
) -> Result<(), Error> {
    if attempt > 1 && finish_detach(conn, effect).await? {
        return Ok(());
    }
    if is_discard_all(&script.statements()[at]) {
        let discarded = sqlx::raw_sql(DISCARD_ALL_BUT_LOCKS).execute(conn).await;
        return discarded
            .map(drop)
            .map_err(Error::during(format!("discard what {label} has done to the session")));
    }
    send(conn, script, at..at + 1, Left::Half, label, &mut |_| {}).await
}

/// What the documentation says that `DISCARD ALL` is, without `pg_advisory_unlock_all()`: another deployment waits for
/// the lock that it would let go of.
const DISCARD_ALL_BUT_LOCKS: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; \
    DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

pub(super) fn is_discard_all(statement: &Statement) -> bool {
    let mut words = statement.text.split_ascii_whitespace();
    let is =
        |word: Option<&str>, expected: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(expected));
    is(words.next(), "DISCARD") && is(words.next(), "ALL")
}
