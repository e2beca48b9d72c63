//! `db audit report`.

use super::{
    args::{CountedBy, ReportArgs, Reported},
    at,
    search::plain,
};
use crate::{
    Exit, Failed,
    output::{self, Format},
};
use chrono::{DateTime, Utc};
use comfy_table::{Table, presets::NOTHING};
use db_security::audit::{
    Activity, ActivityBy, Denied, Report, ReportSpan, TaskReport, activity, denied, tasks,
};
use serde::Serialize;

/// The span that was asked about, and what it gave.
#[derive(Serialize)]
struct Answer<'r, R> {
    span: ReportSpan,
    report: &'r R,
}

pub(super) async fn run(args: &ReportArgs, format: Format) -> Result<Exit, Failed> {
    let span = ReportSpan::new(args.from, args.until.unwrap_or_else(Utc::now), args.limit)?;
    at(&args.database, "nothing was changed", async |target| {
        let mut lease = target.database.pool().acquire().await?;
        match args.report {
            Reported::Activity => {
                let by: Vec<ActivityBy> = args.by.iter().map(|by| of(*by)).collect();
                let report = activity(&mut lease, &span, &by).await?;
                print(format, span, &report, || cut(activity_table(&report), report.is_cut));
            }
            Reported::Denied => {
                let report = denied(&mut lease, &span).await?;
                print(format, span, &report, || cut(denied_table(&report), report.is_cut));
            }
            Reported::Tasks => {
                let report = tasks(&mut lease, &span).await?;
                print(format, span, &report, || cut(task_tables(&report), report.is_cut));
            }
        }
        Ok(Exit::Done)
    })
    .await
}

const fn of(by: CountedBy) -> ActivityBy {
    match by {
        CountedBy::Actor => ActivityBy::Actor,
        CountedBy::Action => ActivityBy::Action,
        CountedBy::Day => ActivityBy::Day,
    }
}

fn print<R: Serialize>(format: Format, span: ReportSpan, report: &R, text: impl FnOnce() -> String) {
    output::print(format, &Answer { span, report }, text);
}

fn cut(text: String, is_cut: bool) -> String {
    if is_cut { format!("{text}\n… and more; raise --limit or shorten the time") } else { text }
}

fn new_table<const N: usize>(names: [&str; N]) -> Table {
    let mut table = Table::new();
    *table.style_mut() = NOTHING;
    table.set_header(names);
    table
}

fn or_dash(text: Option<&str>) -> String {
    plain(text.unwrap_or("-"))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn activity_table(report: &Report<Activity>) -> String {
    let mut table = new_table(["day", "actor", "action", "events", "failures", "denied", "last"]);
    for row in &report.rows {
        table.add_row([
            row.day.map_or_else(|| "-".to_owned(), |day| day.to_string()),
            or_dash(row.actor.as_deref()),
            or_dash(row.action.as_deref()),
            row.events.to_string(),
            row.failures.to_string(),
            row.denied.to_string(),
            time(row.last),
        ]);
    }
    if report.rows.is_empty() { "no events".to_owned() } else { table.to_string() }
}

fn denied_table(report: &Report<Denied>) -> String {
    let mut table = new_table(["actor", "action", "entity", "denied", "failures", "first", "last"]);
    for row in &report.rows {
        table.add_row([
            or_dash(row.actor.as_deref()),
            plain(&row.action),
            plain(&format!("{} {}", row.entity_type, row.entity_id.as_deref().unwrap_or("-"))),
            row.denied.to_string(),
            row.failures.to_string(),
            time(row.first),
            time(row.last),
        ]);
    }
    if report.rows.is_empty() {
        "nothing was refused, and nothing failed".to_owned()
    } else {
        table.to_string()
    }
}

fn task_tables(report: &TaskReport) -> String {
    if report.kinds.is_empty() {
        return "no task has ended".to_owned();
    }
    let seconds =
        |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3} s"));
    let mut kinds = new_table(["kind", "completed", "failed", "untimed", "p50", "p95", "p99", "max"]);
    for kind in &report.kinds {
        kinds.add_row([
            plain(&kind.entity_type),
            kind.completed.to_string(),
            kind.failed.to_string(),
            kind.untimed.to_string(),
            seconds(kind.p50),
            seconds(kind.p95),
            seconds(kind.p99),
            seconds(kind.max),
        ]);
    }
    let mut slowest = new_table(["slowest", "took", "ended", "how"]);
    for task in &report.slowest {
        slowest.add_row([
            plain(&format!("{} {}", task.entity_type, task.entity_id)),
            seconds(Some(task.seconds)),
            time(task.ended),
            if task.is_completed { "completed" } else { "failed" }.to_owned(),
        ]);
    }
    format!("{kinds}\n\n{slowest}")
}
