//! `db migrate squash`: one migration for many.

use super::args::SquashArgs;
use super::{files, new, options};
use crate::{
    Exit, Failed,
    database::{Missing, Place},
    output::{self, Format},
    stop::unless_stopped,
};
use chrono::Utc;
use db_migrate::backup::ToolSearch;
use db_migrate::{Migrations, NewMigration, Options, Squashed, TransactionMode};
use serde_json::json;

pub(super) async fn run(args: &SquashArgs, format: Format) -> Result<Exit, Failed> {
    new::check_name(&args.name)?;
    let Some(folder) = &args.run.files.dir else {
        return Err(Failed::usage("say whose migrations are squashed: --dir DIR"));
    };
    let migrations = files::read(&args.run.database, &args.run.files)?;
    let project = Migrations::look(folder, Some(files::format(&args.run)?))?;
    let search = args.tools.clone().map_or_else(ToolSearch::default, |folder| ToolSearch::only(vec![folder]));
    // A server for its scratch databases; the database that is named is not touched.
    let place = Place::open(&args.run.database, Missing::Create).await?;
    let to = args.to.as_deref();
    let options = Options { server_wide: args.server_wide.wanted(), ..options(&args.run) };
    let work = Box::pin(db_migrate::squash(&place.server, &migrations, to, &options, &search));
    let outcome = unless_stopped("no file was written", work).await?;
    place.close().await;
    let Some(squashed) = outcome.transpose()? else { return Ok(Exit::Interrupted) };
    let migration = NewMigration {
        name: args.name.clone(),
        up: squashed.sql.clone(),
        down: None,
        meta: meta(&squashed, &args.name.replace('_', " ")),
        mode: TransactionMode::Auto,
    };
    let all = migration.files(&project, Utc::now());
    let written = if args.dry_run { Vec::new() } else { new::write(folder, &all)? };
    let replaces: Vec<&str> = squashed.replaces.iter().map(db_migrate::MigrationId::as_str).collect();
    let object = json!({
        "created": written, "replaces": replaces, "rows": squashed.rows, "sql": squashed.sql,
    });
    output::print(format, &object, || match written.as_slice() {
        [] => squashed.sql.clone(),
        written => format!(
            "{}\nit stands for {} migrations: remove their files once every database has applied them, or applied this",
            written.join("\n"),
            replaces.len()
        ),
    });
    Ok(Exit::Done)
}

fn meta(squashed: &Squashed, description: &str) -> Vec<String> {
    // A number is shorter to read than its text, where it is one of ours.
    let version = |id: &db_migrate::MigrationId| match id.as_str().parse::<u32>() {
        Ok(number) if id.as_str().len() == 4 => number.to_string(),
        _ => format!("{:?}", id.as_str()),
    };
    let replaces: Vec<String> = squashed.replaces.iter().map(version).collect();
    vec![format!("description = {description:?}"), format!("replaces = [{}]", replaces.join(", "))]
}
