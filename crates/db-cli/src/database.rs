//! The database that a command works on: the configured one, or the embedded one in the data folder.

use crate::{
    Failed,
    args::{DatabaseArgs, SettingsArgs},
    output::tell,
};
use db_config::{AuditConfig, Config, Loader};
use db_embedded::{InstallPolicy, Mode, Options, Origin, Postgres};
use db_facade::{Builder, Database};
use db_migrate::Server;
use sqlx::PgConnection;
use std::{
    io::{IsTerminal, Write, stderr, stdin},
    sync::Arc,
};

/// A database, and the server under it if this command started one.
#[derive(Debug)]
pub struct Target {
    /// The handle.
    pub database: Database,
    /// Where the server is or came from.
    pub server: String,
    /// The Redis that the configuration names, for a reader.
    pub(crate) redis: Option<String>,
    /// What the configuration says of the audit log.
    pub(crate) audit: AuditConfig,
    postgres: Option<Postgres>,
}

/// What to do where no database is configured and the data folder is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Make one.
    Create,
    /// Say so.
    Refuse,
}

impl Target {
    /// Opens the configured database; else the one in the data folder, whose server is started or, where another
    /// command runs it, joined. `connections` sets the pool's size where nothing else does.
    ///
    /// # Errors
    /// When the configuration is wrong, or no server is found, started or reached.
    pub async fn open(
        args: &DatabaseArgs,
        missing: Missing,
        connections: Option<u32>,
    ) -> Result<Self, Failed> {
        Self::open_with(args, missing, connections, Database::builder().unaudited()).await
    }

    /// The same with a builder that knows more than the configuration.
    pub(crate) async fn open_with(
        args: &DatabaseArgs,
        missing: Missing,
        connections: Option<u32>,
        builder: Builder,
    ) -> Result<Self, Failed> {
        let Found { config, server, postgres } = Found::look(args, missing, connections).await?;
        let redis = config.redis.as_ref().map(|redis| redis.masked_url.clone());
        let audit = config.audit.clone();
        // Whoever looks after the database is not one of those whom its rules are about.
        let database = builder.config(config).unguarded().build().await?;
        Ok(Self { database, server, redis, audit, postgres })
    }

    /// Disconnects, and stops the server if this command started it.
    pub async fn close(self) {
        self.database.close().await;
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
    }
}

/// A server as migrations and backups see it: without a pool, whose sessions would be in the way of a copy or a swap.
pub(crate) struct Place {
    pub(crate) server: Server,
    postgres: Option<Postgres>,
}

impl Place {
    pub(crate) async fn open(args: &DatabaseArgs, missing: Missing) -> Result<Self, Failed> {
        let found = Found::look(args, missing, None).await?;
        Ok(Self { server: db_facade::migration_server(&found.config).await?, postgres: found.postgres })
    }

    /// The same with a session there.
    pub(crate) async fn open_session(
        args: &DatabaseArgs,
        missing: Missing,
    ) -> Result<(Self, PgConnection), Failed> {
        let found = Found::look(args, missing, None).await?;
        let (server, conn) = db_facade::migration_session(&found.config).await?;
        Ok((Self { server, postgres: found.postgres }, conn))
    }

    /// Stops the server if this command started it.
    pub(crate) async fn close(self) {
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
    }
}

/// Where the database is, nobody connected yet.
struct Found {
    config: Config,
    server: String,
    postgres: Option<Postgres>,
}

