//! Runs a script segment by segment, with its row of history.

use super::attempt::{Attempt, Record, write};
use super::options::in_milliseconds;
use super::retry::{is_worth_it, pause_after};
use super::send::send;
use super::watch::{Tell, Watch};
use super::{Blocker, DeployLock, Event, Options, Settings, lock};
use crate::history::{Begun, Statements};
use crate::migration::{Body, Script};
use crate::script::{Class, Segment};
use crate::{Error, HistoryTable, Left, Migration};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// Runs migrations on a session.
pub(crate) struct Runner<'r> {
    pub(crate) conn: &'r mut PgConnection,
    pub(crate) history: HistoryTable,
    pub(crate) options: &'r Options,
    pub(crate) tell: Tell<'r>,
    watch: Watch,
    /// What the session is set to between two migrations.
    settings: Settings,
}

impl<'r> Runner<'r> {
    pub(crate) async fn open(
        conn: &'r mut PgConnection,
        history: &HistoryTable,
        options: &'r Options,
        tell: Tell<'r>,
    ) -> Result<Self, Error> {
        super::settings::prepare(conn, options).await?;
        let settings = Settings::read(conn).await?;
        let watch = Watch::open(conn, options).await?;
        let statements = match options.deploy_lock {
            DeployLock::Session => Statements::Prepared,
            DeployLock::Transaction => Statements::Unnamed,
        };
        Ok(Self { conn, history: history.with(statements), options, tell, watch, settings })
    }

    /// Runs a migration from its statement `from` on, which is 0 unless it was half done.
    pub(crate) async fn run(
        &mut self,
        migration: &Migration,
        direction: Direction,
        from: usize,
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        self.forget_statements(migration).await?;
        let script = match (direction, &migration.down) {
            (Direction::Up, _) => &migration.up,
            (Direction::Down, Some(down)) => down,
            (Direction::Down, None) => return Err(Error::NoDown { labels: vec![migration.label.clone()] }),
        };
        let outcome = match &script.body {
            Body::Sql(_) => self.run_script(migration, direction, script, from, start).await,
            Body::Code(_) => {
                self.together(migration, direction, script, 0..0, None, Record::Whole(start)).await
            }
        };
        // What pg_dump writes begins by emptying the search path, for the whole session.
        let changes = |class| matches!(class, Class::Session | Class::Temporary);
        if outcome.is_ok()
            && (matches!(script.body, Body::Code(_))
                || script.statements().iter().any(|statement| changes(statement.class)))
        {
            self.settings.restore(self.conn).await?;
        }
        outcome.map(|()| start.elapsed())
    }

    /// One that makes the server forget what is prepared would leave us with names of nothing.
    async fn forget_statements(&mut self, migration: &Migration) -> Result<(), Error> {
        let forgets = |script: &Script| match &script.body {
            Body::Sql(statements) => statements.iter().any(|statement| {
                let text = statement.text.to_ascii_uppercase();
                text.contains("DEALLOCATE") || text.contains("DISCARD")
            }),
            Body::Code(_) => true,
        };
        if self.history.statements() == Statements::Prepared
            && (forgets(&migration.up) || migration.down.as_ref().is_some_and(forgets))
        {
            self.history = self.history.with(Statements::Unnamed);
            self.conn.clear_cached_statements().await.map_err(Error::during("forget what is prepared"))?;
        }
        Ok(())
    }

