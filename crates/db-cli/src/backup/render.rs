//! What `db backup` prints.

use crate::output::{self, Format};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use db_migrate::backup::{Entry, Manifest, Pruning, Removal, Restored, State, Verified};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn created(format: Format, path: &Path, manifest: &Manifest, verified: Option<&Verified>) {
    let object = json!({ "backup": path, "manifest": manifest_json(manifest), "verified": verified });
    output::print(format, &object, || {
        let proved = if verified.is_some() { ", restored and found equal" } else { "" };
        format!(
            "{}: {} rows of {} tables in {}{proved}",
            path.display(),
            manifest.rows(),
            manifest.tables.len(),
            HumanBytes(manifest.bytes())
        )
    });
}

pub(super) fn list(format: Format, dir: &Path, entries: &[Entry]) {
    let object = json!({ "backups": entries.iter().map(entry_json).collect::<Vec<_>>() });
    output::print(format, &object, || {
        if entries.is_empty() {
            return format!("no backups in {}", dir.display());
        }
        let mut table = Table::new();
        *table.style_mut() = NOTHING;
        table.set_header(["name", "made", "rows", "size", "PostgreSQL", "state"]);
        for entry in entries {
            table.add_row(row(entry));
        }
        for numbers in [2, 3] {
            if let Some(column) = table.column_mut(numbers) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    });
}

pub(super) fn verified(format: Format, path: &Path, verified: Option<&Verified>) {
    let object = json!({ "backup": path, "files": "as they were written", "restored": verified });
    output::print(format, &object, || match verified {
        Some(verified) => {
            format!("{}: restored and found equal, {} rows compared", path.display(), verified.rows)
        }
        None => format!("{}: its files are as they were written; nothing was restored", path.display()),
    });
}

pub(super) fn restored(format: Format, path: &Path, restored: &Restored) {
    let object = json!({
        "backup": path, "database": restored.database, "kept": restored.kept, "rows": restored.rows,
    });
    output::print(format, &object, || {
        let rows = restored.rows;
        let mut text = format!("{} holds what was backed up, {rows} rows compared", restored.database);
        if let Some(kept) = &restored.kept {
            text.push_str(&format!(
                "\nwhat it was before is kept as {kept}; drop it when it is not needed any more"
            ));
        }
        text
    });
}

pub(super) fn pruned(format: Format, pruning: Pruning, removals: &[Removal]) {
    let verb = if pruning == Pruning::Remove { "removed" } else { "to remove" };
    let removed: Vec<_> = removals.iter().map(|it| json!({ "name": it.name, "why": it.why })).collect();
    output::print(format, &json!({ verb.replace(' ', "_"): removed }), || match removals {
        [] => "nothing to remove".to_owned(),
        removals => removals.iter().map(|it| format!("{verb}  {} ({})\n", it.name, it.why)).collect(),
    });
}

fn manifest_json(manifest: &Manifest) -> Value {
    json!({
        "created_at": manifest.created_at,
        "database": manifest.database,
        "server_version": manifest.server_version,
        "tables": manifest.tables.len(),
        "rows": manifest.rows(),
        "bytes": manifest.bytes(),
        "schema_fingerprint": manifest.schema_fingerprint,
    })
}

fn entry_json(entry: &Entry) -> Value {
    let (state, reason, manifest) = match &entry.state {
        State::Intact(manifest) => ("intact", None, Some(manifest_json(manifest))),
        State::Damaged { reason } => ("damaged", Some(reason), None),
        State::Unfinished => ("being made", None, None),
        _ => ("abandoned", None, None),
    };
    json!({
        "name": entry.name,
        "path": entry.path,
        "created_at": entry.created_at,
        "state": state,
        "reason": reason,
        "manifest": manifest,
        "verified": entry.verified,
    })
}

fn row(entry: &Entry) -> [String; 6] {
    let made =
        entry.created_at.map(|time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
    let verified =
        entry.verified.as_ref().map(|verified| format!("proved {}", verified.at.format("%Y-%m-%d")));
    let (rows, size, version, state) = match &entry.state {
        State::Intact(manifest) => (
            manifest.rows().to_string(),
            HumanBytes(manifest.bytes()).to_string(),
            manifest.server_major().to_string(),
            verified.unwrap_or_else(|| "not proved".to_owned()),
        ),
        State::Damaged { reason } => {
            (String::new(), String::new(), String::new(), format!("damaged: {reason}"))
        }
        State::Unfinished => (String::new(), String::new(), String::new(), "being made".to_owned()),
        _ => (String::new(), String::new(), String::new(), "abandoned".to_owned()),
    };
    [entry.name.clone(), made, rows, size, version, state]
}
