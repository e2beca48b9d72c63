//! `db audit enable`, `disable` and `tables`.

use super::{
    args::{ByArgs, DisableArgs, EnableArgs},
    at, failed, keys,
};
use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    output::{self, Format},
};
use db_security::audit::{self, AuditedTable, TableAudit};
use serde_json::json;
use sqlx::PgConnection;
use std::fmt::Write;

const LEFT: &str = "nothing was changed";
const LOCKED: &str =
    "no lock on the table within 5 s, so nothing was changed: run it again when it is less in use";

pub(super) async fn enable(args: &EnableArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, LEFT, async |target| {
        let mut audit = TableAudit::new(&args.table).exclude(&args.exclude).personal(&args.personal);
        if let Some(entity) = &args.entity {
            audit = audit.entity_type(entity);
        }
        if let Some(subject) = &args.subject {
            audit = audit.subject(subject);
        }
        let mut tx = target.database.pool().begin().await?;
        prepare(&mut tx, &args.by).await?;
        let table = audit::enable(&mut tx, &audit).await.map_err(|error| failed(error, LOCKED))?;
        tx.commit().await?;
        if !args.personal.is_empty() && keys::master(&target.audit).await?.is_none() {
            output::tell("no master key is configured here: what is personal waits in the inbox, in the clear, for a sequencer that has one");
        }
        output::print(format, &json!({ "enabled": table }), || format!("{table}: each change of its rows is noted from now on"));
        Ok(Exit::Done)
    })
    .await
}

pub(super) async fn disable(args: &DisableArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, LEFT, async |target| {
        let mut tx = target.database.pool().begin().await?;
        prepare(&mut tx, &args.by).await?;
        let (table, was_on) =
            audit::disable(&mut tx, &args.table).await.map_err(|error| failed(error, LOCKED))?;
        tx.commit().await?;
        output::print(format, &json!({ "disabled": table, "was_enabled": was_on }), || {
            if was_on {
                format!("{table}: changes are not noted any more")
            } else {
                format!("{table}: changes were not noted before either")
            }
        });
        Ok(Exit::Done)
    })
    .await
}

pub(super) async fn list(args: &DatabaseArgs, format: Format) -> Result<Exit, Failed> {
    at(args, LEFT, async |target| {
        let master = keys::master(&target.audit).await?;
        let mut lease = target.database.pool().acquire().await?;
        let tables = audit::audited_tables(&mut lease, master.as_ref()).await?;
        output::print(format, &json!({ "tables": tables }), || render(&tables));
        Ok(if tables.iter().all(|table| table.drift.is_empty()) { Exit::Done } else { Exit::No })
    })
    .await
}

/// Who it is, and that writers do not wait behind us for long.
async fn prepare(conn: &mut PgConnection, by: &ByArgs) -> Result<(), Failed> {
    sqlx::query(
        "SELECT set_config('lock_timeout', '5s', true), set_config('cairn.actor', coalesce($1, ''), true)",
    )
    .bind(&by.by)
    .execute(conn)
    .await?;
    Ok(())
}

fn render(tables: &[AuditedTable]) -> String {
    if tables.is_empty() {
        return "no table notes its changes; see `db audit enable`".to_owned();
    }
    let mut text = String::new();
    for table in tables {
        let _ = write!(text, "{} as {}, by ({})", table.table, table.entity_type, table.keys.join(", "));
        for (what, columns) in [("without", &table.excluded), ("personal", &table.personal)] {
            if !columns.is_empty() {
                let _ = write!(text, "; {what} {}", columns.join(", "));
            }
        }
        if let Some(subject) = &table.subject {
            let _ = write!(text, " of {subject}");
        }
        text.push('\n');
        for drift in &table.drift {
            let _ = writeln!(text, "  {drift}");
        }
    }
    text
}
