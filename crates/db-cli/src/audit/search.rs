//! `db audit search`.

use super::{args::SearchArgs, at, keys};
use crate::{
    Exit, Failed,
    output::{self, Format},
};
use comfy_table::{Table, presets::NOTHING};
use db_security::audit::{Found, Personal, open_personal};

pub(super) async fn run(args: &SearchArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "nothing was changed", async |target| {
        let master = if args.open { Some(keys::master_or_refuse(&target.audit).await?) } else { None };
        let search = args.filters.search().limit(args.limit);
        let mut lease = target.database.pool().acquire().await?;
        let mut page = search.page(&mut lease, args.cursor.as_deref()).await?;
        if let Some(master) = &master {
            open_personal(&mut lease, master, &mut page.events).await?;
        }
        output::print(format, &page, || {
            if page.events.is_empty() { "no events".to_owned() } else { table(&page.events).to_string() }
        });
        if let (Format::Text, Some(cursor), Some(to)) = (format, &page.next, page.searched_to) {
            let looked_at = page.looked_at;
            output::tell(&format!(
                "{looked_at} events looked at, to {}; go on with --cursor {cursor}",
                to.to_rfc3339()
            ));
        }
        Ok(Exit::Done)
    })
    .await
}

fn table(events: &[Found]) -> Table {
    let mut table = Table::new();
    *table.style_mut() = NOTHING;
    table.set_header(["when", "leaf", "actor", "action", "entity", "outcome", "what", "id"]);
    for event in events {
        table.add_row([
            event.occurred_at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            event.leaf.map_or_else(|| "waits".to_owned(), |leaf| leaf.to_string()),
            plain(event.actor.as_deref().unwrap_or("-")),
            plain(&event.action),
            plain(&format!("{} {}", event.entity_type, event.entity_id.as_deref().unwrap_or("-"))),
            event.outcome.to_string(),
            plain(&what(event)),
            event.id.to_string(),
        ]);
    }
    table
}

/// What it says, in few words.
fn what(event: &Found) -> String {
    const WIDTH: usize = 80;
    let personal = match &event.personal {
        None => None,
        Some(Personal::Open { values, .. }) => Some(values.get().to_owned()),
        Some(other) => Some(format!("({other:?})").to_lowercase()),
    };
    let values = [("", &event.old_values), ("→ ", &event.new_values), ("", &event.details)];
    let values =
        values.into_iter().filter_map(|(before, json)| Some(format!("{before}{}", json.as_ref()?.get())));
    let text = values.chain(personal).collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// What others have written does not move the cursor of a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            if letter.is_control() {
                Shown::Escaped(letter.escape_default())
            } else {
                Shown::Plain(Some(letter))
            }
        })
        .collect()
}

enum Shown {
    Plain(Option<char>),
    Escaped(std::char::EscapeDefault),
}

impl Iterator for Shown {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Plain(letter) => letter.take(),
            Self::Escaped(letters) => letters.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_moves_a_terminal_is_shown_and_not_done() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n\u{9b}é"), "a\\u{1b}[2Jb\\r\\n\\u{9b}é");
    }
}
