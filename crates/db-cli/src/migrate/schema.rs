//! `db migrate snapshot` and `db migrate drift`.

use super::args::RunArgs;
use super::rehearse::Beside;
use super::server_wide::ServerWideArgs;
use super::{UNCHANGED, tell};
use crate::{
    Exit, Failed,
    output::{self, Format},
    stop::unless_stopped,
};
use clap::{Args, ValueEnum};
use db_migrate::schema::{ColumnOrder, Difference, Privileges, Snapshot, SnapshotOptions, diff};
use db_migrate::{Drift, Error};
use serde_json::json;
use std::{fs, path::Path, path::PathBuf};

/// What counts as a difference.
#[derive(Args, Clone, Debug)]
pub(crate) struct TakingArgs {
    /// The order of a table's columns does not matter
    #[arg(long)]
    ignore_column_order: bool,
    /// Whether it matters who may do what
    #[arg(long, value_enum, value_name = "HOW", default_value = "include")]
    privileges: Wanted,
    /// Table that is left out, as in public.events
    #[arg(long, value_name = "TABLE")]
    exclude: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    Include,
    Ignore,
}

impl TakingArgs {
    pub(super) fn options(&self) -> SnapshotOptions {
        let mut options = SnapshotOptions::default();
        if self.ignore_column_order {
            options.column_order = ColumnOrder::Ignore;
        }
        if self.privileges == Wanted::Ignore {
            options.privileges = Privileges::Ignore;
        }
        options.exclude.clone_from(&self.exclude);
        options
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    taking: TakingArgs,
    /// File to write; standard output unless given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Not of the database, but of a scratch database that the migrations are applied to
    #[arg(long)]
    from_migrations: bool,
    #[command(flatten)]
    server_wide: ServerWideArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    taking: TakingArgs,
    /// Snapshot to compare with; without, what the applied migrations make
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    #[command(flatten)]
    server_wide: ServerWideArgs,
}

pub(super) async fn snapshot(args: &SnapshotArgs, format: Format) -> Result<Exit, Failed> {
    let mut beside = Beside::open(&args.run).await?;
    beside.options.server_wide = args.server_wide.wanted();
    let (mut tell, taking) = (tell, args.taking.options());
    let (server, migrations) = (&beside.server, &beside.migrations);
    let work = Box::pin(async {
        if args.from_migrations {
            return db_migrate::migrated_schema(server, migrations, &taking, &beside.options, &mut tell)
                .await;
        }
        db_migrate::live_schema(&mut server.connect().await?, migrations, &taking).await
    });
    let outcome = unless_stopped(UNCHANGED, work).await?;
    let Some(found) = beside.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    let (fingerprint, text) = (found.fingerprint().to_string(), found.to_string());
    let objects = found.objects().len();
    match &args.output {
        Some(file) => {
            let failed =
                |error| Failed::new(format!("cannot write the snapshot to {}: {error}", file.display()));
            fs::write(file, text).map_err(failed)?;
            let object = json!({ "file": file, "objects": objects, "fingerprint": fingerprint });
            output::print(format, &object, || {
                format!("{objects} objects, written to {}\n{fingerprint}", file.display())
            });
        }
        None => {
            let object = json!({ "objects": objects, "fingerprint": fingerprint, "snapshot": text });
            output::print(format, &object, || text.clone());
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn drift(args: &DriftArgs, format: Format) -> Result<Exit, Failed> {
    let taking = args.taking.options();
    // What is wrong with the file is told before a server is asked.
    let expected = args.snapshot.as_deref().map(read).transpose()?;
    let mut beside = Beside::open(&args.run).await?;
    beside.options.server_wide = args.server_wide.wanted();
    let mut tell = tell;
    let (server, migrations) = (&beside.server, &beside.migrations);
    let work = Box::pin(async {
        let Some(expected) = &expected else {
            let Drift { differences, unapplied, .. } =
                db_migrate::drift(server, migrations, &taking, &beside.options, &mut tell).await?;
            return Ok::<_, Error>((differences, unapplied));
        };
        let live = db_migrate::live_schema(&mut server.connect().await?, migrations, &taking).await?;
        Ok((diff(&expected.under(&taking), &live), Vec::new()))
    });
    let outcome = unless_stopped(UNCHANGED, work).await?;
    let Some((differences, unapplied)) = beside.close(outcome.transpose()).await? else {
        return Ok(Exit::Interrupted);
    };
    show(format, &differences, &unapplied);
    Ok(if differences.is_empty() { Exit::Done } else { Exit::No })
}

fn read(file: &Path) -> Result<Snapshot, Failed> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Failed::usage(format!("cannot read the snapshot {name}: {error}")))?;
    Snapshot::parse(&text).map_err(|error| Failed::usage(format!("{name}: {error}")))
}

fn show(format: Format, differences: &[Difference], unapplied: &[String]) {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let object = json!({ "drift": lines, "unapplied": unapplied });
    output::print(format, &object, || {
        let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        for label in unapplied {
            text.push_str(&format!("note: {label} was changed and is not applied yet\n"));
        }
        match lines.len() {
            0 => text + "no drift",
            1 => text + "1 difference",
            n => text + &format!("{n} differences"),
        }
    });
}
