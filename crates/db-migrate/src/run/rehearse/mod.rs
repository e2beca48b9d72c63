//! Runs for real what a deployment would run, and keeps nothing of it.

mod constraints;
mod copy;
mod here;
mod locks;
mod measure;
mod place;
mod probe;
mod report;

pub use locks::LockMode;
pub use report::{Certainty, Lock, Place, Rehearsal, Rehearsed, Rewritten, Rows, StatementCost, TableLock};

use super::apply::refuse_read_only;
use super::status::show_edits;
use super::watch::Tell;
use super::{Event, Options, lock};
use crate::plan::{Why, plan_back};
use crate::stage::refuse_server_wide;
use crate::{Error, Hooks, Migrations, PlanError, Problem, RevertTo, Server, plan};
use place::{Todo, is_of_the_transaction, needs_copy};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// What is rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// What [`apply`](crate::apply) would do.
    Up,
    /// What [`revert`](crate::revert) would do.
    Down(RevertTo),
}

/// Where a rehearsal may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// On the database itself where that can be rolled back, else on a copy.
    #[default]
    Auto,
    /// On the database itself, or not at all.
    Here,
    /// On a copy.
    Copy,
}

/// Runs what is due in sessions of its own, measures it, and keeps nothing of it.
///
/// On the database itself it is one transaction that is rolled back. The deploy lock is held, statements wait for locks no
/// longer than `lock_timeout`, and where one does not get its lock everything is rolled back, a pause made, and all begun
/// anew until `lock_deadline`. Until the end it holds every lock that it has taken, where a real run lets go of them after
/// each migration: on a database in use, rehearse few at a time. What a rollback does not undo: values drawn from
/// sequences stay drawn, dead rows stay until they are vacuumed, and what statements do elsewhere (`dblink`, files,
/// programs) is done. `NOTIFY` is not delivered.
///
/// What runs in no transaction, and what one transaction refuses that several would not, is rehearsed on a copy with all
/// the rest. It has all rows where nobody is connected to the database, the caller included, which the server waits for
/// 5 s; else, with the feature `backup`, schema and history only.
///
/// # Errors
/// What fails in a migration is in the report. [`Error::ReadOnly`], [`Error::Locked`], [`Error::Plan`],
/// [`Error::NoDown`] and the others of a plan, as in a real run; [`Error::NeedsCopy`] with [`On::Here`];
/// [`Error::ServerWide`] where a copy is needed and would not hold a statement; [`Error::NoCopy`], [`Error::Database`].
///
/// # Cancel safety
/// The transaction is rolled back, or the copy dropped; [`Scratch::settled`](crate::Scratch::settled) waits for that.
pub async fn rehearse(
    server: &Server,
    migrations: &Migrations,
    course: &Course,
    on: On,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Rehearsal, Error> {
    if options.is_pooled() {
        return Err(Error::RehearsedBehindPooler);
    }
    let mut conn = server.connect().await?;
    refuse_read_only(&mut conn).await?;
    let lock = lock::acquire(&mut conn, options, progress).await?;
    let waited = lock.waited;
    let outcome = Box::pin(on_database(&mut conn, migrations, course, on, options, progress)).await;
    let (job, rehearsal) = lock.release(&mut conn, outcome).await?;
    // A database with a session cannot be copied.
    conn.close().await.map_err(Error::during("close a session"))?;
    let because = match rehearsal {
        Tried::Done(rehearsal) => return Ok(Rehearsal { waited, ..rehearsal }),
        Tried::NeedsCopy(because) => because,
    };
    let scripts = job.todos.iter().filter_map(Todo::script);
    refuse_server_wide(scripts, job.hooks(), options.server_wide)?;
    progress(&Event::Copying { because: because.as_deref().unwrap_or("as was asked for") });
    let copy::Outcome { rows, migrations, failed } = Box::pin(copy::run(server, &job, progress)).await?;
    let place = Place::Copy(rows);
    Ok(Rehearsal { because, migrations, waited, failed, ..blank(place, job.warnings) })
}

/// What is to be done, by which rules.
#[derive(Debug)]
struct Job<'j> {
    migrations: &'j Migrations,
    course: &'j Course,
    todos: Vec<Todo<'j>>,
    warnings: Vec<Problem>,
    options: &'j Options,
}

static NO_HOOKS: Hooks = Hooks::none();

impl Job<'_> {
    /// They are run around what is applied.
    fn hooks(&self) -> &Hooks {
        match self.course {
            Course::Up => self.migrations.hooks(),
            Course::Down(_) => &NO_HOOKS,
        }
    }
}

enum Tried {
    Done(Rehearsal),
    NeedsCopy(Option<String>),
}

/// On the database itself, if it may and can be.
async fn on_database<'j>(
    conn: &mut PgConnection,
    migrations: &'j Migrations,
    course: &'j Course,
    on: On,
    options: &'j Options,
    tell: Tell<'_>,
) -> Result<(Job<'j>, Tried), Error> {
    let job = job(conn, migrations, course, options).await?;
    let needed = needs_copy(&job.todos)?;
    match (on, needed) {
        (On::Copy, _) => return Ok((job, Tried::NeedsCopy(None))),
        (On::Auto, Some(because)) => return Ok((job, Tried::NeedsCopy(Some(because)))),
        (On::Here, Some(reason)) => return Err(Error::NeedsCopy { reason }),
        (On::Auto | On::Here, None) => {}
    }
    if job.todos.is_empty() {
        let rehearsal = blank(Place::Here, job.warnings.clone());
        return Ok((job, Tried::Done(rehearsal)));
    }
    let here::Outcome { migrations, attempts, blockers, failed } = here::run(conn, &job, tell).await?;
    if on == On::Auto
        && let Some(because) = failed.as_ref().and_then(is_of_the_transaction)
    {
        return Ok((job, Tried::NeedsCopy(Some(because))));
    }
    let blank = blank(Place::Here, job.warnings.clone());
    Ok((job, Tried::Done(Rehearsal { migrations, attempts, blockers, failed, ..blank })))
}

fn blank(place: Place, warnings: Vec<Problem>) -> Rehearsal {
    Rehearsal {
        place,
        because: None,
        migrations: Vec::new(),
        warnings,
        waited: Duration::ZERO,
        attempts: 1,
        blockers: Vec::new(),
        failed: None,
    }
}

async fn job<'j>(
    conn: &mut PgConnection,
    migrations: &'j Migrations,
    course: &'j Course,
    options: &'j Options,
) -> Result<Job<'j>, Error> {
    let (files, applied) = (migrations.as_slice(), migrations.history().read(conn).await?);
    let (todos, warnings) = match course {
        Course::Up => match plan(files, &applied, &options.rules) {
            Ok(plan) => {
                let todo = |step: &crate::Step<'j>| match step.why {
                    Why::Replaces => Todo::record(step.migration),
                    Why::New | Why::OutOfOrder | Why::Changed => Todo::up(step.migration),
                };
                (plan.steps.iter().map(todo).collect(), plan.warnings)
            }
            Err(PlanError { mut problems }) => {
                show_edits(conn, migrations, &mut problems).await?;
                return Err(PlanError { problems }.into());
            }
        },
        Course::Down(to) => {
            let steps = plan_back(files, &applied, to)?;
            let todos: Result<_, Error> = steps.into_iter().map(Todo::down).collect();
            (todos?, Vec::new())
        }
    };
    Ok(Job { migrations, course, todos, warnings, options })
}
