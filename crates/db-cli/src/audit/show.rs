//! `db audit show`.

use super::{args::ShowArgs, at, keys, search::plain};
use crate::{
    Exit, Failed,
    output::{self, Format},
};
use db_security::audit::{Personal, Proven, open_personal, prove};
use std::fmt::Write;

pub(super) async fn run(args: &ShowArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "nothing was changed", async |target| {
        let master = if args.open { Some(keys::master_or_refuse(&target.audit).await?) } else { None };
        let mut lease = target.database.pool().acquire().await?;
        let mut proven = prove(&mut lease, args.id).await?;
        if let Some(master) = &master {
            open_personal(&mut lease, master, std::slice::from_mut(&mut proven.event)).await?;
        }
        output::print(format, &proven, || render(&proven));
        Ok(Exit::Done)
    })
    .await
}

fn render(proven: &Proven) -> String {
    let event = &proven.event;
    let mut text = String::new();
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:14} {}", plain(value));
        }
    };
    line("id", Some(&event.id.to_string()));
    line(
        "leaf",
        Some(
            &event.leaf.map_or_else(|| "none yet: it waits in the inbox".to_owned(), |leaf| leaf.to_string()),
        ),
    );
    line("occurred at", Some(&event.occurred_at.to_rfc3339()));
    line("sequenced at", event.sequenced_at.map(|at| at.to_rfc3339()).as_deref());
    line("actor", event.actor.as_deref());
    line("request", event.request.as_deref());
    line("action", Some(&event.action));
    line("entity", Some(&event.entity_type));
    line("entity id", event.entity_id.as_deref());
    line("outcome", Some(event.outcome.as_str()));
    line("database user", Some(&event.database_user));
    line("old values", event.old_values.as_ref().map(|json| json.get()));
    line("new values", event.new_values.as_ref().map(|json| json.get()));
    line("details", event.details.as_ref().map(|json| json.get()));
    line("subject", event.subject.as_deref());
    match &event.personal {
        None => {}
        Some(Personal::Open { values, .. }) => line("personal", Some(values.get())),
        Some(other) => line("personal", Some(&format!("{other:?}").to_lowercase())),
    }
    match &proven.proof {
        None => line("proof", Some("none: no checkpoint has been signed since it got its place")),
        Some(proof) => {
            line("leaf hash", Some(&proof.leaf_hash.to_string()));
            line(
                "proof",
                Some(&format!(
                    "{} hashes to the root of {} leaves",
                    proof.inclusion.path.len(),
                    proof.inclusion.size
                )),
            );
            for (at, part) in proof.checkpoint.lines().enumerate() {
                line(if at == 0 { "checkpoint" } else { "" }, Some(part));
            }
        }
    }
    text
}
