//! `db migrate verify`.

use super::args::RunArgs;
use super::rehearse::Beside;
use super::render::count;
use super::schema::TakingArgs;
use super::server_wide::ServerWideArgs;
use super::{UNCHANGED, tell};
use crate::{
    Exit, Failed,
    database::Missing,
    output::{self, Format},
    stop::unless_stopped,
};
use clap::Args;
use db_migrate::{Verdict, Verified};
use serde_json::{Value, json};
use std::fmt::Write;

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    taking: TakingArgs,
    /// A migration without a way back is wrong, too
    #[arg(long)]
    require_down: bool,
    #[command(flatten)]
    server_wide: ServerWideArgs,
}

pub(super) async fn run(args: &VerifyArgs, format: Format) -> Result<Exit, Failed> {
    let mut beside = Beside::open_or(&args.run, Missing::Create).await?;
    beside.options.server_wide = args.server_wide.wanted();
    let (mut tell, taking) = (tell, args.taking.options());
    let (server, migrations, options) = (&beside.server, &beside.migrations, &beside.options);
    let work = Box::pin(db_migrate::verify(server, migrations, &taking, options, &mut tell));
    let outcome = unless_stopped(UNCHANGED, work).await?;
    let Some(verified) = beside.close(outcome.transpose()).await? else { return Ok(Exit::Interrupted) };
    let is_unsafe = verified.is_unsafe() || (args.require_down && !verified.irreversible().is_empty());
    output::print(format, &object(&verified, is_unsafe), || text(&verified));
    Ok(if is_unsafe { Exit::No } else { Exit::Done })
}

fn object(verified: &Verified, is_unsafe: bool) -> Value {
    let trips: Vec<_> = verified
        .migrations
        .iter()
        .map(|trip| json!({ "migration": trip.label, "verdict": verdict(&trip.verdict) }))
        .collect();
    let whole = verified.whole.as_ref();
    let whole =
        whole.map(|whole| json!({ "migrations": whole.migrations, "verdict": verdict(&whole.verdict) }));
    json!({ "unsafe": is_unsafe, "irreversible": verified.irreversible(), "migrations": trips, "whole": whole })
}

fn verdict(verdict: &Verdict) -> Value {
    let (kind, differences) = match verdict {
        Verdict::Clean => ("clean", None),
        Verdict::NoDown => ("no down", None),
        Verdict::DownFails(_) => ("down fails", None),
        Verdict::Residue(differences) => ("residue", Some(differences)),
        Verdict::AgainFails(_) => ("second up fails", None),
        Verdict::AgainDiffers(differences) => ("second up differs", Some(differences)),
    };
    let differences: Vec<String> = differences.into_iter().flatten().map(ToString::to_string).collect();
    let error = match verdict {
        Verdict::DownFails(error) | Verdict::AgainFails(error) => Some(db_core::with_causes(&**error)),
        _ => None,
    };
    json!({ "kind": kind, "differences": differences, "error": error })
}

fn text(verified: &Verified) -> String {
    let mut text = String::new();
    for trip in verified.migrations.iter().filter(|trip| !matches!(trip.verdict, Verdict::Clean)) {
        let label = if trip.verdict.is_wrong() { "unsafe" } else { "note" };
        let _ = writeln!(text, "{label:7} {}: {}", trip.label, trip.verdict);
    }
    if let Some(whole) = &verified.whole {
        let label = if whole.verdict.is_wrong() { "unsafe" } else { "clean" };
        let migrations = count(whole.migrations);
        let _ = writeln!(text, "{label:7} the last {migrations} back and there again: {}", whole.verdict);
    }
    let clean = verified.migrations.iter().filter(|trip| matches!(trip.verdict, Verdict::Clean)).count();
    let _ = writeln!(text, "{} verified, {clean} clean", count(verified.migrations.len()));
    text
}
