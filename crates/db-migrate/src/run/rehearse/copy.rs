//! A rehearsal on a scratch copy: for what cannot be rolled back.

use super::Job;
use super::locks::{Existing, LockMode};
use super::measure::{Constraints, Measure, blank, hold};
use super::place::{Action, Todo, parts};
use super::probe::{existing, look};
use super::report::{Certainty, Lock, Rehearsed, Rows, StatementCost};
use crate::held::Held;
use crate::history::{Begun, Ended};
use crate::migration::Script;
use crate::run::apply::record_only;
use crate::run::execute::refused_in_transaction;
use crate::run::send::send_one;
use crate::run::watch::Tell;
use crate::run::{Direction, Event, Settings, hooks, settings};
use crate::scratch::is_in_use;
use crate::script::{Effect, Segment, effect};
use crate::stage::options_there;
use crate::{Error, Left, Migration, Server, Template};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rows: Rows,
    pub(super) migrations: Vec<Rehearsed>,
    pub(super) failed: Option<Error>,
}

/// Makes the copy, runs everything there, and drops it.
pub(super) async fn run(server: &Server, job: &Job<'_>, tell: Tell<'_>) -> Result<Outcome, Error> {
    let (scratch, rows) = make(server, job).await?;
    let mut migrations = Vec::new();
    let outcome = async {
        let mut conn = scratch.server().connect().await?;
        let options = options_there(server, job.options).await?;
        settings::prepare(&mut conn, &options, settings::Reach::Session).await?;
        let settings = Settings::read(&mut conn, &options).await?;
        let existing = existing(&mut conn, job.migrations.history()).await?;
        let failed = Copy { conn, job, settings, existing }.run(&mut migrations, tell).await.err();
        Ok::<_, Error>(failed)
    };
    let outcome = outcome.await;
    let failed = scratch.end(outcome).await?;
    Ok(Outcome { rows, migrations, failed })
}

