//! `db migrate`.

pub(crate) mod args;
mod files;
mod lint;
mod new;
mod rehearsal;
mod rehearse;
mod render;
mod schema;
mod server_wide;
mod squash;
mod verify;

use crate::{
    Exit, Failed, backup,
    confirm::agreed,
    database::{Missing, Place},
    output::{self, Format},
    stop::{Stop, unless_stopped},
};
use args::{
    AdoptArgs, Answer, DownArgs, GoArgs, MigrateAction, MigrateArgs, Order, RecoverArgs, RepairArgs, RunArgs,
    ToArgs, UpArgs,
};
use db_migrate::lint::{LintOptions, Linted, lint, read_catalogue};
use db_migrate::{
    DeployLock, Event, Migrations, Options, OutOfOrder, Problem, Recover, RevertTo, Risk, Rules, Way, plan,
};
use serde_json::json;
use sqlx::PgConnection;

pub(crate) async fn run(args: &MigrateArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        MigrateAction::Up(args) => up(args, format).await,
        MigrateAction::Down(args) => {
            args.run.refuse_rules("down")?;
            down(args, format).await
        }
        MigrateAction::To(args) => to(args, format).await,
        MigrateAction::Plan(args) => show_plan(args, format).await,
        MigrateAction::Status(args) => status(args, format).await,
        MigrateAction::Validate(args) => files::validate(args, format),
        MigrateAction::Recover(args) => {
            args.run.refuse_rules("recover")?;
            recover(args, format).await
        }
        MigrateAction::Verify(args) => verify::run(args, format).await,
        MigrateAction::Snapshot(args) => schema::snapshot(args, format).await,
        MigrateAction::Drift(args) => schema::drift(args, format).await,
        MigrateAction::Repair(args) => {
            args.run.refuse_rules("repair")?;
            repair(args, format).await
        }
        MigrateAction::Baseline(args) => {
            args.run.refuse_rules("baseline")?;
            baseline(args, format).await
        }
        MigrateAction::Adopt(args) => {
            args.run.refuse_rules("adopt")?;
            adopt(args, format).await
        }
        MigrateAction::Squash(args) => squash::run(args, format).await,
        MigrateAction::Lint(args) => lint::run(args, format).await,
        MigrateAction::New(args) => new::run(args, format),
    }
}

/// A database, a session of it, and what to do there.
struct Session {
    place: Place,
    /// Beside any pool: it holds the deploy lock, and what the migrations set.
    conn: PgConnection,
    migrations: Migrations,
    options: Options,
}

impl Session {
    async fn open(args: &RunArgs, missing: Missing) -> Result<Self, Failed> {
        // What is wrong with the files is told before a server is started for them.
        let migrations = files::read(&args.database, &args.files)?;
        let (place, conn) = Place::open_session(&args.database, missing).await?;
        let options = Options { server: Some(place.server.clone()), ..options(args) };
        Ok(Self { place, conn, migrations, options })
    }

    /// Ends the session, and the server if this command started it, and then says what came of it.
    async fn close<T>(self, outcome: Result<T, db_migrate::Error>) -> Result<T, Failed> {
        // One that is in the midst of something is none to say goodbye to.
        drop(self.conn);
        self.place.close().await;
        Ok(outcome?)
    }
}

fn options(args: &RunArgs) -> Options {
    Options {
        rules: Rules {
            out_of_order: match args.out_of_order() {
                Order::Refuse => OutOfOrder::Refuse,
                Order::Warn => OutOfOrder::Warn,
                Order::Apply => OutOfOrder::Apply,
            },
            environment: args.environment.clone(),
            tags: args.tags.iter().cloned().collect(),
            ..Rules::default()
        },
        lock_timeout: args.lock_timeout,
        lock_deadline: args.lock_deadline,
        statement_timeout: args.statement_timeout,
        deploy_lock_timeout: args.deploy_lock_timeout,
        deploy_lock: if args.pooler { DeployLock::Transaction } else { DeployLock::Session },
        search_path: args.search_path.clone(),
        server: None,
        ..Options::default()
    }
}

fn tell(event: &Event<'_>) {
    // A line for each statement is more than anybody reads.
    if !matches!(event, Event::Statement { .. }) {
        output::tell(&event.to_string());
    }
}

async fn up(args: &UpArgs, format: Format) -> Result<Exit, Failed> {
    if args.tools.is_given() && !args.before_risky {
        return Err(Failed::usage("--jobs and --tools are for the backup that --before-risky makes"));
    }
    if args.before_risky && args.run.pooler {
        return Err(Failed::usage(
            "pg_dump needs a session of its own: make the backup by `db backup create` past the pooler",
        ));
    }
    if args.dry.is_wanted() {
        return rehearse::up(&args.run, args.count, &args.dry, format).await;
    }
    let mut session = Session::open(&args.run, Missing::Create).await?;
    let stop = Stop::listen()?;
    session.options.rules.count = args.count;
    if args.before_risky {
        session = match backed_up(session, args, &stop).await? {
            Some(session) => session,
            None => return Ok(Exit::Interrupted),
        };
    }
    apply(session, &stop, format).await
}

