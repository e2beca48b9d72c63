//! What a dry run prints.

use super::render::count;
use crate::output::{self, Format};
use db_migrate::{Certainty, Lock, Place, Rehearsal, Rehearsed, Rows, StatementCost};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Prints it; answers whether it failed.
pub(super) fn show(format: Format, rehearsal: &Rehearsal) -> bool {
    let failed = rehearsal.failed.as_ref().map(|error| db_core::with_causes(error));
    output::print(format, &object(rehearsal, failed.as_deref()), || text(rehearsal, failed.as_deref()));
    failed.is_some()
}

fn object(rehearsal: &Rehearsal, failed: Option<&str>) -> Value {
    let strongest = rehearsal.strongest();
    let strongest: Vec<_> = strongest
        .iter()
        .map(|lock| {
            json!({ "relation": lock.relation, "mode": lock.mode.as_str(), "keeps_out": lock.mode.keeps_out(),
                    "seconds": lock.held.as_secs_f64() })
        })
        .collect();
    json!({
        "on": if rehearsal.place == Place::Here { "here" } else { "copy" },
        "rows_copied": match rehearsal.place {
            Place::Here => None,
            Place::Copy(rows) => Some(rows == Rows::Copied),
        },
        "because": rehearsal.because,
        "migrations": rehearsal.migrations.iter().map(migration_object).collect::<Vec<_>>(),
        "strongest_locks": strongest,
        "warnings": rehearsal.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "waited_seconds": rehearsal.waited.as_secs_f64(),
        "attempts": rehearsal.attempts,
        "blockers": rehearsal.blockers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "error": failed,
    })
}

fn migration_object(migration: &Rehearsed) -> Value {
    let statements: Vec<_> = migration.statements.iter().map(statement_object).collect();
    json!({ "migration": migration.label, "seconds": migration.execution.as_secs_f64(), "statements": statements })
}

fn statement_object(statement: &StatementCost) -> Value {
    let lock = |lock: &Lock| {
        json!({ "relation": lock.relation, "mode": lock.mode.as_str(), "seconds": lock.held.as_secs_f64(),
                "seen": lock.certainty == Certainty::Seen })
    };
    json!({
        "file": statement.file,
        "line": statement.line,
        "number": statement.number,
        "statement": statement.summary,
        "seconds": statement.execution.as_secs_f64(),
        "rows": statement.rows,
        "wal_bytes": statement.wal_bytes,
        "locks": statement.locks.iter().map(lock).collect::<Vec<_>>(),
        "rewritten": statement.rewritten.iter()
            .map(|table| json!({ "relation": table.relation, "rows": table.rows }))
            .collect::<Vec<_>>(),
    })
}

fn text(rehearsal: &Rehearsal, failed: Option<&str>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", place(rehearsal));
    for migration in &rehearsal.migrations {
        let _ = writeln!(text, "\n{}  {}", migration.label, time(migration.execution));
        migration.statements.iter().for_each(|statement| statement_text(&mut text, statement));
    }
    let strongest = rehearsal.strongest();
    if !strongest.is_empty() {
        let _ = writeln!(text, "\nstrongest lock on each table, and for how long a real run would hold it");
        let widest = strongest.iter().map(|lock| lock.relation.chars().count()).max().unwrap_or_default();
        for lock in &strongest {
            let (relation, mode, keeps_out) = (&lock.relation, lock.mode.as_str(), lock.mode.keeps_out());
            let held = time(lock.held);
            let _ = writeln!(text, "  {relation:widest$}  {mode:24}  {held:>9}  keeps out {keeps_out}");
        }
    }
    text.push('\n');
    for warning in &rehearsal.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    if rehearsal.attempts > 1 {
        let _ = writeln!(text, "{} attempts, as it did not get its locks; in the way:", rehearsal.attempts);
        rehearsal.blockers.iter().for_each(|blocker| {
            let _ = writeln!(text, "  {blocker}");
        });
    }
    let ran = count(rehearsal.migrations.len());
    let _ = match failed {
        Some(error) => writeln!(text, "failed: {error}\nnothing was changed"),
        None if rehearsal.migrations.is_empty() => writeln!(text, "nothing to do"),
        None => writeln!(text, "{ran} went well; nothing was changed"),
    };
    text
}

fn place(rehearsal: &Rehearsal) -> String {
    let place = match rehearsal.place {
        Place::Here => "dry run on the database itself, in one transaction that was rolled back",
        Place::Copy(Rows::Copied) => "dry run on a copy of the database, which is dropped",
        Place::Copy(Rows::None) => {
            "dry run on a copy of the schema, which is dropped; no rows were copied: durations and rows are those of empty tables"
        }
    };
    match &rehearsal.because {
        Some(because) => format!("{place}\n(on a copy, since {because})"),
        None => place.to_owned(),
    }
}

fn statement_text(text: &mut String, statement: &StatementCost) {
    let StatementCost { file, line, summary, wal_bytes, .. } = statement;
    let rows = statement.rows.map(|rows| format!("  {rows} rows")).unwrap_or_default();
    let took = time(statement.execution);
    let _ = writeln!(text, "  {file}:{line}  {summary}  {took}{rows}  {} of log", bytes(*wal_bytes));
    for lock in &statement.locks {
        let held = time(lock.held);
        let assumed = if lock.certainty == Certainty::Assumed { ", as far as can be told" } else { "" };
        let _ = writeln!(text, "    {} on {}, held {held}{assumed}", lock.mode, lock.relation);
    }
    for table in &statement.rewritten {
        let rows = table.rows.map(|rows| format!(", about {rows} rows")).unwrap_or_default();
        let _ = writeln!(text, "    writes {} anew{rows}", table.relation);
    }
}

fn time(time: Duration) -> String {
    format!("{time:.1?}")
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [bytes(0), bytes(9_999), bytes(10_000), bytes(12_345_678)],
            ["0 B", "9999 B", "10 kB", "12 MB"]
        );
    }
}
