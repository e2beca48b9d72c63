//! Runs a script segment by segment, with its row of history.

use super::attempt::{Attempt, Record, write_as_ourselves};
use super::options::in_milliseconds;
use super::pooled::{self, Pooled, changes_session};
use super::retry::{is_worth_it, pause_after};
use super::settings::{Reach, prepare};
use super::watch::{Tell, Watch};
use super::{Blocker, Event, Options, Settings, lock};
use crate::history::{Begun, Statements};
use crate::migration::{Body, Script};
use crate::script::{Class, Segment};
use crate::{Error, HistoryTable, Left, Migration};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicI32;
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
    pub(super) watch: Watch,
    /// What the session is set to between two migrations.
    pub(super) settings: Settings,
}

/// Where a migration goes on that was half done; from its beginning unless told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Its first statements that are done.
    pub(crate) from: usize,
    /// A statement that is known to be refused in a transaction.
    pub(crate) alone: Option<usize>,
}

/// How far a migration in parts has come.
struct Place {
    from: usize,
    row: Row,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Missing,
    There,
}

impl<'r> Runner<'r> {
    pub(crate) async fn open(
        conn: &'r mut PgConnection,
        history: &HistoryTable,
        options: &'r Options,
        tell: Tell<'r>,
    ) -> Result<Self, Error> {
        let (pid, statements) = if options.is_pooled() {
            (0, Statements::Unnamed)
        } else {
            (prepare(conn, options, Reach::Session).await?, Statements::Prepared)
        };
        let settings = Settings::read(conn, options).await?;
        let watch = Watch::new(pid, options);
        Ok(Self { conn, history: history.with(statements), options, tell, watch, settings })
    }

