//! How results and errors are printed.

use crate::Failed;
use db_facade::Health;
use db_pool::Stats;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write, stderr, stdout};

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Prints a result on standard output: one JSON object, or the text that `text` makes.
pub(crate) fn print(format: Format, result: &impl Serialize, text: impl FnOnce() -> String) {
    let shown = match format {
        Format::Text => text(),
        Format::Json => {
            serde_json::to_string(result).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        }
    };
    // A reader that has gone away is no failure of ours.
    let _ = writeln!(stdout(), "{}", shown.trim_end_matches('\n'));
}

/// Prints text on standard output as it is.
pub(crate) fn print_text(text: &str) {
    // A reader that has gone away is no failure of ours.
    let _ = writeln!(stdout(), "{}", text.trim_end_matches('\n'));
}

/// Says something on standard error; a reader that has gone away is no failure of ours.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// Prints an error on standard error, and as an object on standard output where a program reads that.
pub(crate) fn print_error(failed: &Failed, format: Format) {
    let label = if stderr().is_terminal() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    let _ = writeln!(stderr(), "{label}: {failed}");
    if format == Format::Json {
        let object =
            json!({ "error": failed.message(), "help": failed.helpful(), "exit": failed.exit().number() });
        let _ = writeln!(stdout(), "{object}");
    }
}

pub(crate) fn pool_json(stats: &Stats) -> Value {
    json!({
        "max_size": stats.max_size,
        "in_use": stats.in_use,
        "idle": stats.idle,
        "waiting": stats.waiting,
        "acquires": stats.acquires,
        "waits": stats.waits,
        "wait_seconds": stats.wait_time.as_secs_f64(),
        "timeouts": stats.timeouts,
        "opens": stats.opens,
        "open_failures": stats.open_failures,
        "closes": stats.closes,
        "discards": stats.discards,
    })
}

pub(crate) fn health_json(health: &Health) -> Value {
    let findings = health.findings.iter().map(|finding| {
        let evidence =
            finding.evidence.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
        json!({
            "probe": finding.probe,
            "status": finding.status.as_str(),
            "summary": finding.summary,
            "evidence": evidence.collect::<serde_json::Map<_, _>>(),
        })
    });
    json!({ "status": health.status.as_str(), "findings": findings.collect::<Vec<_>>() })
}