/// Makes and proves a backup if anything that is due is of high risk, by what it says or by what the lint finds; `None`
/// where an end was asked for meanwhile.
async fn backed_up(mut session: Session, args: &UpArgs, stop: &Stop) -> Result<Option<Session>, Failed> {
    let risky = match risky(&mut session).await {
        Ok(risky) => risky,
        Err(error) => return session.close(Err(error)).await,
    };
    let [_, ..] = risky.as_slice() else { return Ok(Some(session)) };
    output::tell(&format!("of high risk, or not to be looked into: {}", risky.join(", ")));
    let Some(server) = &session.options.server else { return Ok(Some(session)) };
    let work = Box::pin(backup::before_risky(server, &args.backup_dir, &args.tools));
    let left = "nothing was migrated; a backup that was not finished is removed";
    match stop.unless_requested(left, work).await {
        Some(Ok(_)) => Ok(Some(session)),
        Some(Err(failed)) => session.close(Ok(())).await.and(Err(failed)),
        None => session.close(Ok(())).await.map(|()| None),
    }
}

/// Labels of what is due and of high risk, or may be, as nobody can look into it.
async fn risky(session: &mut Session) -> Result<Vec<String>, db_migrate::Error> {
    let applied = session.migrations.history().read(&mut session.conn).await?;
    // What cannot be planned is told where it is applied.
    let Ok(plan) = plan(session.migrations.as_slice(), &applied, &session.options.rules) else {
        return Ok(Vec::new());
    };
    let catalogue = read_catalogue(&mut session.conn).await?;
    let options =
        LintOptions { applied: applied.iter().map(|row| row.id.clone()).collect(), ..LintOptions::default() };
    let report = lint(&session.migrations, Some(&catalogue), &options);
    let found = |label: &str| {
        let risky = |linted: &Linted| linted.risk == Risk::High || linted.is_opaque();
        report.migrations.iter().any(|linted| linted.label == label && risky(linted))
    };
    let due = plan.steps.iter().map(|step| step.migration);
    let risky = due.filter(|due| due.risk() == Some(Risk::High) || found(due.label()));
    Ok(risky.map(|risky| risky.label().to_owned()).collect())
}

/// Closing the session lets go of the lock and undoes the transaction under way.
const GO_ON: &str = "run it again to go on from here";

async fn apply(mut session: Session, stop: &Stop, format: Format) -> Result<Exit, Failed> {
    let mut tell = tell;
    let work = db_migrate::apply(&mut session.conn, &session.migrations, &session.options, &mut tell);
    let outcome = stop.unless_requested(GO_ON, Box::pin(work)).await;
    let Some(report) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    render::report(format, "applied", &report);
    Ok(Exit::Done)
}

async fn down(args: &DownArgs, format: Format) -> Result<Exit, Failed> {
    let to = if args.all { RevertTo::Start } else { RevertTo::Last(args.count) };
    if args.dry.is_wanted() {
        return rehearse::down(&args.run, to, &args.dry, format).await;
    }
    let session = Session::open(&args.run, Missing::Refuse).await?;
    revert(session, &to, args.yes, format).await
}

async fn revert(mut session: Session, to: &RevertTo, yes: bool, format: Format) -> Result<Exit, Failed> {
    let steps = db_migrate::revert_plan(&mut session.conn, &session.migrations, to).await;
    let steps = steps.map(|steps| steps.iter().map(|step| step.label().to_owned()).collect::<Vec<_>>());
    let steps = match steps {
        Ok(steps) => steps,
        Err(error) => return session.close(Err(error)).await,
    };
    for step in &steps {
        output::tell(&format!("to revert: {step}"));
    }
    if steps.is_empty() || !(yes || agreed(&question(steps.len()), UNASKED)?) {
        session.close(Ok(())).await?;
        output::print(format, &json!({ "to_revert": steps, "reverted": [] }), || match steps.len() {
            0 => "nothing to revert".to_owned(),
            _ => "nothing was reverted".to_owned(),
        });
        return Ok(Exit::Done);
    }
    let mut tell = tell;
    let work = db_migrate::revert(&mut session.conn, &session.migrations, to, &session.options, &mut tell);
    let outcome = unless_stopped(GO_ON, Box::pin(work)).await?;
    let Some(report) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    render::report(format, "reverted", &report);
    Ok(Exit::Done)
}

const UNASKED: &str = "going back may lose data: say --yes, or --dry-run to try it and keep nothing";

fn question(count: usize) -> String {
    format!("Revert {} and lose what is in them?", render::count(count))
}

async fn to(args: &GoArgs, format: Format) -> Result<Exit, Failed> {
    if args.dry.is_wanted() {
        return rehearse::to(&args.to, &args.dry, format).await;
    }
    let args = &args.to;
    let mut session = Session::open(&args.run, Missing::Refuse).await?;
    let applied = session.migrations.history().read(&mut session.conn).await;
    let applied = match applied {
        Ok(applied) => applied,
        Err(error) => return session.close(Err(error)).await,
    };
    let is_applied =
        applied.iter().any(|row| row.id.is_meant_by(&args.migration) || row.label == args.migration);
    if is_applied {
        return revert(session, &RevertTo::After(args.migration.clone()), args.yes, format).await;
    }
    session.options.rules.to = Some(args.migration.clone());
    apply(session, &Stop::listen()?, format).await
}

