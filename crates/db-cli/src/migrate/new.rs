//! `db migrate new`: writes the files of a migration in our own format.

use super::args::NewArgs;
use crate::{Exit, Failed, output};
use db_migrate::{Format, Migrations, Variables};
use serde_json::json;
use std::{fs, io, path::Path, time::Duration};

pub(super) fn run(args: &NewArgs, format: output::Format) -> Result<Exit, Failed> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if args.name.is_empty() || !args.name.bytes().all(plain) {
        return Err(Failed::usage(format!(
            "{:?} is no name for a migration: use lower-case letters, digits and underscores, as in add_tags",
            args.name
        )));
    }
    let number = next_number(&args.dir)?;
    let label = format!("{number:04}_{}", args.name);
    let folder = args.dir.join(&label);
    write(&folder, args)
        .map_err(|error| Failed::new(format!("cannot write {}: {error}", folder.display())))?;
    let shown = folder.display().to_string();
    output::print(format, &json!({ "created": shown }), || {
        format!("{shown}: write up.sql and down.sql, then `db migrate up --dir {}`", args.dir.display())
    });
    Ok(Exit::Done)
}

/// One more than the last; what is there must be of our own format, or the numbers mean nothing.
fn next_number(folder: &Path) -> Result<usize, Failed> {
    if !folder.exists() {
        return Ok(1);
    }
    let names = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(|error| Failed::new(format!("cannot read {}: {error}", folder.display())))?;
    let numbers = names.iter().filter_map(|name| {
        let name = name.to_str()?;
        let (digits, _) = name.split_once('_')?;
        (digits.len() >= 4).then(|| digits.parse::<usize>().ok())?
    });
    let last = numbers.max().unwrap_or(0);
    // A folder that another tool reads is not ours to write to.
    if last > 9999 || (last == 0 && !names.is_empty()) {
        let (_, seen) = Migrations::read_as(folder, None, &Variables::default())?;
        if seen.detected.format != Format::Cairn {
            return Err(Failed::usage(format!(
                "{} has {} migrations ({}): make a new one with that tool",
                folder.display(),
                seen.detected.format,
                seen.detected.because
            )));
        }
    }
    Ok(last + 1)
}

fn write(folder: &Path, args: &NewArgs) -> io::Result<()> {
    fs::create_dir_all(&args.dir)?;
    fs::create_dir(folder)?;
    fs::write(folder.join("up.sql"), "-- The way there.\n")?;
    fs::write(folder.join("down.sql"), "-- The way back: it undoes all of up.sql.\n")?;
    let mut meta = format!("description = \"{}\"\n", args.name.replace('_', " "));
    if let Some(risk) = args.risk {
        meta.push_str(&format!("risk = \"{risk}\"\n"));
    }
    if let Some(estimate) = args.estimate {
        meta.push_str(&format!("estimate = \"{}\"\n", written(estimate)));
    }
    if args.no_transaction {
        meta.push_str("transaction = false\n");
    }
    fs::write(folder.join("meta.toml"), meta)
}

fn written(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}
