//! A rehearsal on the database itself: one transaction, rolled back whatever comes of it.

use super::locks::Existing;
use super::measure::{Constraints, Measure, hold};
use super::place::{Action, Todo, parts};
use super::probe::{existing, look};
use super::report::{Rehearsed, StatementCost};
use super::{Job, constraints};
use crate::history::{Begun, Ended};
use crate::migration::Script;
use crate::run::apply::record_only;
use crate::run::execute::blocked_by;
use crate::run::options::in_milliseconds;
use crate::run::retry::{is_worth_it, pause_after};
use crate::run::watch::{Tell, Watch};
use crate::run::{Blocker, Direction, Event, Settings, hooks, lock, settings};
use crate::scratch::execute;
use crate::{Error, Migration};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Stands for the transaction of a file that rolls it back.
const ASIDE: &str = "cairn_rolled_back";

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) migrations: Vec<Rehearsed>,
    pub(super) attempts: u32,
    pub(super) blockers: Vec<Blocker>,
    pub(super) failed: Option<Error>,
}

/// Runs everything and rolls it back; again from the beginning where it does not get a lock.
pub(super) async fn run(conn: &mut PgConnection, job: &Job<'_>, tell: Tell<'_>) -> Result<Outcome, Error> {
    let pid = settings::prepare(conn, job.options, settings::Reach::Session).await?;
    let settings = Settings::read(conn, job.options).await?;
    let mut watch = Watch::new(pid, job.options);
    let (began, mut outcome) = (Instant::now(), Outcome::default());
    loop {
        outcome.attempts += 1;
        outcome.migrations.clear();
        let mut tx = conn.begin().await.map_err(Error::during("begin the transaction to roll back"))?;
        let existing = existing(&mut tx, job.migrations.history()).await?;
        let mut attempt = Attempt {
            conn: &mut tx,
            job,
            settings: &settings,
            watch: &mut watch,
            existing,
            constraints: Constraints::AsDeclared,
            seen: Vec::new(),
        };
        let done = attempt.run(&mut outcome.migrations, tell).await;
        remember(&mut outcome.blockers, std::mem::take(&mut attempt.seen));
        // Before any pause: nobody is to wait behind what a rehearsal has locked.
        let rolled_back = tx.rollback().await;
        let error = match done {
            Ok(()) => return rolled_back.map(|()| outcome).map_err(Error::during("roll back")),
            Err(error) => error,
        };
        let pause = lock::jittered(pause_after(outcome.attempts));
        if !is_worth_it(&error) || began.elapsed() + pause > job.options.lock_deadline {
            outcome.failed =
                Some(if is_worth_it(&error) { blocked_by(error, &outcome.blockers) } else { error });
            return Ok(outcome);
        }
        let label = outcome.migrations.last().map_or("", |last| &last.label);
        let (attempt, blockers) = (outcome.attempts, outcome.blockers.as_slice());
        tell(&Event::Blocked { label, attempt, blockers, pause });
        sleep(pause).await;
    }
}

/// Each session once, as it was last seen.
fn remember(known: &mut Vec<Blocker>, seen: Vec<Blocker>) {
    for blocker in seen {
        known.retain(|other| other.pid != blocker.pid);
        known.push(blocker);
    }
}

/// One transaction.
struct Attempt<'a> {
    conn: &'a mut PgConnection,
    job: &'a Job<'a>,
    settings: &'a Settings,
    watch: &'a mut Watch,
    existing: Existing,
    constraints: Constraints,
    seen: Vec<Blocker>,
}

impl Attempt<'_> {
    async fn run(&mut self, done: &mut Vec<Rehearsed>, tell: Tell<'_>) -> Result<(), Error> {
        let (job, hooks) = (self.job, self.job.hooks());
        job.migrations.history().create_within(self.conn).await?;
        hooks::run(self.conn, &hooks.before_all).await?;
        for (index, todo) in job.todos.iter().enumerate() {
            let Migration { id, label, .. } = todo.migration;
            tell(&Event::Started { label, position: index + 1, total: job.todos.len() });
            let (id, name) = (id.clone(), label.clone());
            done.push(Rehearsed { id, label: name, execution: Duration::ZERO, statements: Vec::new() });
            hooks::run(self.conn, &hooks.before_each).await?;
            let Some(now) = done.last_mut() else { break };
            self.migration(todo, now, tell).await?;
            hooks::run(self.conn, &hooks.after_each).await?;
            tell(&Event::Finished { label, execution: now.execution });
        }
        hooks::run(self.conn, &hooks.after_all).await
    }

    async fn migration(
        &mut self,
        todo: &Todo<'_>,
        done: &mut Rehearsed,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let history = self.job.migrations.history();
        let Action::Run(direction, script) = todo.action else {
            return record_only(self.conn, history, todo.migration).await;
        };
        for part in parts(script, &BTreeSet::new())? {
            let began = done.statements.len();
            let (range, costs) = (part.range(), &mut done.statements);
            let aside = if part.is_undone() { Some(self.step_aside().await?) } else { None };
            let outcome = self.part(todo, direction, script, range, costs, tell).await;
            let checked = Instant::now();
            if let Some(existing) = aside {
                if outcome.is_ok() {
                    self.step_back(existing).await?;
                }
            } else if outcome.is_ok() && constraints::check(self.conn, &todo.migration.label).await? {
                self.constraints = Constraints::WereChecked;
            }
            hold(&mut done.statements[began..], checked.elapsed());
            done.execution = done.statements.iter().map(|statement| statement.execution).sum();
            outcome?;
        }
        // What was set for a transaction goes here as well: the next migration has another one in a real run.
        self.settings.restore(self.conn).await?;
        let applied = Begun::Applied(done.execution);
        match direction {
            Direction::Up => history.insert(self.conn, todo.migration, applied, None).await,
            Direction::Down => history.end(self.conn, &todo.migration.id, Ended::Reverted).await,
        }
    }

    /// Before what the file rolls back itself; the relations as they will be again then.
    async fn step_aside(&mut self) -> Result<Existing, Error> {
        let during = Error::during("set a savepoint");
        execute(self.conn, format!("SAVEPOINT {ASIDE}")).await.map_err(during)?;
        Ok(self.existing.clone())
    }

    async fn step_back(&mut self, existing: Existing) -> Result<(), Error> {
        let during = Error::during("roll back to a savepoint");
        execute(self.conn, format!("ROLLBACK TO {ASIDE}; RELEASE {ASIDE}")).await.map_err(during)?;
        self.existing = existing;
        Ok(())
    }

    /// What has a transaction of its own in a real run.
    async fn part(
        &mut self,
        todo: &Todo<'_>,
        direction: Direction,
        script: &Script,
        range: Range<usize>,
        costs: &mut Vec<StatementCost>,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let timeout = in_milliseconds(self.job.options.lock_timeout);
        let during = Error::during("set lock_timeout");
        execute(self.conn, format!("SET LOCAL lock_timeout = {timeout}")).await.map_err(during)?;
        let seen = look(self.conn).await?;
        let (conn, constraints) = (&mut *self.conn, self.constraints);
        let mut measure = Measure { script, existing: &mut self.existing, costs, constraints };
        let work = measure.run(conn, direction, range, seen);
        let (outcome, blockers) = self.watch.during(&todo.migration.label, tell, work).await;
        remember(&mut self.seen, blockers);
        outcome
    }
}
