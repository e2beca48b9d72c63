//! What the demonstration says at its end: one object for programs, tables for people.

use super::{store::TopFile, trail::Audited};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, fs};

/// The figures of a run. Serialised, it is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The analysed tree.
    pub root: String,
    /// Regular files in the tree.
    pub files: usize,
    /// Packages in the tree.
    pub packages: usize,
    /// Files that were new or changed.
    pub analysed: usize,
    /// Files that were as they had been.
    pub unchanged: usize,
    /// Tasks of this tree by status, over all runs.
    pub tasks: BTreeMap<&'static str, i64>,
    /// Tasks that failed in this run, with the reason.
    pub failures: Vec<Failed>,
    /// From the command's start until the first task could be claimed.
    pub startup_seconds: f64,
    /// From the first claim to the last task's end.
    pub seconds: f64,
    /// Tasks that ended, by `seconds`; 0 when there were none.
    pub tasks_per_second: f64,
    /// The most memory that this process has held, without the server; MiB. `None` where the system does not tell.
    pub peak_memory_mib: Option<u64>,
    /// The pool's figures.
    pub pool: Value,
    /// What was known of files of the same content, and where that is kept.
    pub cache: Value,
    /// What was noted in the audit log, and that the log is sound; `None` where auditing is off.
    pub audit: Option<Audited>,
    /// The verdict and each probe's finding.
    pub health: Value,
    /// The most complex files.
    pub top: Vec<TopFile>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Where the server came from.
    pub server: String,
    /// What a reader should know about the figures.
    pub notes: Vec<String>,
}

/// A task that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// The file or package.
    pub task: String,
    /// Why.
    pub reason: String,
}

/// Failures that are listed for people; a program gets them all.
const SHOWN_FAILURES: usize = 10;

/// The tables for people.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    if !report.top.is_empty() {
        text.push_str(&top_table(&report.top));
        text.push('\n');
    }
    if !report.failures.is_empty() {
        let _ = writeln!(text, "\n{} failed:", report.failures.len());
        for failed in report.failures.iter().take(SHOWN_FAILURES) {
            let _ = writeln!(text, "  {}: {}", failed.task, failed.reason);
        }
        if report.failures.len() > SHOWN_FAILURES {
            let _ = writeln!(text, "  … all of them are in the table error_logs");
        }
    }
    text.push('\n');
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:10} {value}");
    };
    line("tree", report.root.clone());
    line(
        "files",
        format!(
            "{} in {} packages; {} analysed, {} unchanged",
            report.files, report.packages, report.analysed, report.unchanged
        ),
    );
    line(
        "tasks",
        report
            .tasks
            .iter()
            .filter(|&(_, &n)| n > 0)
            .map(|(status, n)| format!("{n} {status}"))
            .collect::<Vec<_>>()
            .join(", "),
    );
    line(
        "time",
        format!(
            "{:.2} s to start, {:.2} s at work, {:.0} tasks a second",
            report.startup_seconds, report.seconds, report.tasks_per_second
        ),
    );
    if let Some(mib) = report.peak_memory_mib {
        line("memory", format!("{mib} MiB at most, beside the server"));
    }
    let pool = |key: &str| report.pool.get(key).cloned().unwrap_or(json!(0));
    line(
        "pool",
        format!(
            "{} of {} connections opened, {} acquires, {} waited, {} timed out",
            pool("opens"),
            pool("max_size"),
            pool("acquires"),
            pool("waits"),
            pool("timeouts")
        ),
    );
    let cache = |key: &str| report.cache.get(key).cloned().unwrap_or(json!(0));
    line(
        "cache",
        format!(
            "{} hits, {} misses, {} loads, {} bytes in {}",
            cache("hits"),
            cache("misses"),
            cache("loads"),
            cache("bytes"),
            cache("store").as_str().unwrap_or("this process")
        ),
    );
    if let Some(audit) = &report.audit {
        line("audit", audit.line());
    }
    line("health", report.health.get("status").and_then(Value::as_str).unwrap_or("unknown").to_owned());
    line("server", report.server.clone());
    for note in &report.notes {
        line("note", note.clone());
    }
    text
}

/// The most memory that this process has held, in MiB, from the kernel's account of it; `None` where there is none.
#[must_use]
pub fn peak_memory_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn top_table(top: &[TopFile]) -> String {
    let mut table = Table::new();
    *table.style_mut() = UTF8_FULL_CONDENSED;
    table.set_header(["complexity", "functions", "nesting", "lines", "language", "file"]);
    for file in top {
        // An estimate is no measure, and must not look like one.
        let about = if file.method == "syn" { "" } else { "~" };
        table.add_row([
            format!("{about}{}", file.complexity),
            format!("{about}{}", file.functions),
            format!("{about}{}", file.max_nesting),
            file.lines.to_string(),
            file.language.clone().unwrap_or_default(),
            file.file_path.clone(),
        ]);
    }
    for column in table.column_iter_mut().take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
