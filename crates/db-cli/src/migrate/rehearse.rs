//! `db migrate up`, `down` and `to` with `--dry-run`: all of it run for real, and none of it kept.

use super::args::{RunArgs, ToArgs};
use super::{UNCHANGED, files, options, rehearsal, server_wide, tell};
use crate::{
    Exit, Failed,
    database::{Missing, Place},
    output::Format,
    stop::unless_stopped,
};
use clap::{Args, ValueEnum};
use db_migrate::{Course, Migrations, On, Options, RevertTo, Server};

#[derive(Args, Clone, Debug)]
pub(crate) struct DryArgs {
    /// Run it for real, tell the time, rows and locks it took, and keep nothing but the values drawn from sequences; `plan`
    /// only lists
    #[arg(long)]
    dry_run: bool,
    /// Where a dry run is made
    #[arg(long, value_enum, value_name = "WHERE", default_value = "auto", requires = "dry_run")]
    on: Where,
    /// Run statements about roles, databases, tablespaces, subscriptions and the server's settings on a copy, too: they act
    /// on the whole server, and nothing undoes them
    #[arg(long, requires = "dry_run")]
    allow_server_wide: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Where {
    /// On the database itself where that can be rolled back, else on a copy
    Auto,
    /// On the database itself, in one transaction that is rolled back
    Here,
    /// On a scratch copy: with all rows where nobody is connected, else without
    Copy,
}

impl DryArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.dry_run
    }

    fn on(&self) -> On {
        match self.on {
            Where::Auto => On::Auto,
            Where::Here => On::Here,
            Where::Copy => On::Copy,
        }
    }
}

pub(super) async fn up(
    args: &RunArgs,
    count: Option<usize>,
    dry: &DryArgs,
    format: Format,
) -> Result<Exit, Failed> {
    let mut beside = Beside::open(args).await?;
    beside.options.rules.count = count;
    rehearse(beside, &Course::Up, dry, format).await
}

pub(super) async fn down(
    args: &RunArgs,
    to: RevertTo,
    dry: &DryArgs,
    format: Format,
) -> Result<Exit, Failed> {
    let beside = Beside::open(args).await?;
    rehearse(beside, &Course::Down(to), dry, format).await
}

pub(super) async fn to(args: &ToArgs, dry: &DryArgs, format: Format) -> Result<Exit, Failed> {
    let mut beside = Beside::open(&args.run).await?;
    let applied = async {
        let mut conn = beside.server.connect().await?;
        beside.migrations.history().read(&mut conn).await
    };
    let applied = match applied.await {
        Ok(applied) => applied,
        Err(error) => return beside.close(Err(error)).await,
    };
    let is_meant =
        |row: &db_migrate::Applied| row.id.is_meant_by(&args.migration) || row.label == args.migration;
    let course = if applied.iter().any(is_meant) {
        Course::Down(RevertTo::After(args.migration.clone()))
    } else {
        beside.options.rules.to = Some(args.migration.clone());
        Course::Up
    };
    rehearse(beside, &course, dry, format).await
}

async fn rehearse(
    mut beside: Beside,
    course: &Course,
    dry: &DryArgs,
    format: Format,
) -> Result<Exit, Failed> {
    let mut tell = tell;
    beside.options.server_wide = server_wide::wanted(dry.allow_server_wide);
    let (server, migrations, options) = (&beside.server, &beside.migrations, &beside.options);
    let work = Box::pin(db_migrate::rehearse(server, migrations, course, dry.on(), options, &mut tell));
    let outcome = unless_stopped(UNCHANGED, work).await?;
    let Some(rehearsal) = beside.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    let failed = rehearsal::show(format, &rehearsal);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// A database for commands that open their own sessions: none of ours is in it, so that it can be copied.
pub(super) struct Beside {
    place: Place,
    pub(super) server: Server,
    pub(super) migrations: Migrations,
    pub(super) options: Options,
}

impl Beside {
    pub(super) async fn open(args: &RunArgs) -> Result<Self, Failed> {
        Self::open_or(args, Missing::Refuse).await
    }

    pub(super) async fn open_or(args: &RunArgs, missing: Missing) -> Result<Self, Failed> {
        if args.pooler {
            return Err(Failed::usage(
                "this makes scratch databases and sessions of its own: connect to the server itself, without --pooler",
            ));
        }
        // What is wrong with the files is told before a server is started for them.
        let migrations = files::read(&args.database, &args.files)?;
        let place = Place::open(&args.database, missing).await?;
        let server = place.server.clone();
        let options = Options { server: Some(server.clone()), ..options(args) };
        Ok(Self { place, server, migrations, options })
    }

    /// Ends the server if this command started it, and then says what came of it.
    pub(super) async fn close<T>(self, outcome: Result<T, db_migrate::Error>) -> Result<T, Failed> {
        self.place.close().await;
        Ok(outcome?)
    }
}
