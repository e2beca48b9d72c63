//! Reads the files of a migration command.

use super::args::{FilesArgs, Wanted};
use crate::{Exit, Failed, output};
use db_migrate::{Format, HistoryTable, Migrations, Seen, Variables};
use serde_json::json;

/// The migrations of the folder, or this system's own.
pub(super) fn read(args: &FilesArgs) -> Result<Migrations, Failed> {
    let (migrations, seen) = read_all(args)?;
    if let Some(seen) = seen {
        output::tell(&format!("{} migrations: {}", seen.detected.format, seen.detected.because));
        seen.notes.iter().for_each(|note| output::tell(&format!("note: {note}")));
    }
    Ok(migrations)
}

/// Whose migrations they are.
pub(super) fn format(args: &FilesArgs) -> Result<Format, Failed> {
    match read_all(args)?.1 {
        Some(seen) => Ok(seen.detected.format),
        None => Err(Failed::usage("say which tool's migrations are taken over: --dir DIR")),
    }
}

fn read_all(args: &FilesArgs) -> Result<(Migrations, Option<Seen>), Failed> {
    let (migrations, seen) = read_files(args)?;
    Ok(match args.create_table {
        Some(tool) => (migrations.with_table_of(tool)?, seen),
        None => (migrations, seen),
    })
}

fn read_files(args: &FilesArgs) -> Result<(Migrations, Option<Seen>), Failed> {
    let history = HistoryTable::in_schema(&args.history_schema)?;
    let Some(folder) = &args.dir else {
        return Ok((Migrations::embedded(db_model::MIGRATIONS)?.recorded_in(history), None));
    };
    let format = match args.format {
        Wanted::Auto => None,
        Wanted::Only(format) => Some(format),
    };
    let variables =
        Variables { set: args.set.iter().cloned().collect(), environment: std::env::vars().collect() };
    let (migrations, seen) = Migrations::read_as(folder, format, &variables)?;
    Ok((migrations.recorded_in(history), Some(seen)))
}

/// Says what is wrong with the files, all of it; asks no server.
pub(super) fn validate(args: &FilesArgs, format: output::Format) -> Result<Exit, Failed> {
    let (migrations, seen) = match read_all(args) {
        Ok(read) => read,
        Err(failed) => {
            output::print_error(&failed, format);
            return Ok(Exit::No);
        }
    };
    let name = seen.as_ref().map_or_else(|| "cairn".to_owned(), |seen| seen.detected.format.to_string());
    let because = seen.as_ref().map(|seen| seen.detected.because.clone());
    let notes: Vec<String> = seen.iter().flat_map(|seen| &seen.notes).map(ToString::to_string).collect();
    let count = migrations.as_slice().len();
    let object =
        json!({ "format": name, "because": because, "migrations": count, "notes": notes, "problems": [] });
    output::print(format, &object, || {
        let mut text = format!("{count} {name} migrations can be used\n");
        if let Some(because) = &because {
            text.push_str(&format!("{name}: {because}\n"));
        }
        notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
        text
    });
    Ok(Exit::Done)
}