    /// Runs a migration, or what is left of it.
    pub(crate) async fn run(
        &mut self,
        migration: &Migration,
        direction: Direction,
        from: Rest,
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
        if outcome.is_ok() && changes_session(script) {
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
        resume: Rest,
        start: Instant,
    ) -> Result<(), Error> {
        let mut learned: BTreeSet<usize> = resume.alone.into_iter().collect();
        let mut half_way = None;
        let mut place =
            Place { from: resume.from, row: if resume.from > 0 { Row::There } else { Row::Missing } };
        loop {
            let segments = script.segments(&learned);
            if let Some(at) = segments.unsound.first() {
                return Err(Error::Unsound { file: script.file.clone(), what: format!("{at:?}") });
            }
            if let Err(refused) = self.refuse_behind_pooler(script, &segments.segments).await {
                return Err(half_way.unwrap_or(refused));
            }
            let rest: Vec<Segment> =
                segments.segments.into_iter().filter(|segment| segment.range().end > place.from).collect();
            let whole = place.from == 0 && place.row == Row::Missing;
            let outcome = match rest.as_slice() {
                [] if whole => {
                    self.together(migration, direction, script, 0..0, None, Record::Whole(start)).await
                }
                [Segment::Together { range, begin }] if whole => {
                    let record = Record::Whole(start);
                    self.together(migration, direction, script, range.clone(), *begin, record).await
                }
                rest => self.by_segment(migration, direction, script, rest, &mut place, start).await,
            };
            match outcome {
                Err(error) => match refused_in_transaction(&error) {
                    // Nothing of its transaction was kept, so what the server said of one statement costs nothing.
                    Some(at) if learned.insert(at) => half_way = (place.row == Row::There).then_some(error),
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
        place: &mut Place,
        start: Instant,
    ) -> Result<(), Error> {
        match place.row {
            Row::Missing => self.begin_record(migration, direction, script).await?,
            Row::There => self.replay_settings(script, place.from).await?,
        }
        place.row = Row::There;
        for (index, segment) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            let range = segment.range();
            let range = range.start.max(place.from)..range.end;
            let record = if last { Record::Last(start) } else { Record::Part(range.end) };
            let outcome = match segment {
                Segment::Together { begin, .. } => {
                    self.together(migration, direction, script, range.clone(), *begin, record).await
                }
                Segment::Undone { begin, .. } => {
                    let (range, begin) = (range.clone(), Some(*begin));
                    let work = async {
                        self.together(migration, direction, script, range, begin, Record::Nothing).await?;
                        self.record(migration, direction, script, record).await
                    };
                    Box::pin(work).await
                }
                Segment::Alone(at) => self.alone(migration, direction, script, *at, record).await,
            };
            if let Err(error) = outcome {
                // The error of the statement is worth more than one of writing it down.
                let text = db_core::with_causes(&error);
                let _ = self.remember(migration, range.start, &text).await;
                return Err(half(error));
            }
            place.from = range.end;
        }
        if segments.is_empty() {
            self.record(migration, direction, script, Record::Last(start)).await?;
        }
        Ok(())
    }

    async fn begin_record(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
    ) -> Result<(), Error> {
        let mut tx = self.history.begin(self.conn).await?;
        match direction {
            Direction::Up => self.history.insert(&mut tx, migration, Begun::Running, None).await?,
            Direction::Down => {
                self.history.turn_back(&mut tx, &migration.id, script.len(), &script.text).await?;
            }
        }
        self.history.commit(tx).await
    }

    /// Records what stopped a migration that is under way.
    async fn remember(&mut self, migration: &Migration, done: usize, error: &str) -> Result<(), Error> {
        let mut tx = self.history.begin(self.conn).await?;
        self.history.progress(&mut tx, &migration.id, done, Some(error)).await?;
        self.history.commit(tx).await
    }

    /// What statements that are done have made of the session for those that are not: settings, temporary tables.
    pub(super) async fn replay_settings(&mut self, script: &Script, from: usize) -> Result<(), Error> {
        // Behind a pooler it is done in each transaction.
        if self.options.is_pooled() {
            return Ok(());
        }
        let (of_session, undone) = ([Class::Session, Class::Temporary], script.rolled_back());
        for (at, statement) in script.statements()[..from].iter().enumerate() {
            if undone.contains(&at) || !of_session.contains(&statement.class) {
                continue;
            }
            let replayed =
                sqlx::raw_sql(AssertSqlSafe(statement.text.to_string())).execute(&mut *self.conn).await;
            match replayed {
                // It is the same session still, after a part that the server had refused.
                Err(sqlx::Error::Database(error)) if is_there_already(&error.code().unwrap_or_default()) => {}
                replayed => {
                    replayed.map_err(Error::during(format!(
                        "run again what line {} of {} does to the session",
                        statement.line, script.file
                    )))?;
                }
            }
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
        let (history, pid) = (self.history.clone(), self.watch.pid());
        let (begin, pooled) = (&*begin, self.pooled(&pid));
        let attempt =
            Attempt { history: &history, migration, direction, script, range, begin, pooled, record };
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
            self.pause(&migration.label, began, number, error, &blockers).await?;
        }
        Ok(())
    }

    /// Refuses behind a pooler what needs the same session for longer than a transaction.
    pub(super) async fn refuse_behind_pooler(
        &mut self,
        script: &Script,
        segments: &[Segment],
    ) -> Result<(), Error> {
        if !self.options.is_pooled() {
            return Ok(());
        }
        pooled::refuse(script, segments, self.options)?;
        let alone = segments.iter().find(|segment| matches!(segment, Segment::Alone(_)));
        let Some(segment) = alone else { return Ok(()) };
        let limit = sqlx::raw_sql("SHOW statement_timeout").fetch_one(&mut *self.conn).await;
        let limit: String =
            limit.and_then(|row| row.try_get(0)).map_err(Error::during("read statement_timeout"))?;
        if limit == "0" {
            return Ok(());
        }
        let reason = "runs by itself, under a statement_timeout that the role or the database has and that cannot be lifted";
        Err(pooled::refused(script, segment.range().start, reason))
    }

    /// What a transaction needs behind a pooler, if there is one.
    fn pooled<'p>(&self, pid: &'p AtomicI32) -> Option<Pooled<'p>>
    where
        'r: 'p,
    {
        self.options.is_pooled().then_some(Pooled { options: self.options, pid })
    }

    /// Waits before the next attempt, or gives the error back when the deadline is over.
    pub(super) async fn pause(
        &mut self,
        label: &str,
        began: Instant,
        attempt: u32,
        error: Error,
        blockers: &[Blocker],
    ) -> Result<(), Error> {
        let pause = lock::jittered(pause_after(attempt));
        if began.elapsed() + pause > self.options.lock_deadline {
            return Err(blocked_by(error, blockers));
        }
        (self.tell)(&Event::Blocked { label, attempt, blockers, pause });
        sleep(pause).await;
        Ok(())
    }

    /// Runs scripts of the project's around its migrations, each in a transaction of its own.
    pub(super) async fn hook(&mut self, scripts: &[Script]) -> Result<(), Error> {
        let pid = self.watch.pid();
        for script in scripts {
            let (began, pooled) = (Instant::now(), self.pooled(&pid));
            if pooled.is_some() {
                pooled::refuse_around(script)?;
            }
            let begin =
                format!("BEGIN; SET LOCAL lock_timeout = {}", in_milliseconds(self.options.lock_timeout));
            for number in 1.. {
                let work = super::hooks::once(&mut *self.conn, script, Some(&begin), pooled.as_ref());
                let (outcome, blockers) = self.watch.during(&script.file, &mut *self.tell, work).await;
                match outcome {
                    Err(error) if is_worth_it(&error) => {
                        self.pause(&script.file, began, number, error, &blockers).await?;
                    }
                    outcome => {
                        outcome?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn limit_locks(&mut self, timeout: Duration) -> Result<(), Error> {
        self.set_lock_timeout(&in_milliseconds(timeout)).await
    }

    async fn set_lock_timeout(&mut self, value: &str) -> Result<(), Error> {
        // Behind a pooler it could only be set for a transaction.
        if self.options.is_pooled() {
            return Ok(());
        }
        sqlx::query("SELECT set_config('lock_timeout', $1, false)")
            .persistent(false)
            .bind(value)
            .execute(&mut *self.conn)
            .await
            .map_err(Error::during("set lock_timeout"))?;
        Ok(())
    }

    pub(super) async fn settings_after_alone(&mut self) -> Result<(), Error> {
        let before = self.settings.value("lock_timeout").unwrap_or("0").to_owned();
        self.set_lock_timeout(&before).await
    }

    pub(super) async fn record(
        &mut self,
        migration: &Migration,
        direction: Direction,
        script: &Script,
        record: Record,
    ) -> Result<(), Error> {
        let mut tx = self.history.begin(self.conn).await?;
        write_as_ourselves(&mut tx, &self.history, migration, direction, script, record).await?;
        self.history.commit(tx).await
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

/// Temporary tables, prepared statements, cursors.
fn is_there_already(sqlstate: &str) -> bool {
    matches!(sqlstate, "42P07" | "42P05" | "42P03")
}

fn half(error: Error) -> Error {
    match error {
        Error::Statement(mut error) => {
            error.left = Left::Half;
            Error::Statement(error)
        }
        Error::Commit { label, left: Left::Nothing, source } => {
            Error::Commit { label, left: Left::Half, source }
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
