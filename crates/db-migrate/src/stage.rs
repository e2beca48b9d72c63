//! A scratch database that migrations are applied to, and nothing else.

use crate::held::Held;
use crate::migration::Script;
use crate::run::{DeployLock, Direction, Event, Options, Rest, Runner, ServerWide, hooks};
use crate::scratch::execute;
use crate::script::is_server_wide;
use crate::{Error, Hooks, Migration, Migrations, Server, Template};
use sqlx::{Connection, PgConnection};

/// A scratch database with a session and an empty history.
pub(crate) struct Stage {
    scratch: Held,
    pub(crate) conn: PgConnection,
}

impl Stage {
    /// Makes one on the server of this database.
    ///
    /// # Cancel safety
    /// It is dropped.
    pub(crate) async fn open(server: &Server, migrations: &Migrations) -> Result<Self, Error> {
        let mut stage = Self::enter(Held::create(server, Template::Empty).await?).await?;
        match migrations.history().create(&mut stage.conn).await {
            Ok(()) => Ok(stage),
            Err(error) => stage.end(Err(error)).await,
        }
    }

    /// Goes on with one that has its history.
    ///
    /// # Cancel safety
    /// It is dropped.
    pub(crate) async fn enter(scratch: Held) -> Result<Self, Error> {
        let prepared = async {
            let mut conn = scratch.server().connect().await?;
            // What is lost when the server crashes would be thrown away anyhow.
            let during = Error::during("set up the session");
            execute(&mut conn, "SET synchronous_commit = off".to_owned()).await.map_err(during)?;
            Ok(conn)
        };
        match prepared.await {
            Ok(conn) => Ok(Self { scratch, conn }),
            Err(error) => scratch.end(Err(error)).await,
        }
    }

    /// Ends the session and keeps the database, which can be copied then.
    pub(crate) async fn leave(self) -> Result<Held, Error> {
        match self.conn.close().await {
            Ok(()) => Ok(self.scratch),
            Err(error) => self.scratch.end(Err(Error::during("close a session")(error))).await,
        }
    }

    /// Drops it, and says then what came of the work in it.
    pub(crate) async fn end<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        self.scratch.end(outcome).await
    }
}

/// The options of a run in a database that nobody else is in. What the real database has set for its sessions counts
/// for names without a schema.
pub(crate) async fn options_there(server: &Server, options: &Options) -> Result<Options, Error> {
    let mut conn = server.connect().await?;
    let theirs: String = sqlx::query_scalar("SELECT current_setting('search_path')")
        .persistent(false)
        .fetch_one(&mut conn)
        .await
        .map_err(Error::during("read search_path"))?;
    conn.close().await.map_err(Error::during("close a session"))?;
    let search_path = options.search_path.clone().or(Some(theirs));
    // A scratch database has no pooler before it.
    Ok(Options { server: None, deploy_lock: DeployLock::Session, search_path, ..options.clone() })
}

/// Refuses what acts on the whole server before it is run on a scratch database, unless that is wanted.
pub(crate) fn refuse_server_wide<'s>(
    scripts: impl IntoIterator<Item = &'s Script>,
    hooks: &'s Hooks,
    wanted: ServerWide,
) -> Result<(), Error> {
    if wanted == ServerWide::Run {
        return Ok(());
    }
    let around = [&hooks.before_all, &hooks.before_each, &hooks.after_each, &hooks.after_all];
    for script in scripts.into_iter().chain(around.into_iter().flatten()) {
        let found = script.statements().iter().find(|statement| is_server_wide(&statement.text));
        if let Some(statement) = found {
            let (file, line, summary) = (script.file.clone(), statement.line, statement.summary());
            return Err(Error::ServerWide { file, line, summary });
        }
    }
    Ok(())
}

/// Applies migrations in this order, with what the project runs around each.
pub(crate) async fn apply_each(
    runner: &mut Runner<'_>,
    migrations: &Migrations,
    steps: &[&Migration],
    telling: Telling,
) -> Result<(), Error> {
    let hooks = migrations.hooks();
    for (index, step) in steps.iter().enumerate() {
        if telling == Telling::Aloud {
            (runner.tell)(&Event::Started { label: &step.label, position: index + 1, total: steps.len() });
        }
        hooks::run(runner.conn, &hooks.before_each).await?;
        runner.run(step, Direction::Up, Rest::default()).await?;
        hooks::run(runner.conn, &hooks.after_each).await?;
    }
    Ok(())
}

/// Whether each migration is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Aloud,
    /// They were told before.
    Quiet,
}
