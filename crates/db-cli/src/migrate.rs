//! `db migrate up` and `db migrate status`.

use crate::{
    Exit, Failed,
    args::{MigrateAction, MigrateArgs, MigrateOptions},
    database::{Missing, Target},
    output::{self, Format},
};
use db_migrate::{Migrations, Options, Status, apply, status};
use serde_json::json;
use std::fmt::Write;

pub(crate) async fn run(args: &MigrateArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        MigrateAction::Up(options) => up(options, format).await,
        MigrateAction::Status(options) => show(options, format).await,
    }
}

async fn up(options: &MigrateOptions, format: Format) -> Result<Exit, Failed> {
    // What is wrong with the files is told before a server is started for them.
    let migrations = read(options)?;
    let target = Target::open(&options.database, Missing::Create, None).await?;
    let mut lease = target.database.pool().acquire().await?;
    // Its session holds the deploy lock, and what the migrations set.
    lease.discard_on_return();
    let report =
        apply(&mut lease, &migrations, &Options::default(), &mut |event| output::tell(&event.to_string()))
            .await;
    drop(lease);
    target.close().await;
    let report = report?;
    let done: Vec<_> = report
        .done
        .iter()
        .map(|done| json!({ "migration": done.folder, "seconds": done.execution.as_secs_f64() }))
        .collect();
    output::print(format, &json!({ "applied": done, "waited_seconds": report.waited.as_secs_f64() }), || {
        match report.done.len() {
            0 => "nothing to apply".to_owned(),
            1 => "1 migration applied".to_owned(),
            n => format!("{n} migrations applied"),
        }
    });
    Ok(Exit::Done)
}

async fn show(options: &MigrateOptions, format: Format) -> Result<Exit, Failed> {
    let migrations = read(options)?;
    let target = Target::open(&options.database, Missing::Refuse, None).await?;
    let mut lease = target.database.pool().acquire().await?;
    let status = status(&mut lease, &migrations).await;
    drop(lease);
    target.close().await;
    let status = status?;
    let problems: Vec<String> = status.problems.iter().map(ToString::to_string).collect();
    let applied: Vec<_> = status.applied.iter().map(|applied| applied.folder()).collect();
    let deploying = status.deploying.as_ref().map(ToString::to_string);
    let object = json!({ "applied": applied, "pending": status.pending, "problems": problems, "deploying": deploying });
    output::print(format, &object, || render(&status, &applied, &problems));
    Ok(if status.pending.is_empty() && problems.is_empty() { Exit::Done } else { Exit::No })
}

fn read(options: &MigrateOptions) -> Result<Migrations, Failed> {
    Ok(match &options.dir {
        Some(folder) => Migrations::read(folder)?,
        None => Migrations::embedded(db_model::MIGRATIONS)?,
    })
}

fn render(status: &Status, applied: &[String], problems: &[String]) -> String {
    let mut text = String::new();
    for (label, names) in [("applied", applied), ("pending", &status.pending), ("problem", problems)] {
        for name in names {
            let _ = writeln!(text, "{label:8} {name}");
        }
    }
    if let Some(holder) = &status.deploying {
        let _ = writeln!(text, "deploying now: {holder}");
    }
    if text.is_empty() { "no migrations".to_owned() } else { text }
}
