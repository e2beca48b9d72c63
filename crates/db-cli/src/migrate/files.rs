//! Reads the files of a migration command.

use super::args::{FilesArgs, RunArgs, ValidateArgs, Wanted};
use crate::args::{DatabaseArgs, SettingsArgs};
use crate::{Exit, Failed, database, output};
use db_config::Config;
use db_migrate::{Format, HistoryTable, Migrations, Pins, Seen, Variables};
use serde_json::json;
use std::{fs, io, path::Path};

/// The migrations of the folder, or this system's own.
pub(super) fn read(database: &DatabaseArgs, args: &FilesArgs) -> Result<Migrations, Failed> {
    let (migrations, seen) = read_all(args, || database::configured(database))?;
    if let Some(seen) = seen {
        output::tell(&format!("{} migrations: {}", seen.detected.format, seen.detected.because));
        seen.notes.iter().for_each(|note| output::tell(&format!("note: {note}")));
    }
    Ok(migrations)
}

/// Whose migrations they are.
pub(super) fn format(args: &RunArgs) -> Result<Format, Failed> {
    match read_all(&args.files, || database::configured(&args.database))?.1 {
        Some(seen) => Ok(seen.detected.format),
        None => Err(Failed::usage("say which tool's migrations are taken over: --dir DIR")),
    }
}

/// Reads them; `configured` is asked for what their names may stand for.
fn read_all(
    args: &FilesArgs,
    configured: impl FnOnce() -> Result<Option<Config>, Failed>,
) -> Result<(Migrations, Option<Seen>), Failed> {
    let (migrations, seen) = read_files(args, configured)?;
    Ok(match args.create_table {
        Some(tool) => (migrations.with_table_of(tool)?, seen),
        None => (migrations, seen),
    })
}

fn read_files(
    args: &FilesArgs,
    configured: impl FnOnce() -> Result<Option<Config>, Failed>,
) -> Result<(Migrations, Option<Seen>), Failed> {
    let history = HistoryTable::in_schema(&args.history_schema)?;
    let Some(folder) = &args.dir else {
        return Ok((Migrations::embedded(db_model::MIGRATIONS)?.recorded_in(history), None));
    };
    let format = match args.format {
        Wanted::Auto => None,
        Wanted::Only(format) => Some(format),
    };
    let mut variables =
        Variables { set: args.set.iter().cloned().collect(), environment: std::env::vars().collect() };
    if let Some(config) = configured()? {
        // The database that is meant, even where a copy of it or a scratch database is migrated.
        let Config { postgres, .. } = config;
        for (name, value) in [("flyway:user", postgres.user), ("flyway:database", postgres.database)] {
            variables.set.entry(name.to_owned()).or_insert(value);
        }
    }
    let (migrations, seen) = Migrations::read_as(folder, format, &variables)?;
    Ok((migrations.recorded_in(history), Some(seen)))
}

/// Says what is wrong with the files, all of it; asks no server.
pub(super) fn validate(args: &ValidateArgs, format: output::Format) -> Result<Exit, Failed> {
    // A configuration that is wrong is not what is asked about.
    let settings = SettingsArgs { config: None };
    let configured = || Ok(database::load(&settings).ok().filter(|config| config.postgres.is_configured()));
    let read = read_all(&args.files, configured).and_then(|(migrations, seen)| {
        let pinned = args.pins.as_deref().map(|file| pinned(file, &migrations, args.pin)).transpose()?;
        Ok((migrations, seen, pinned))
    });
    let (migrations, seen, pinned) = match read {
        Ok(read) => read,
        Err(failed) => {
            output::print_error(&failed.answering(Exit::No), format);
            return Ok(Exit::No);
        }
    };
    let name = seen.as_ref().map_or_else(|| "cairn".to_owned(), |seen| seen.detected.format.to_string());
    let because = seen.as_ref().map(|seen| seen.detected.because.clone());
    let notes: Vec<String> = seen.iter().flat_map(|seen| &seen.notes).map(ToString::to_string).collect();
    let count = migrations.as_slice().len();
    let object = json!({
        "format": name, "because": because, "migrations": count, "notes": notes, "pinned": pinned, "problems": [],
    });
    output::print(format, &object, || {
        let mut text = format!("{count} {name} migrations can be used\n");
        if let Some(because) = &because {
            text.push_str(&format!("{name}: {because}\n"));
        }
        if let Some(pinned) = pinned {
            text.push_str(&format!("{pinned} files are as they are pinned\n"));
        }
        notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
        text
    });
    Ok(Exit::Done)
}

/// Compares the files with those that are pinned, or pins what is new; answers with how many are.
fn pinned(file: &Path, migrations: &Migrations, pin: bool) -> Result<usize, Failed> {
    let failed =
        |doing: &str, error: &io::Error| Failed::new(format!("cannot {doing} {}: {error}", file.display()));
    let text = match fs::read_to_string(file) {
        Err(error) if pin && error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| failed("read", &error))?,
    };
    let mut pins = Pins::parse(&text)?;
    if pin {
        pins = pins.with_new(migrations)?;
        fs::write(file, pins.to_string()).map_err(|error| failed("write", &error))?;
    }
    pins.check(migrations)?;
    Ok(pins.to_string().lines().count())
}
