//! `ci`: every check that needs no server.

use crate::{
    cargo,
    check::Report,
    deny,
    exit::{Exit, Failed},
    help, layers, tidy,
};
use lexopt::{Arg, Parser};
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// The cheap ones first.
const CHECKS: &[(&str, Check)] = &[
    ("fmt", fmt),
    ("layers", || Ok(layers::check()?.into())),
    ("tidy", || Ok(tidy::check()?.into())),
    ("deny", || Ok(deny::check()?.into())),
    ("clippy", clippy),
    ("alone", alone),
    ("docs", docs),
];

type Check = fn() -> Result<Outcome, Failed>;

/// What a check came to, and what it has to say.
struct Outcome {
    passed: bool,
    seen: String,
    text: String,
}

impl From<Report> for Outcome {
    fn from(report: Report) -> Self {
        let notes = report.notes.iter().map(|note| format!("note: {note}"));
        let lines: Vec<_> = notes.chain(report.findings.iter().cloned()).collect();
        Self { passed: report.findings.is_empty(), seen: report.seen, text: lines.join("\n") }
    }
}

pub(crate) fn main(mut args: Parser) -> Result<Exit, Failed> {
    let mut chosen = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(help::show(help::CI)),
            Arg::Value(name) => chosen.push(named(&name.to_string_lossy())?),
            other => return Err(other.unexpected().into()),
        }
    }
    if chosen.is_empty() {
        chosen = CHECKS.iter().collect();
    }
    Ok(run(&chosen))
}

fn named(name: &str) -> Result<&'static (&'static str, Check), Failed> {
    CHECKS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let known: Vec<_> = CHECKS.iter().map(|(known, _)| *known).collect();
        Failed::usage(format!("there is no check {name}; there are {}", known.join(", ")))
    })
}

/// Runs them all, whatever fails on the way: one line each, then what the failed ones said.
fn run(chosen: &[&(&'static str, Check)]) -> Exit {
    let started = Instant::now();
    let mut failed = Vec::new();
    let mut exit = Exit::Done;
    for (name, check) in chosen {
        let started = Instant::now();
        let outcome = check().unwrap_or_else(|error| {
            exit = Exit::Of(1);
            Outcome { passed: false, seen: "could not run".to_owned(), text: error.to_string() }
        });
        println!("{}", line(name, &outcome, started.elapsed()));
        if !outcome.text.is_empty() {
            println!("{}", indent(&outcome.text));
        }
        if !outcome.passed {
            failed.push(*name);
        }
    }
    let took = started.elapsed().as_secs_f64();
    if failed.is_empty() {
        println!("ci: {} checks passed in {took:.1} s", chosen.len());
    } else {
        println!("ci: {} of {} failed in {took:.1} s: {}", failed.len(), chosen.len(), failed.join(", "));
        if exit == Exit::Done {
            exit = Exit::No;
        }
    }
    exit
}

fn line(name: &str, outcome: &Outcome, took: Duration) -> String {
    let verdict = if outcome.passed { "ok" } else { "FAILED" };
    format!("{name:<8} {verdict:<6} {:>6.1} s  {}", took.as_secs_f64(), outcome.seen).trim_end().to_owned()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn fmt() -> Result<Outcome, Failed> {
    outcome(&mut cargo::command(["fmt", "--all", "--check", "--", "--color", "never"]), "mend by: cargo fmt")
}

fn clippy() -> Result<Outcome, Failed> {
    let arguments = [
        "clippy",
        "-q",
        "--keep-going",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    outcome(&mut cargo::command(arguments), "")
}

/// Together, a crate may live on a feature that another has turned on; here it has only its own.
fn alone() -> Result<Outcome, Failed> {
    let metadata = cargo::metadata()?;
    let mut said = Vec::new();
    let mut count = 0;
    for package in metadata.members().filter(|package| package.is_library()) {
        let mut command =
            cargo::command(["clippy", "-q", "--lib", "-p", &package.name, "--", "-D", "warnings"]);
        let outcome = outcome(&mut command, "")?;
        count += 1;
        if !outcome.passed {
            said.push(format!("{} by itself, with its default features:\n{}", package.name, outcome.text));
        }
    }
    Ok(Outcome { passed: said.is_empty(), seen: format!("{count} crates"), text: said.join("\n") })
}

fn docs() -> Result<Outcome, Failed> {
    let mut command = cargo::command(["doc", "-q", "--workspace", "--all-features", "--no-deps"]);
    outcome(command.env("RUSTDOCFLAGS", "-D warnings"), "")
}

/// Runs it; what it said is told when it failed.
fn outcome(command: &mut Command, advice: &str) -> Result<Outcome, Failed> {
    let output = cargo::output(command)?;
    if output.status.success() {
        return Ok(Outcome { passed: true, seen: String::new(), text: String::new() });
    }
    let said = [output.stdout, output.stderr].concat();
    Ok(Outcome {
        passed: false,
        seen: advice.to_owned(),
        text: String::from_utf8_lossy(&said).trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, line, named};
    use crate::{check::Report, exit::Failed};
    use std::time::Duration;

    #[test]
    fn a_finding_fails_and_a_note_does_not() {
        let report = |findings| Report { findings, notes: vec!["look".into()], seen: "3 files".into() };
        let well = Outcome::from(report(Vec::new()));
        assert_eq!(
            (well.passed, line("tidy", &well, Duration::from_millis(40))),
            (true, "tidy     ok        0.0 s  3 files".into())
        );
        let broken = Outcome::from(report(vec!["a.rs: no".into()]));
        assert_eq!((broken.passed, broken.text.as_str()), (false, "note: look\na.rs: no"));
    }

    #[test]
    fn an_unknown_check_is_told() {
        let Err(Failed::Usage(text)) = named("lint") else { panic!("it is refused") };
        assert!(text.contains("lint") && text.contains("clippy"), "{text}");
    }
}
