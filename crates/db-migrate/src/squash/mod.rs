//! Makes one migration of many: what the first ones leave in an empty database, as SQL, proved to leave the same.

mod text;

use crate::backup::{BackupError, ToolSearch};
use crate::backup::{child, rows, temporary::Temporary, tools};
use crate::held::Held;
use crate::plan::Rules;
use crate::schema::{Difference, SnapshotOptions, diff, snapshot};
use crate::scratch::execute;
use crate::stage::refuse_server_wide;
use crate::{
    Error, HistoryTable, Kind, Migration, MigrationId, Migrations, Options, Server, Template, apply,
};
use db_core::{Classify, Retry};
use std::ffi::OsString;
use std::num::NonZeroU32;

/// Holds the history meanwhile; dropped before anything is looked at.
const HISTORY: &str = "cairn_squash_history";
/// The script that is tried out.
const LABEL: &str = "the squashed migration";

/// One migration that stands for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Squashed {
    /// What it does: on an empty database the same as all that it replaces.
    pub sql: String,
    /// What it replaces, in the order in which they are applied.
    pub replaces: Vec<MigrationId>,
    /// Rows that it writes, as the others do.
    pub rows: u64,
}

/// Why there is no squashed migration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SquashError {
    /// The migrations cannot be applied to an empty database.
    #[error("the migrations do not make the schema from nothing")]
    Apply(#[source] Error),
    /// The server could not be asked.
    #[error(transparent)]
    Database(#[from] Error),
    /// `pg_dump` could not be run.
    #[error(transparent)]
    Dump(#[from] BackupError),
    /// There is no migration of that version.
    #[error("there is no migration {typed:?} to squash up to")]
    Unknown {
        /// As it was asked for.
        typed: String,
    },
    /// One alone, or none, is as short as it gets.
    #[error("there is nothing to squash: {count} versioned migrations up to {last}")]
    Nothing {
        /// How many there are.
        count: usize,
        /// The last of them.
        last: String,
    },
    /// What is not for every database cannot be part of what is.
    #[error("{label} is only for {only}: squash up to the one before it")]
    Selective {
        /// The migration.
        label: String,
        /// Environments or tags.
        only: String,
    },
    /// The squashed migration leaves another database than those that it would replace.
    #[error("what pg_dump writes does not make the same database:\n{differences}")]
    Differs {
        /// In what.
        differences: String,
    },
}

impl Classify for SquashError {
    fn retry(&self) -> Retry {
        match self {
            Self::Apply(error) | Self::Database(error) => error.retry(),
            Self::Dump(error) => error.retry(),
            _ => Retry::Never,
        }
    }
}

/// Makes one migration of all versioned ones up to `to`, or of all. It is what `pg_dump` writes of a scratch database to
/// which they were applied, rows included, and it is applied to another one and compared. Values that were made on the
/// way, such as times, are written as they were made here.
///
/// Where all of them are applied, it is only recorded; where none is, it is applied in their place.
///
/// # Errors
/// [`SquashError`]; no other database than the two scratch databases was touched.
///
/// # Cancel safety
/// The scratch databases are dropped; [`Scratch::settled`](crate::Scratch::settled) waits for that.
pub async fn squash(
    server: &Server,
    migrations: &Migrations,
    to: Option<&str>,
    options: &Options,
    search: &ToolSearch,
) -> Result<Squashed, SquashError> {
    let chosen = choose(migrations.as_slice(), to)?;
    let replaces: Vec<MigrationId> = chosen.iter().map(|migration| migration.id.clone()).collect();
    let last = chosen.last().map(|migration| migration.label.clone());
    // A repeatable migration runs with the last.
    let run = chosen.iter().copied().chain(migrations.iter().filter(|file| file.kind == Kind::Repeatable));
    refuse_server_wide(run.map(|step| &step.up), migrations.hooks(), options.server_wide)?;
    let original = Held::create(server, Template::Empty).await?;
    let outcome = Box::pin(dump_and_prove(original.server(), migrations, last, options, search)).await;
    let (sql, rows) = original.end(outcome).await?;
    Ok(Squashed { sql, replaces, rows })
}

async fn dump_and_prove(
    original: &Server,
    migrations: &Migrations,
    to: Option<String>,
    options: &Options,
    search: &ToolSearch,
) -> Result<(String, u64), SquashError> {
    let rules = Rules { to, ..Rules::default() };
    fill(original, migrations, Options { rules, ..options.clone() }).await?;
    let sql = dump(original, search).await?;
    let copy = Held::create(original, Template::Empty).await?;
    let outcome = async {
        let single = Migrations::single(LABEL, &sql)?;
        fill(copy.server(), &single, options.clone()).await?;
        compare(original, copy.server()).await
    };
    let outcome = outcome.await;
    let rows = copy.end(outcome).await?;
    Ok((sql, rows))
}

/// Applies migrations to a scratch database and forgets that it did.
async fn fill(server: &Server, migrations: &Migrations, options: Options) -> Result<(), SquashError> {
    let history = HistoryTable::in_schema(HISTORY)?;
    let migrations = migrations.clone().recorded_in(history);
    let options = Options { server: Some(server.clone()), ..options };
    let mut conn = server.connect().await?;
    apply(&mut conn, &migrations, &options, &mut |_| {}).await.map_err(SquashError::Apply)?;
    execute(&mut conn, format!("DROP SCHEMA {HISTORY} CASCADE"))
        .await
        .map_err(Error::during("drop the history of a scratch database"))?;
    Ok(())
}

async fn dump(server: &Server, search: &ToolSearch) -> Result<String, SquashError> {
    let conn = server.connect().await?;
    let major = conn.server_version_num().unwrap_or_default() / 10_000;
    let pg_dump = tools::find("pg_dump", major, search, &mut |_| {}).await?;
    drop(conn);
    let folder = Temporary::create()?;
    let file = folder.path().join("dump.sql");
    let arguments: [OsString; 6] = [
        "--format=plain".into(),
        "--no-owner".into(),
        // Rows as statements, which every tool can send.
        "--column-inserts".into(),
        "--rows-per-insert=500".into(),
        "--file".into(),
        file.clone().into(),
    ];
    child::run(&pg_dump, server, &arguments, &mut |_| {}).await?;
    let text = std::fs::read_to_string(&file).map_err(BackupError::file("read", file))?;
    Ok(text::as_migration(&text))
}

/// That both hold the same, rows included; answers with how many those are.
async fn compare(original: &Server, copy: &Server) -> Result<u64, SquashError> {
    let (mut one, mut other) = (rows::open(original).await?, rows::open(copy).await?);
    let options = SnapshotOptions::default();
    let (before, after) = (snapshot(&mut one, &options).await?, snapshot(&mut other, &options).await?);
    let mut differences: Vec<String> = diff(&before, &after).iter().map(Difference::to_string).collect();
    let (tables, copied) = (rows::tables(&mut one).await?, rows::tables(&mut other).await?);
    let hash =
        async |server, tables| rows::hash(server, tables, &[], None, NonZeroU32::MIN, &mut |_| {}).await;
    let (sums, copied) = (hash(original, &tables).await?, hash(copy, &copied).await?);
    for sum in &sums {
        let same = copied.iter().any(|copied| copied == sum);
        // Tables that are missing are among the differences of the schema.
        if !same && copied.iter().any(|copied| copied.name == sum.name) {
            differences.push(format!("the rows of {} differ", sum.name));
        }
    }
    if differences.is_empty() {
        Ok(sums.iter().filter_map(|sum| sum.rows).sum())
    } else {
        Err(SquashError::Differs { differences: differences.join("\n") })
    }
}

/// The versioned migrations up to `to`, all of which are for every database.
fn choose<'a>(files: &'a [Migration], to: Option<&str>) -> Result<Vec<&'a Migration>, SquashError> {
    let versioned: Vec<&Migration> = files.iter().filter(|file| file.kind == Kind::Versioned).collect();
    let end = match to {
        None => versioned.len(),
        Some(typed) => {
            let meant = |file: &&Migration| file.id.is_meant_by(typed) || file.label == typed;
            1 + versioned
                .iter()
                .position(meant)
                .ok_or_else(|| SquashError::Unknown { typed: typed.to_owned() })?
        }
    };
    let chosen = versioned[..end].to_vec();
    for file in &chosen {
        let only: Vec<&str> =
            file.about.environments.iter().chain(&file.about.tags).map(String::as_str).collect();
        if !only.is_empty() {
            return Err(SquashError::Selective { label: file.label.clone(), only: only.join(", ") });
        }
    }
    match chosen.as_slice() {
        [] | [_] => Err(SquashError::Nothing {
            count: chosen.len(),
            last: chosen.last().map_or_else(|| "the start".to_owned(), |file| file.label.clone()),
        }),
        _ => Ok(chosen),
    }
}
