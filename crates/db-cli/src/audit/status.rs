//! `db audit status`.

use super::at;
use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    output::{self, Format},
};
use chrono::{DateTime, Utc};
use db_security::audit::{LogStatus, status};
use std::fmt::Write;

pub(super) async fn run(args: &DatabaseArgs, format: Format) -> Result<Exit, Failed> {
    at(args, "nothing was changed", async |target| {
        let mut lease = target.database.pool().acquire().await?;
        let status = status(&mut lease).await?;
        output::print(format, &status, || render(&status));
        Ok(Exit::Done)
    })
    .await
}

fn render(status: &LogStatus) -> String {
    let at = |at: Option<DateTime<Utc>>| at.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:12} {value}");
    };
    line("log", status.origin.clone());
    line(
        "events",
        format!("{}, the last since {}", status.size - status.first_leaf, at(status.sequenced_at)),
    );
    line("leaves", format!("{} to before {}", status.first_leaf, status.size));
    let since = status
        .waiting_since
        .map_or_else(String::new, |since| format!(", the first since {}", since.to_rfc3339()));
    line("waiting", format!("{}{since}; {} of them for a master key", status.waiting, status.unsealed));
    if let Some(why) = &status.refused_for {
        line("put aside", format!("{} events cannot be moved: {why} (audit_inbox.refused)", status.refused));
    }
    match status.signed_size {
        None => line("checkpoint", "none was signed".to_owned()),
        Some(size) => line("checkpoint", format!("{size} leaves, signed {}", at(status.signed_at))),
    }
    line("months", if status.months.is_empty() { "none".to_owned() } else { status.months.join(", ") });
    let master = if status.has_master_key { "" } else { "; no master key has wrapped any" };
    line("keys", format!("{} live, {} erased{master}", status.keys_live, status.keys_erased));
    text
}
