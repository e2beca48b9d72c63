//! What `db migrate` prints.

use crate::output::{self, Format};
use db_migrate::{Plan, Report, Status, Why};
use serde_json::json;
use std::fmt::Write;

pub(super) fn count(number: usize) -> String {
    if number == 1 { "1 migration".to_owned() } else { format!("{number} migrations") }
}

pub(super) fn report(format: Format, verb: &str, report: &Report) {
    let done: Vec<_> = report
        .done
        .iter()
        .map(|done| json!({ "migration": done.label, "seconds": done.execution.as_secs_f64() }))
        .collect();
    let object = json!({ verb: done, "waited_seconds": report.waited.as_secs_f64() });
    output::print(format, &object, || match report.done.len() {
        0 => format!("nothing {verb}: there was nothing to do"),
        n => format!("{} {verb}", count(n)),
    });
}

pub(super) fn plan(format: Format, plan: &Plan<'_>) {
    let why = |why: Why| match why {
        Why::New => "new",
        Why::OutOfOrder => "out of order",
        Why::Changed => "changed",
        Why::Replaces => "only recorded, as what it replaces is applied",
    };
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            let migration = step.migration;
            json!({
                "migration": migration.label(),
                "why": why(step.why),
                "risk": migration.risk().map(|risk| risk.as_str()),
                "estimate_seconds": migration.estimate().map(|time| time.as_secs_f64()),
                "reversible": migration.is_reversible(),
            })
        })
        .collect();
    let skipped: Vec<&str> = plan.skipped.iter().map(|skipped| skipped.label()).collect();
    let warnings: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
    let object = json!({ "to_apply": steps, "skipped": skipped, "warnings": warnings });
    output::print(format, &object, || {
        let mut text = String::new();
        for step in &plan.steps {
            let _ = writeln!(text, "to apply  {} ({})", step.migration.label(), why(step.why));
        }
        skipped.iter().for_each(|label| line(&mut text, "skipped", label));
        warnings.iter().for_each(|warning| line(&mut text, "warning", warning));
        if text.is_empty() { "nothing to apply".to_owned() } else { text }
    });
}

pub(super) fn status(format: Format, status: &Status) {
    let problems: Vec<String> = status.problems.iter().map(ToString::to_string).collect();
    let applied: Vec<&str> = status.applied.iter().map(|applied| applied.label.as_str()).collect();
    let history: Vec<_> = status
        .applied
        .iter()
        .map(|row| {
            json!({
                "migration": row.label,
                "outcome": row.outcome.as_str(),
                "started_at": row.started_at,
                "finished_at": row.finished_at,
                "seconds": row.execution.map(|time| time.as_secs_f64()),
                "by": row.applied_by,
                "from": row.applied_from,
                "statements": row.statements,
                "statements_done": row.statements_done,
                "error": row.error,
            })
        })
        .collect();
    let deploying = status.deploying.as_ref().map(ToString::to_string);
    let object = json!({
        "applied": applied, "history": history, "pending": status.pending, "problems": problems, "deploying": deploying,
    });
    output::print(format, &object, || {
        let mut text = String::new();
        applied.iter().for_each(|label| line(&mut text, "applied", label));
        status.pending.iter().for_each(|label| line(&mut text, "pending", label));
        problems.iter().for_each(|problem| line(&mut text, "problem", problem));
        deploying.iter().for_each(|holder| line(&mut text, "deploying now:", holder));
        if text.is_empty() { "no migrations".to_owned() } else { text }
    });
}

fn line(text: &mut String, label: &str, what: &str) {
    let _ = writeln!(text, "{label:8} {what}");
}
