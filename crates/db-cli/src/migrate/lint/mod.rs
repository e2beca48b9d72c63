//! `db migrate lint`.

mod args;
mod github;
mod json;
mod rules;
mod sarif;
mod text;

pub(crate) use args::LintArgs;

use super::files;
use crate::database::{self, Missing, Place};
use crate::output::{self, Format};
use crate::{Exit, Failed};
use args::Output;
use db_migrate::lint::{
    Catalogue, LintOptions, LintReport, Scope, Severity, Threshold, lint, read_catalogue,
};
use db_migrate::{Applied, Migrations};
use std::collections::BTreeMap;
use std::path::Path;

/// The report, and what its files say.
struct Shown {
    report: LintReport,
    /// By the path that findings name: where the file is, seen from the current folder, and its text.
    files: BTreeMap<String, File>,
}

struct File {
    path: String,
    text: String,
}

impl Shown {
    fn path<'a>(&'a self, file: &'a str) -> &'a str {
        self.files.get(file).map_or(file, |found| &found.path)
    }

    /// A line of a file, from 1.
    fn line(&self, file: &str, line: usize) -> Option<&str> {
        self.files.get(file)?.text.lines().nth(line.checked_sub(1)?)
    }
}

pub(super) async fn run(args: &LintArgs, format: Format) -> Result<Exit, Failed> {
    let output = args.output.unwrap_or(if format == Format::Json { Output::Json } else { Output::Text });
    if args.rules {
        rules::print(output);
        return Ok(Exit::Done);
    }
    args.check_names()?;
    let migrations = files::read(&args.database, &args.files)?;
    if let Some(from) = &args.from
        && !migrations.iter().any(|one| one.id().is_meant_by(from) || one.label() == *from)
    {
        return Err(Failed::usage(format!("there is no migration {from:?} to begin from")));
    }
    let known = known(args, &migrations).await?;
    let catalogue = known.as_ref().map(|known| &known.catalogue);
    let report = lint(&migrations, catalogue, &options(args, &migrations, known.as_ref()));
    if catalogue.is_none() {
        output::tell(
            "no database is configured, so the sizes of tables are not known; tables that these migrations make are taken \
             as empty (--from ID: as in use)",
        );
    }
    let is_unsafe = report.worst().is_some_and(|worst| worst >= args.fail_on);
    let shown = Shown { files: texts(args.files.dir.as_deref(), &migrations), report };
    let text = match output {
        Output::Text => text::render(&shown),
        Output::Json => json::render(&shown, args.fail_on),
        Output::Sarif => sarif::render(&shown),
        Output::Github => github::render(&shown),
    };
    output::print_text(&text);
    Ok(if is_unsafe { Exit::No } else { Exit::Done })
}

/// What a database tells.
struct Known {
    catalogue: Catalogue,
    applied: Vec<Applied>,
}

/// Asks the configured database; where there is none, files are linted alone, and no server is started for them.
async fn known(args: &LintArgs, migrations: &Migrations) -> Result<Option<Known>, Failed> {
    let configured = args.database.database_url.is_some()
        || database::load(&args.database.settings)?.postgres.is_configured();
    if args.offline || !configured {
        return Ok(None);
    }
    let place = Place::open(&args.database, Missing::Refuse).await?;
    let read = async {
        let mut conn = place.server.connect().await?;
        let catalogue = read_catalogue(&mut conn).await?;
        Ok::<_, db_migrate::Error>((catalogue, migrations.history().read(&mut conn).await?))
    };
    let read = read.await;
    place.close().await;
    let (catalogue, applied) = read?;
    let catalogue = match args.search_path() {
        Some(schemas) => catalogue.with_search_path(schemas),
        None => catalogue,
    };
    Ok(Some(Known { catalogue, applied }))
}

fn options(args: &LintArgs, migrations: &Migrations, known: Option<&Known>) -> LintOptions {
    let default = LintOptions::default();
    let rows = known.into_iter().flat_map(|known| &known.applied);
    let applied = rows.filter(|row| !is_due(row, migrations)).map(|row| row.id.clone());
    LintOptions {
        scope: match (&args.from, args.all) {
            (Some(from), _) => Scope::From(from.clone()),
            (None, true) => Scope::All,
            (None, false) => Scope::Pending,
        },
        applied: applied.collect(),
        include: args.rule.iter().cloned().collect(),
        exclude: args.exclude.iter().cloned().collect(),
        big: Threshold { rows: args.big_rows, bytes: args.big_bytes },
        server_version: args.server_version.unwrap_or(default.server_version),
        search_path: args.search_path(),
    }
}

/// Whether a repeatable migration has changed since, so that it is applied again.
fn is_due(row: &Applied, migrations: &Migrations) -> bool {
    let same = |one: &&db_migrate::Migration| *one.id() == row.id;
    row.finished_at.is_none()
        || row.is_repeatable && migrations.iter().find(same).is_some_and(|one| one.checksum() != row.checksum)
}

/// The files of the migrations, as they are found from the current folder.
fn texts(folder: Option<&Path>, migrations: &Migrations) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for migration in migrations {
        let name = migration.up_file();
        // Those of the program itself are in no folder.
        let path = folder.map_or_else(|| Path::new(name).to_owned(), |folder| folder.join(name));
        let text = match folder {
            Some(_) => std::fs::read_to_string(&path).unwrap_or_default(),
            None => migration.up_sql().to_owned(),
        };
        files.insert(name.to_owned(), File { path: relative(&path), text });
    }
    files
}

/// Seen from the current folder where it is below it, with `/` between the parts.
fn relative(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let full = path.canonicalize().ok();
    let below = match (&here, &full) {
        (Some(here), Some(full)) => full.strip_prefix(here).ok(),
        _ => None,
    };
    let parts = below.unwrap_or(path).components().map(|part| part.as_os_str().to_string_lossy());
    parts.filter(|part| part != ".").collect::<Vec<_>>().join("/").replacen("//", "/", 1)
}

/// How many findings are of each severity, the worst first.
fn counts(report: &LintReport) -> [(Severity, usize); 3] {
    [Severity::Error, Severity::Warning, Severity::Hint]
        .map(|severity| (severity, report.findings().filter(|finding| finding.severity == severity).count()))
}