/// With all rows where nobody is in the database, else with those of the history only.
async fn make(server: &Server, job: &Job<'_>) -> Result<(Held, Rows), Error> {
    match Held::create(server, Template::CopyOf(server.database())).await {
        Ok(scratch) => Ok((scratch, Rows::Copied)),
        Err(error) if is_in_use(&error) => {
            let scratch = Held::create(server, Template::Empty).await?;
            match fill(server, scratch.server(), job, error).await {
                Ok(()) => Ok((scratch, Rows::None)),
                Err(error) => scratch.end(Err(error)).await,
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(feature = "backup")]
async fn fill(from: &Server, to: &Server, job: &Job<'_>, _in_use: Error) -> Result<(), Error> {
    let history = job.migrations.history().as_sql();
    let filled = crate::backup::copy_schema(from, to, &history).await;
    filled.map_err(|source| Error::NoCopy { database: from.database().to_owned(), source: Box::new(source) })
}

/// Without `pg_dump`, only a database that nobody is in can be copied.
#[cfg(not(feature = "backup"))]
fn fill(from: &Server, _to: &Server, _job: &Job<'_>, in_use: Error) -> std::future::Ready<Result<(), Error>> {
    let database = from.database().to_owned();
    std::future::ready(Err(Error::NoCopy { database, source: Box::new(in_use) }))
}

/// The session in the copy.
struct Copy<'a> {
    conn: PgConnection,
    job: &'a Job<'a>,
    settings: Settings,
    existing: Existing,
}

impl Copy<'_> {
    async fn run(&mut self, done: &mut Vec<Rehearsed>, tell: Tell<'_>) -> Result<(), Error> {
        let (job, hooks) = (self.job, self.job.hooks());
        job.migrations.history().create(&mut self.conn).await?;
        hooks::run(&mut self.conn, &hooks.before_all).await?;
        for (index, todo) in job.todos.iter().enumerate() {
            let Migration { id, label, .. } = todo.migration;
            tell(&Event::Started { label, position: index + 1, total: job.todos.len() });
            let (id, name) = (id.clone(), label.clone());
            done.push(Rehearsed { id, label: name, execution: Duration::ZERO, statements: Vec::new() });
            hooks::run(&mut self.conn, &hooks.before_each).await?;
            let Some(now) = done.last_mut() else { break };
            let outcome = self.migration(todo, &mut now.statements).await;
            now.execution = now.statements.iter().map(|statement| statement.execution).sum();
            outcome?;
            hooks::run(&mut self.conn, &hooks.after_each).await?;
            tell(&Event::Finished { label, execution: now.execution });
        }
        hooks::run(&mut self.conn, &hooks.after_all).await
    }

    async fn migration(&mut self, todo: &Todo<'_>, costs: &mut Vec<StatementCost>) -> Result<(), Error> {
        let history = self.job.migrations.history();
        let Action::Run(direction, script) = todo.action else {
            return record_only(&mut self.conn, history, todo.migration).await;
        };
        let mut learned = BTreeSet::new();
        loop {
            costs.clear();
            let parts = parts(script, &learned)?;
            match self.parts(direction, script, &parts, costs).await {
                Ok(()) => break,
                // Where its first transaction refused it, nothing was kept, as in a real run.
                Err(error) => match refused_in_transaction(&error) {
                    Some(at) if is_in_first(&parts, at) && learned.insert(at) => {}
                    _ => return Err(error),
                },
            }
        }
        self.settings.restore(&mut self.conn).await?;
        let applied = Begun::Applied(costs.iter().map(|cost| cost.execution).sum());
        match direction {
            Direction::Up => history.insert(&mut self.conn, todo.migration, applied, None).await,
            Direction::Down => history.end(&mut self.conn, &todo.migration.id, Ended::Reverted).await,
        }
    }

    async fn parts(
        &mut self,
        direction: Direction,
        script: &Script,
        parts: &[Segment],
        costs: &mut Vec<StatementCost>,
    ) -> Result<(), Error> {
        for part in parts {
            match part {
                Segment::Together { begin, .. } => {
                    self.together(direction, script, part, *begin, costs).await?;
                }
                Segment::Undone { begin, .. } => {
                    let existing = self.existing.clone();
                    self.together(direction, script, part, Some(*begin), costs).await?;
                    self.existing = existing;
                }
                Segment::Alone(at) => self.alone(script, *at, costs).await?,
            }
        }
        Ok(())
    }

    async fn together(
        &mut self,
        direction: Direction,
        script: &Script,
        part: &Segment,
        begin: Option<usize>,
        costs: &mut Vec<StatementCost>,
    ) -> Result<(), Error> {
        let began = costs.len();
        let begin = begin.map_or("BEGIN", |at| &*script.statements()[at].text).to_owned();
        let during = || Error::during(format!("begin a transaction for {}", script.file));
        let mut tx = self.conn.begin_with(AssertSqlSafe(begin)).await.map_err(during())?;
        let seen = look(&mut tx).await?;
        let (existing, constraints) = (&mut self.existing, Constraints::AsDeclared);
        let mut measure = Measure { script, existing, costs, constraints };
        let outcome = measure.run(&mut tx, direction, part.range(), seen).await;
        let ending = Instant::now();
        let committed = match &outcome {
            Ok(()) if !part.is_undone() => tx.commit().await,
            _ => tx.rollback().await,
        };
        hold(&mut costs[began..], ending.elapsed());
        outcome?;
        committed.map_err(Error::during(format!("end the transaction of {}", script.file)))
    }

    /// Its locks are gone before they can be seen.
    async fn alone(
        &mut self,
        script: &Script,
        at: usize,
        costs: &mut Vec<StatementCost>,
    ) -> Result<(), Error> {
        let locks = self.known_locks(&script.statements()[at].text).await?;
        let (before, start) = (look(&mut self.conn).await?, Instant::now());
        let rows = send_one(&mut self.conn, script, at, Left::Nothing).await?;
        let execution = start.elapsed();
        let after = look(&mut self.conn).await?;
        let wal_bytes = after.wal.saturating_sub(before.wal);
        let cost = StatementCost { wal_bytes, locks, ..blank(script, Some(at), execution, Some(rows)) };
        costs.push(cost);
        if let Some(cost) = costs.last_mut() {
            hold(std::slice::from_mut(cost), Duration::ZERO);
        }
        Ok(())
    }

    /// What the manual says of a concurrent build.
    async fn known_locks(&mut self, statement: &str) -> Result<Vec<Lock>, Error> {
        let Effect::CreateIndex { table, .. } = effect(statement) else { return Ok(Vec::new()) };
        let oid: Option<i64> = sqlx::query_scalar("SELECT to_regclass($1)::oid::bigint")
            .persistent(false)
            .bind(&table)
            .fetch_one(&mut self.conn)
            .await
            .map_err(Error::during(format!("look for {table}")))?;
        let relation = oid.and_then(|oid| self.existing.get(&oid));
        let mode = LockMode::ShareUpdateExclusive;
        let lock = |name: &str| Lock {
            relation: name.to_owned(),
            mode,
            held: Duration::ZERO,
            certainty: Certainty::Assumed,
        };
        Ok(relation.map(|relation| lock(&relation.name)).into_iter().collect())
    }
}

fn is_in_first(parts: &[Segment], at: usize) -> bool {
    parts.first().is_some_and(|part| part.range().contains(&at))
}