    async fn run_script(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        from: usize,
        start: Instant,
    ) -> Result<(), Error> {
        let mut learned = BTreeSet::new();
        loop {
            let segments = script.segments(&learned);
            if let Some(at) = segments.unsound.first() {
                return Err(Error::Unsound { file: script.file.clone(), what: format!("{at:?}") });
            }
            let rest: Vec<Segment> =
                segments.segments.into_iter().filter(|segment| segment.range().end > from).collect();
            let outcome = match rest.as_slice() {
                [] if from == 0 => {
                    self.together(migration, direction, script, 0..0, None, Record::Whole(start)).await
                }
                [Segment::Together { range, begin }] if from == 0 => {
                    let record = Record::Whole(start);
                    self.together(migration, direction, script, range.clone(), *begin, record).await
                }
                rest => self.by_segment(migration, direction, script, rest, from, start).await,
            };
            match outcome {
                Err(error) => match refused_in_transaction(&error) {
                    // Nothing of its transaction was kept, so what the server said of one statement costs nothing.
                    Some(at) if from == 0 && learned.insert(at) && !is_begun(&error) => {}
                    _ => return Err(error),
                },
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The row of history is there from the beginning, so that a half-applied migration is seen.
    async fn by_segment(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        segments: &[Segment],
        from: usize,
        start: Instant,
    ) -> Result<(), Error> {
        if from == 0 {
            match direction {
                Direction::Up => self.history.insert(self.conn, migration, Begun::Running, None).await?,
                Direction::Down => self.history.turn_back(self.conn, &migration.id, script.len()).await?,
            }
        } else {
            self.replay_settings(script, from).await?;
        }
        for (index, segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            let range = segment.range();
            let range = range.start.max(from)..range.end;
            let record = if last { Record::Last(start) } else { Record::Part(range.end) };
            let outcome = match segment {
                Segment::Together { begin, .. } => {
                    self.together(migration, direction, script, range.clone(), *begin, record).await
                }
                Segment::Alone(at) => self.alone(migration, direction, script, *at, record).await,
            };
            if let Err(error) = outcome {
                // The error of the statement is worth more than one of writing it down.
                let text = db_core::with_causes(&error);
                let _ = self.history.progress(self.conn, &migration.id, range.start, Some(&text)).await;
                return Err(half(error));
            }
        }
        if segments.is_empty() {
            self.record(migration, direction, Record::Last(start)).await?;
        }
        Ok(())
    }

    /// What statements that are done have set for those that are not.
    async fn replay_settings(&mut self, script: &Script, from: usize) -> Result<(), Error> {
        for statement in script.statements()[..from].iter().filter(|found| found.class == Class::Session) {
            sqlx::raw_sql(AssertSqlSafe(statement.text.to_string())).execute(&mut *self.conn).await.map_err(
                Error::during(format!("set again what line {} of {} sets", statement.line, script.file)),
            )?;
        }
        Ok(())
    }

    /// In one transaction with its record, tried again while it does not get its locks.
    async fn together(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        range: Range<usize>,
        begin: Option<usize>,
        record: Record,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let begin = begin.map_or("BEGIN", |at| &*script.statements()[at].text);
        let begin =
            format!("{begin}; SET LOCAL lock_timeout = {}", in_milliseconds(self.options.lock_timeout));
        let history = self.history.clone();
        let attempt =
            Attempt { history: &history, migration, direction, script, range, begin: &begin, record };
        let mut blockers = Vec::new();
        for number in 1.. {
            let work = attempt.run(&mut *self.conn);
            let (outcome, seen) = self.watch.during(&migration.label, &mut *self.tell, work).await;
            // One that was gone before it was seen again may be the same as before.
            blockers = if seen.is_empty() { blockers } else { seen };
            let Err(error) = outcome else { return Ok(()) };
            if !is_worth_it(&error) {
                return Err(error);
            }
            self.pause(migration, began, number, error, &blockers).await?;
        }
        Ok(())
    }

    /// Waits before the next attempt, or gives the error back when the deadline is over.
    async fn pause(
        &mut self,
        migration: &Migration,
        began: Instant,
        attempt: u32,
        error: Error,
        blockers: &[Blocker],
    ) -> Result<(), Error> {
        let pause = lock::jittered(pause_after(attempt));
        if began.elapsed() + pause > self.options.lock_deadline {
            return Err(blocked_by(error, blockers));
        }
        (self.tell)(&Event::Blocked { label: &migration.label, attempt, blockers, pause });
        sleep(pause).await;
        Ok(())
    }

    /// One statement that the server refuses in a transaction.
    async fn alone(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        at: usize,
        record: Record,
    ) -> Result<(), Error> {
        let statement = &script.statements()[at];
        // Nobody waits behind a concurrent build, and one that times out leaves an invalid index.
        let concurrent = statement.text.to_ascii_uppercase().contains("CONCURRENTLY");
        let timeout = if concurrent { self.options.lock_deadline } else { self.options.lock_timeout };
        let began = Instant::now();
        for attempt in 1.. {
            self.limit_locks(&in_milliseconds(timeout)).await?;
            let mut quiet = |_: &Event<'_>| {};
            let work = send(&mut *self.conn, script, at..at + 1, Left::Half, &migration.label, &mut quiet);
            let (outcome, blockers) = self.watch.during(&migration.label, &mut *self.tell, work).await;
            self.settings_after_alone().await?;
            match outcome {
                Ok(()) => break,
                Err(error) => {
                    self.clean(script, at).await;
                    if !is_worth_it(&error) {
                        return Err(blocked_by(error, &blockers));
                    }
                    self.pause(migration, began, attempt, error, &blockers).await?;
                }
            }
        }
        (self.tell)(&Event::Statement { label: &migration.label, number: at + 1, total: script.len() });
        self.record(migration, direction, record).await
    }

    async fn limit_locks(&mut self, value: &str) -> Result<(), Error> {
        sqlx::query("SELECT set_config('lock_timeout', $1, false)")
            .persistent(false)
            .bind(value)
            .execute(&mut *self.conn)
            .await
            .map_err(Error::during("set lock_timeout"))?;
        Ok(())
    }

    async fn settings_after_alone(&mut self) -> Result<(), Error> {
        let before = self.settings.value("lock_timeout").unwrap_or("0").to_owned();
        self.limit_locks(&before).await
    }

    /// An index that could not be built is of no use to anybody, and costs every write.
    async fn clean(&mut self, script: &Script, at: usize) {
        let effect = crate::script::effect(&script.statements()[at].text);
        if let Ok(Some(what)) = super::recover::drop_invalid(self.conn, &effect).await {
            (self.tell)(&Event::Mended { what: &what });
        }
    }

    async fn record(
        &mut self,
        migration: &Migration,
        direction: Direction,
        record: Record,
    ) -> Result<(), Error> {
        write(self.conn, &self.history, migration, direction, record).await
    }
}

/// The statement that the server refused because it was in a transaction.
pub(super) fn refused_in_transaction(error: &Error) -> Option<usize> {
    match error {
        Error::Statement(error) if matches!(error.sqlstate.as_str(), "25001" | "2D000") => {
            Some(error.statement - 1)
        }
        _ => None,
    }
}

/// Whether something of the migration was kept.
fn is_begun(error: &Error) -> bool {
    matches!(error, Error::Statement(error) if error.left == Left::Half)
}

fn half(error: Error) -> Error {
    match error {
        Error::Statement(mut error) => {
            error.left = Left::Half;
            Error::Statement(error)
        }
        error => error,
    }
}

pub(super) fn blocked_by(error: Error, blockers: &[Blocker]) -> Error {
    match error {
        Error::Statement(mut error) => {
            error.blockers = blockers.iter().map(ToString::to_string).collect();
            Error::Statement(error)
        }
        error => error,
    }
}
