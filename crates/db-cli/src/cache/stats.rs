//! `db cache stats`.

use super::{NO_STORE, NOT_MIGRATED, args::StatsArgs, is_not_there, place, with_target};
use crate::{
    Exit, Failed,
    database::Target,
    output::{self, Format},
    stop::unless_stopped,
};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use db_core::Share;
use db_facade::db_cache::Backlog;
use indicatif::{HumanBytes, ProgressBar};
use serde_json::{Value, json};
use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
};

pub(super) async fn run(args: &StatsArgs, format: Format) -> Result<Exit, Failed> {
    let work = with_target(&args.database, async |target| look(target, args.namespace.as_deref()).await);
    let Some(stats) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let stats = stats?;
    output::print(format, &stats.to_json(), || stats.to_text());
    Ok(Exit::Done)
}

struct Stats {
    application: String,
    store: Option<Stored>,
    /// `None` where the database has not our tables.
    changes: Option<(Backlog, Vec<String>)>,
}

struct Stored {
    name: String,
    place: String,
    shares: Vec<Share>,
    figures: Vec<(String, String)>,
}

async fn look(target: &Target, namespace: Option<&str>) -> Result<Stats, Failed> {
    let cache = target.database.cache();
    let application = cache.application().to_owned();
    let store = match (place(target), cache.census()) {
        (Some((name, place)), Some(census)) => {
            let shown = Shown::new();
            // All of it is counted, as a namespace has no keys but those below the application's.
            let shares = census.census(&format!("{application}:"), &|entries| shown.show(entries)).await?;
            let wanted = |share: &Share| namespace.is_none() || share.name.as_deref() == namespace;
            let shares = shares.into_iter().filter(wanted).collect();
            let figures = census.figures().await?;
            Some(Stored { name: name.to_owned(), place: place.to_owned(), shares, figures })
        }
        _ => None,
    };
    let mut lease = target.database.pool().acquire().await?;
    let changes = match cache.backlog(&mut lease).await {
        Ok(backlog) => Some((backlog, cache.watched_tables(&mut lease).await?.tables)),
        Err(error) if is_not_there(&error) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Stats { application, store, changes })
}

impl Stats {
    fn to_json(&self) -> Value {
        let share = |share: &Share| json!({ "namespace": share.name, "entries": share.entries, "bytes": share.bytes });
        let store = self.store.as_ref().map(|store| {
            let figures =
                store.figures.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            json!({
                "name": store.name,
                "place": store.place,
                "entries": store.shares.iter().map(|share| share.entries).sum::<u64>(),
                "bytes": store.shares.iter().map(|share| share.bytes).sum::<u64>(),
                "namespaces": store.shares.iter().map(share).collect::<Vec<_>>(),
                "server": figures.collect::<serde_json::Map<_, _>>(),
            })
        });
        let changes = self.changes.as_ref().map(|(backlog, _)| {
            json!({
                "rows": backlog.rows,
                "unapplied": backlog.unapplied,
                "oldest_unapplied_seconds": backlog.oldest_unapplied.map(|age| age.as_secs_f64()),
            })
        });
        let help = match (&self.store, &self.changes) {
            (None, _) => Some(NO_STORE),
            (_, None) => Some(NOT_MIGRATED),
            _ => None,
        };
        json!({
            "application": self.application,
            "store": store,
            "changes": changes,
            "watched_tables": self.changes.as_ref().map(|(_, tables)| tables),
            "help": help,
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        if let Some(store) = &self.store {
            if !store.shares.is_empty() {
                let _ = writeln!(text, "{}\n", table(&store.shares));
            }
            let entries: u64 = store.shares.iter().map(|share| share.entries).sum();
            let bytes: u64 = store.shares.iter().map(|share| share.bytes).sum();
            line(&mut text, "store", &format!("{} at {}", store.name, store.place));
            line(
                &mut text,
                "entries",
                &format!("{entries} of {}, {} in all", self.application, HumanBytes(bytes)),
            );
            for (name, value) in &store.figures {
                line(&mut text, "server", &format!("{name} {value}"));
            }
        } else {
            line(&mut text, "store", NO_STORE);
        }
        if let Some((backlog, tables)) = &self.changes {
            let oldest =
                backlog.oldest_unapplied.map(|age| format!(", the oldest for {:.1} s", age.as_secs_f64()));
            let waiting = format!(
                "{} of {} wait to be removed from the store{}",
                backlog.unapplied,
                backlog.rows,
                oldest.unwrap_or_default()
            );
            line(&mut text, "changes", &waiting);
            let tables =
                if tables.is_empty() { "none; see `db cache watch`".to_owned() } else { tables.join(", ") };
            line(&mut text, "watched", &tables);
        } else {
            line(&mut text, "changes", NOT_MIGRATED);
        }
        text
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:8} {value}");
}

fn table(shares: &[Share]) -> Table {
    let mut table = Table::new();
    *table.style_mut() = UTF8_FULL_CONDENSED;
    table.set_header(["namespace", "entries", "bytes"]);
    for share in shares {
        let name = match share.name.as_deref() {
            Some("%tag") => "%tag (marks of tags)",
            Some(name) => name,
            None => "… further names",
        };
        table.add_row([name.to_owned(), share.entries.to_string(), HumanBytes(share.bytes).to_string()]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Shows on a terminal how far the count is.
struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    fn new() -> Self {
        Self { bar: stderr().is_terminal().then(ProgressBar::new_spinner) }
    }

    fn show(&self, entries: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{entries} entries counted"));
            bar.tick();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
