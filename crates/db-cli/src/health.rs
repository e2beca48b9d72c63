//! `db health`.

use crate::{
    Exit, Failed,
    args::HealthArgs,
    database::{Missing, Target},
    output::{self, Format},
};
use db_core::{Finding, Status};
use db_facade::{Database, Health};
use db_migrate::Migrations;
use std::fmt::Write;

pub(crate) async fn run(args: &HealthArgs, format: Format) -> Result<Exit, Failed> {
    let builder = match &args.dir {
        Some(folder) => Database::builder().migrations(Migrations::read(folder)?),
        None => Database::builder(),
    };
    let target = Target::open_with(&args.database, Missing::Refuse, None, builder.unaudited()).await?;
    let health = target.database.health().await;
    target.close().await;
    output::print(format, &output::health_json(&health), || render(&health));
    Ok(if health.status == Status::Unhealthy { Exit::No } else { Exit::Done })
}

fn render(health: &Health) -> String {
    let mut text = format!("{}\n", health.status.as_str());
    for finding in &health.findings {
        let _ = writeln!(text, "  {:12} {:10} {}", finding.probe, finding.status.as_str(), detail(finding));
    }
    text
}

fn detail(finding: &Finding) -> String {
    let evidence: Vec<String> =
        finding.evidence.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if finding.summary.is_empty() {
        evidence.join(", ")
    } else {
        format!("{} ({})", finding.summary, evidence.join(", "))
    }
}