impl Found {
    async fn look(args: &DatabaseArgs, missing: Missing, connections: Option<u32>) -> Result<Self, Failed> {
        if let Some(config) = configured(args)? {
            let server = config.url_masked();
            return Ok(Self { config, server, postgres: None });
        }
        // Every start leaves its lock file there.
        if missing == Missing::Refuse && !args.data.join("lock").exists() {
            return Err(Failed::new(format!(
                "no database: DATABASE_URL is not set and there is no database in {}; set it, or run `db up` or `db demo`",
                args.data.display()
            )));
        }
        let postgres = Postgres::start(options(args, Mode::Persistent(args.data.clone()))).await?;
        let mut loader = loader(&args.settings).set("database.url", postgres.url().expose());
        if let Some(connections) = connections {
            loader = loader.set("pool.max_size", connections.to_string());
        }
        let server = match postgres.origin() {
            origin @ Origin::Native { .. } => format!("{origin}, data in {}", args.data.display()),
            origin => origin.to_string(),
        };
        Ok(Self { config: checked(&loader)?, server, postgres: Some(postgres) })
    }
}

/// The configuration, where it says which database; asks no server.
pub(crate) fn configured(args: &DatabaseArgs) -> Result<Option<Config>, Failed> {
    let config = match &args.database_url {
        Some(url) => checked(&loader(&args.settings).set("database.url", url.expose()))?,
        None => load(&args.settings)?,
    };
    Ok(config.postgres.is_configured().then_some(config))
}

/// The configuration from its file, `.env` and the environment.
pub(crate) fn load(args: &SettingsArgs) -> Result<Config, Failed> {
    checked(&loader(args))
}

fn loader(args: &SettingsArgs) -> Loader {
    let loader = match &args.config {
        Some(file) => Loader::new().file(file),
        None => Loader::new(),
    };
    loader.dotenv_if_present(DOTENV).process_env()
}

/// Read because of the folder one is in, which may be somebody else's tree.
const DOTENV: &str = ".env";

/// Keys that run a program, or read or write a file.
const REACHING_OUT: [&str; 14] = [
    "access.rules",
    "database.password_command",
    "database.password_file",
    "audit.master_key_command",
    "audit.master_key_file",
    "audit.former_master_key_command",
    "audit.former_master_key_file",
    "audit.signing_key_command",
    "audit.signing_key_file",
    "audit.checkpoint_file",
    "audit.checkpoint_webhook",
    "audit.checkpoint_webhook_command",
    "audit.checkpoint_webhook_file",
    "audit.spool",
];

/// A `.env` that happens to lie there must neither run a program nor send a file of ours to a server of its choice.
fn checked(loader: &Loader) -> Result<Config, Failed> {
    let config = loader.load()?;
    for row in config.explain().rows {
        let unasked = row.source.as_deref().is_some_and(|source| source.starts_with(DOTENV));
        if unasked && REACHING_OUT.contains(&row.key) {
            return Err(Failed::usage(format!(
                "{} in {DOTENV} is refused, as that file is read unasked; set it in the environment or in --config FILE",
                row.key
            )));
        }
    }
    Ok(config)
}

/// Forgets what is in the data folder; refused where another database is configured, as that is not ours to empty.
pub(crate) async fn wipe(args: &DatabaseArgs) -> Result<(), Failed> {
    if load(&args.settings)?.postgres.is_configured() {
        return Err(Failed::usage(
            "--fresh empties the data folder, but another database is configured; drop its tables yourself",
        ));
    }
    let folder = args.data.clone();
    match tokio::task::spawn_blocking(move || Postgres::wipe(&folder)).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failed::new(format!("emptying the data folder failed: {error}"))),
    }
}

/// How servers are found and started for this command.
pub(crate) fn options(args: &DatabaseArgs, mode: Mode) -> Options {
    Options::new(mode).install(install_policy(args.no_install)).report(Arc::new(tell))
}

/// On a terminal a person is asked; elsewhere it is done and said.
fn install_policy(no_install: bool) -> InstallPolicy {
    if no_install {
        InstallPolicy::Refuse
    } else if stdin().is_terminal() && stderr().is_terminal() {
        InstallPolicy::Ask(Arc::new(ask))
    } else {
        InstallPolicy::Allow
    }
}

fn ask(command: &str) -> bool {
    let _ = write!(stderr(), "A server is missing. Install it with `{command}`? [Y/n] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}
