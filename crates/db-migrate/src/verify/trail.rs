//! What the ways there alone make, kept aside: where a database is spoilt, its copy is one to go on in.

use crate::held::Held;
use crate::run::{Event, Options, Runner, Settings, hooks};
use crate::scratch::is_in_use;
use crate::stage::{Stage, Telling, apply_each};
use crate::{Error, Migration, Migrations, Server, Template};
use sqlx::PgConnection;

/// A scratch database that only ever goes on, made when it is asked for first.
pub(super) struct Trail<'t> {
    server: &'t Server,
    migrations: &'t Migrations,
    steps: &'t [&'t Migration],
    options: &'t Options,
    kept: Option<Kept>,
    /// Whether it can be copied, as far as is known.
    copies: bool,
}

struct Kept {
    scratch: Held,
    /// How many migrations are applied there.
    done: usize,
    settings: Settings,
}

impl<'t> Trail<'t> {
    pub(super) fn new(
        server: &'t Server,
        migrations: &'t Migrations,
        steps: &'t [&'t Migration],
        options: &'t Options,
    ) -> Self {
        Self { server, migrations, steps, options, kept: None, copies: true }
    }

    /// A database in which the first `at` migrations are applied, which are never fewer than the time before, and what
    /// the session has set that applied them.
    pub(super) async fn fork(
        &mut self,
        at: usize,
        tell: &mut (dyn FnMut(&Event<'_>) + Send),
    ) -> Result<(Stage, Settings), Error> {
        let (mut stage, from) = match self.kept.take() {
            Some(Kept { scratch, done, settings }) => (Stage::enter(scratch).await?, Some((done, settings))),
            None => (Stage::open(self.server, self.migrations).await?, None),
        };
        let settings = match Box::pin(self.go_on(&mut stage.conn, from, at, tell)).await {
            Ok(settings) => settings,
            Err(error) => return stage.end(Err(error)).await,
        };
        if !self.copies {
            return Ok((stage, settings));
        }
        let scratch = stage.leave().await?;
        match Held::create(self.server, Template::CopyOf(scratch.server().database())).await {
            Ok(copy) => {
                self.kept = Some(Kept { scratch, done: at, settings: settings.clone() });
                Ok((Stage::enter(copy).await?, settings))
            }
            // A worker of an extension, for one, is in every database; then each is made from the beginning.
            Err(error) if is_in_use(&error) => {
                self.copies = false;
                Ok((Stage::enter(scratch).await?, settings))
            }
            Err(error) => scratch.end(Err(error)).await,
        }
    }

    async fn go_on(
        &self,
        conn: &mut PgConnection,
        from: Option<(usize, Settings)>,
        at: usize,
        tell: &mut (dyn FnMut(&Event<'_>) + Send),
    ) -> Result<Settings, Error> {
        let mut runner = Runner::open(conn, self.migrations.history(), self.options, tell).await?;
        let done = match from {
            Some((done, settings)) => {
                settings.restore(runner.conn).await?;
                done
            }
            None => {
                hooks::run(runner.conn, &self.migrations.hooks().before_all).await?;
                0
            }
        };
        apply_each(&mut runner, self.migrations, &self.steps[done..at], Telling::Quiet).await?;
        Settings::read(runner.conn, self.options).await
    }

    /// Drops what is kept, and says then what came of the work.
    pub(super) async fn end<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        match self.kept {
            Some(kept) => kept.scratch.end(outcome).await,
            None => outcome,
        }
    }
}