async fn show_plan(args: &RunArgs, format: Format) -> Result<Exit, Failed> {
    let mut session = Session::open(args, Missing::Refuse).await?;
    let rules = session.options.rules.clone();
    let outcome = session.migrations.history().read(&mut session.conn).await;
    let migrations = session.migrations.clone();
    let applied = session.close(outcome).await?;
    let plan = plan(migrations.as_slice(), &applied, &rules).map_err(db_migrate::Error::from)?;
    render::plan(format, &plan);
    Ok(if plan.steps.is_empty() { Exit::Done } else { Exit::No })
}

async fn status(args: &RunArgs, format: Format) -> Result<Exit, Failed> {
    let mut session = Session::open(args, Missing::Refuse).await?;
    let rules = session.options.rules.clone();
    let outcome = db_migrate::status_by(&mut session.conn, &session.migrations, &rules).await;
    let status = session.close(outcome).await?;
    render::status(format, &status);
    Ok(if status.pending.is_empty() && status.problems.is_empty() { Exit::Done } else { Exit::No })
}

async fn recover(args: &RecoverArgs, format: Format) -> Result<Exit, Failed> {
    let how = Recover {
        way: if args.undo { Way::Undo } else { Way::Finish },
        statement_ran: args.statement_ran.map(|answer| answer == Answer::Yes),
    };
    let mut session = Session::open(&args.run, Missing::Refuse).await?;
    let mut tell = tell;
    let work = db_migrate::recover(&mut session.conn, &session.migrations, how, &session.options, &mut tell);
    let outcome = unless_stopped(GO_ON, Box::pin(work)).await?;
    let Some(report) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    render::report(format, if args.undo { "undone" } else { "recovered" }, &report);
    Ok(Exit::Done)
}

/// The history is changed all at once, or not at all.
const UNCHANGED: &str = "nothing was changed";

async fn repair(args: &RepairArgs, format: Format) -> Result<Exit, Failed> {
    let mut session = Session::open(&args.run, Missing::Refuse).await?;
    let found = db_migrate::status(&mut session.conn, &session.migrations).await;
    let found = match found {
        Ok(status) => status.problems,
        Err(error) => return session.close(Err(error)).await,
    };
    let is_mended = |problem: &&Problem| matches!(problem, Problem::Edited { .. } | Problem::Missing { .. });
    let found: Vec<String> = found.iter().filter(is_mended).map(ToString::to_string).collect();
    found.iter().for_each(|problem| output::tell(&format!("to accept: {problem}")));
    let elsewhere = "repair takes these files for what was applied: say --yes when they are";
    if !found.is_empty() && !args.yes && !agreed("Take these files for what was applied?", elsewhere)? {
        session.close(Ok(())).await?;
        output::print(format, &json!({ "accepted": [], "to_accept": found }), || {
            "nothing was accepted".to_owned()
        });
        return Ok(Exit::Done);
    }
    let mut tell = tell;
    let work = db_migrate::repair(&mut session.conn, &session.migrations, &session.options, &mut tell);
    let outcome = unless_stopped(UNCHANGED, Box::pin(work)).await?;
    let Some(accepted) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
    output::print(format, &json!({ "accepted": accepted }), || match accepted.as_slice() {
        [] => "nothing to repair".to_owned(),
        accepted => accepted.iter().map(|problem| format!("accepted: {problem}\n")).collect(),
    });
    Ok(Exit::Done)
}

async fn baseline(args: &ToArgs, format: Format) -> Result<Exit, Failed> {
    let mut session = Session::open(&args.run, Missing::Refuse).await?;
    let mut tell = tell;
    let work = db_migrate::baseline(
        &mut session.conn,
        &session.migrations,
        &args.migration,
        &session.options,
        &mut tell,
    );
    let outcome = unless_stopped(UNCHANGED, Box::pin(work)).await?;
    let Some(taken) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    output::print(format, &json!({ "baselined": taken }), || {
        format!("{} taken as applied", render::count(taken.len()))
    });
    Ok(Exit::Done)
}

async fn adopt(args: &AdoptArgs, format: Format) -> Result<Exit, Failed> {
    let tool = files::format(&args.run)?;
    let mut session = Session::open(&args.run, Missing::Refuse).await?;
    let mut tell = tell;
    let work = db_migrate::adopt(
        &mut session.conn,
        &session.migrations,
        tool,
        args.table.as_deref(),
        &session.options,
        &mut tell,
    );
    let outcome = unless_stopped(UNCHANGED, Box::pin(work)).await?;
    let Some(found) = session.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    let notes: Vec<String> = found.notes.iter().map(ToString::to_string).collect();
    let object = json!({ "adopted": found.adopted, "pending": found.pending, "notes": notes });
    output::print(format, &object, || {
        let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
        format!("{notes}{} taken over, {} pending", render::count(found.adopted.len()), found.pending.len())
    });
    Ok(Exit::Done)
}
