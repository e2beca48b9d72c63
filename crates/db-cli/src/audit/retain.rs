//! `db audit retain`.

use super::{args::RetainArgs, at, export, private::NewFile};
use crate::{
    Exit, Failed,
    confirm::agreed,
    database::Target,
    output::{self, Format},
};
use chrono::{DateTime, Utc};
use db_security::audit::{self, Export, ExportFormat, Exported, Left, Search, SearchOrder, status};
use serde_json::json;
use std::path::Path;

const UNASKED: &str = "what leaves the log is gone unless it was exported: say --yes";
/// The last event of the months before a time, which the server knows by the partitions alone.
const LAST: &str = "SELECT max(leaf) FROM audit_events WHERE sequenced_at < $1";

pub(super) async fn run(args: &RetainArgs, format: Format) -> Result<Exit, Failed> {
    let month = args.before.format("%Y-%m").to_string();
    let kept = if args.export.is_some() { "after they are exported" } else { "without an export" };
    if !args.yes && !agreed(&format!("Let all months before {month} leave the log, {kept}?"), UNASKED)? {
        output::print(format, &json!({ "left": [] }), || "nothing has left".to_owned());
        return Ok(Exit::Done);
    }
    at(&args.database, "no month has left, unless it was said", async |target| {
        let exported = match &args.export {
            Some(path) => write_out(target, args.before, path).await?,
            None => None,
        };
        let mut tx = target.database.pool().begin().await?;
        let left = audit::retain(&mut tx, args.before).await?;
        if let (Some(through), Some(last)) = (exported.as_ref().map(|(_, through)| *through), left.last())
            && last.through_leaf != through
        {
            return Err(Failed::new(format!(
                "nothing has left: event {through} was the last that was exported, and {} would have been the last to leave; run it again",
                last.through_leaf
            )));
        }
        tx.commit().await?;
        let exported = exported.map(|(exported, _)| exported);
        output::print(format, &json!({ "left": left, "exported": exported }), || render(&left, exported.as_ref()));
        Ok(Exit::Done)
    })
    .await
}

/// Writes what is to leave, all of it or nothing, and answers with its last leaf; `None` where nothing is to leave.
async fn write_out(
    target: &Target,
    before: DateTime<Utc>,
    path: &Path,
) -> Result<Option<(Exported, u64)>, Failed> {
    let mut lease = target.database.pool().acquire().await?;
    let last: Option<i64> = sqlx::query_scalar(LAST).bind(before).fetch_one(&mut *lease).await?;
    let Some(through) = last.and_then(|last| u64::try_from(last).ok()) else { return Ok(None) };
    let first = status(&mut lease).await?.first_leaf;
    let file = NewFile::create(path)?;
    let checkpoint = export::checkpoint(target, &mut lease).await?;
    if checkpoint.checkpoint().size <= through {
        return Err(Failed::new(
            "the last checkpoint does not cover what is to leave: sign one (`db audit checkpoint`)",
        ));
    }
    let search = Search::new().leaves(first, through).order(SearchOrder::OldestFirst);
    let writing = Export::new(search, ExportFormat::Ndjson).with_proofs(checkpoint);
    let shown = export::Shown::new();
    let exported = writing.write(&mut lease, &mut file.handle()?, |events| shown.show(events)).await?;
    drop(shown);
    let expected = through + 1 - first;
    if exported.events != expected {
        return Err(Failed::new(format!(
            "nothing has left: {expected} events were to be exported, and {} are there: run `db audit verify`",
            exported.events
        )));
    }
    file.keep()?;
    Ok(Some((exported, through)))
}

fn render(left: &[Left], exported: Option<&Exported>) -> String {
    let mut lines: Vec<String> = left
        .iter()
        .map(|left| format!("{}: leaves {} to {} have left", left.month, left.from_leaf, left.through_leaf))
        .collect();
    if let Some(exported) = exported {
        lines.push(format!("{} events were written out with their proofs", exported.events));
    }
    if left.is_empty() { "no month has left: there is none before that".to_owned() } else { lines.join("\n") }
}
