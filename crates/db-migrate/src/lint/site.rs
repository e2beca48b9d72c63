//! One change, and everything that a rule may ask about it.

use super::catalogue::{Relation, RelationKind, Size};
use super::change::{Change, Lock};
use super::name::Name;
use super::options::by_size;
use super::state::State;
use super::{LintOptions, Severity};
use std::ops::Range;

/// A change where it stands. The state is that before the change.
#[derive(Clone, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) state: &'a State,
    pub(crate) sight: Sight,
    pub(crate) options: &'a LintOptions,
    /// The server's major version.
    pub(crate) version: u32,
    pub(crate) transaction: &'a Transaction,
    pub(crate) change: &'a Change,
    /// Where in the layout's text.
    pub(crate) at: Range<usize>,
    /// The statement's text.
    pub(crate) text: &'a str,
    /// The statement, by its index.
    pub(crate) statement: usize,
    /// How many statements the script has.
    pub(crate) statements: usize,
    /// Whether the statement runs by itself, since the server refuses it in a transaction.
    pub(crate) alone: bool,
}

/// Whether sizes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Seeing,
    /// As if nobody knew how big anything is: what a rule might say of a bigger database.
    Blind,
}

/// What the statements before have done in the same transaction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) locks: Vec<Held>,
    pub(crate) enum_values: Vec<(Name, String)>,
    /// Constraints that were added `NOT VALID`, with their tables.
    pub(crate) unvalidated: Vec<(Name, String)>,
}

/// A lock that is held until the transaction ends.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) table: Name,
    pub(crate) mode: Lock,
    /// The statement that took it, by its index.
    pub(crate) statement: usize,
    /// Whether anybody else uses the table.
    pub(crate) size: Size,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Found {
    pub(crate) fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Site<'_> {
    pub(crate) fn relation(&self, table: &Name) -> Option<&Relation> {
        self.state.relation(table)
    }

    pub(crate) fn size(&self, table: &Name) -> Size {
        match self.sight {
            Sight::Seeing => self.state.size(table),
            Sight::Blind => Size::Unknown,
        }
    }

    /// How loud a rule about waiting is for this table; `None` where nobody waits for long.
    pub(crate) fn weigh(&self, table: &Name) -> Option<Severity> {
        if self.relation(table).is_some_and(|relation| relation.kind == RelationKind::View) {
            return None;
        }
        by_size(self.size(table), self.options.big)
    }

    /// The louder of two tables.
    pub(crate) fn weigh_either(&self, one: &Name, other: &Name) -> Option<Severity> {
        self.weigh(one).max(self.weigh(other))
    }

    /// Whether the table has rows, as far as anybody knows.
    pub(crate) fn rows(&self, table: &Name) -> HasRows {
        match self.size(table) {
            Size::New | Size::About { rows: 0, .. } => HasRows::No,
            Size::Unknown => HasRows::Maybe,
            Size::About { .. } => HasRows::Yes,
        }
    }

    /// The table's full name where it is known, else as it is written.
    pub(crate) fn called(&self, table: &Name) -> Name {
        self.state.resolve(table).unwrap_or_else(|| table.clone())
    }

    /// The table with its size.
    pub(crate) fn sized(&self, table: &Name) -> String {
        let name = self.called(table);
        match self.size(table) {
            Size::About { rows, bytes } => format!("{name} ({}, {})", rows_text(rows), bytes_text(bytes)),
            Size::Unknown => format!("{name} (of a size that is not known)"),
            Size::New => name.to_string(),
        }
    }

    /// The table's name as SQL.
    pub(crate) fn sql(&self, table: &Name) -> String {
        self.called(table).sql()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasRows {
    Yes,
    No,
    Maybe,
}

/// `about 12,300,000 rows`.
fn rows_text(rows: u64) -> String {
    let rounded = match rows {
        0..1000 => rows,
        // Three digits are as many as an estimate is good for.
        _ => {
            let unit = 10_u64.pow(rows.ilog10() - 2);
            (rows + unit / 2) / unit * unit
        }
    };
    let digits = rounded.to_string();
    let grouped: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|chunk| std::str::from_utf8(chunk).unwrap_or_default())
        .collect();
    format!("about {} row{}", grouped.join(","), if rounded == 1 { "" } else { "s" })
}

/// `4.1 GB`.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    // In tenths of the unit.
    let mut tenths = bytes.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match (unit, tenths % 10) {
        (0, _) | (_, 0) => format!("{} {}", tenths / 10, UNITS[unit]),
        (_, tenth) => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes_text, rows_text};

    #[test]
    fn sizes_are_told_as_estimates() {
        for (rows, expected) in [
            (0, "about 0 rows"),
            (1, "about 1 row"),
            (999, "about 999 rows"),
            (1_234, "about 1,230 rows"),
            (12_345_678, "about 12,300,000 rows"),
        ] {
            assert_eq!(rows_text(rows), expected);
        }
        for (bytes, expected) in
            [(8192, "8 kB"), (500, "500 bytes"), (4_400_000_000, "4 GB"), (4_510_000_000, "4.2 GB")]
        {
            assert_eq!(bytes_text(bytes), expected);
        }
    }
}
