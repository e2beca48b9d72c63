//! `deny`: what may come in from outside, by cargo-deny where it is installed, else by the same rules applied here.

mod licence;
mod policy;
mod rules;

use crate::{cargo, check::Report, exit::Failed};
use policy::Policy;
use std::fs;

const NO_ADVISORIES: &str = "advisories are not looked up: that needs cargo-deny and a network \
     (cargo install --locked cargo-deny)";
const OFFLINE: &str = "advisories are not looked up: their database cannot be fetched from here";

/// Applies deny.toml.
pub(crate) fn check() -> Result<Report, Failed> {
    if cargo::has("deny") { by_cargo_deny() } else { by_ourselves() }
}

fn by_cargo_deny() -> Result<Report, Failed> {
    let run = |checks: &[&str]| {
        let arguments =
            ["deny", "--log-level", "warn", "check", "--hide-inclusion-graph", "--allow=duplicate"];
        cargo::output(cargo::command(arguments.iter().chain(checks)).env("NO_COLOR", "1"))
    };
    let mut report = Report { seen: "by cargo-deny".to_owned(), ..Report::default() };
    let rules = run(&["bans", "licenses", "sources"])?;
    if !rules.status.success() {
        report.findings.push(String::from_utf8_lossy(&rules.stderr).trim().to_owned());
    }
    let advisories = run(&["advisories"])?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        report.seen.push_str(", advisories included");
    } else if is_offline(&said) {
        report.notes.push(OFFLINE.to_owned());
    } else {
        report.findings.push(said.trim().to_owned());
    }
    Ok(report)
}

/// Whether it did not get as far as looking.
fn is_offline(said: &str) -> bool {
    said.contains("failed to fetch advisory database") || said.contains("failed to load advisory database")
}

fn by_ourselves() -> Result<Report, Failed> {
    let text = fs::read_to_string(cargo::root().join("deny.toml")).map_err(Failed::at("deny.toml"))?;
    let policy = Policy::parse(&text).map_err(Failed::at("deny.toml"))?;
    let metadata = cargo::metadata()?;
    let mut report = rules::check(&policy, &metadata.packages);
    report.notes.push(NO_ADVISORIES.to_owned());
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::is_offline;

    #[test]
    fn an_advisory_is_not_taken_for_a_missing_network() {
        assert!(is_offline(
            "[ERROR] failed to fetch advisory database https://github.com/rustsec/advisory-db"
        ));
        assert!(!is_offline("error[vulnerability]: a buffer overflow in failed"));
    }
}
