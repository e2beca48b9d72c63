//! Row locks.

use crate::{touch::Role, writer::Writer};

/// How strongly rows are locked, from strong to weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Update,
    NoKeyUpdate,
    Share,
    KeyShare,
}

/// What happens to a row that somebody else has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Wait,
    Skip,
    Refuse,
}

/// A lock on the rows that a SELECT returns, until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a lock does nothing until a SELECT gets it"]
pub struct Lock<'a> {
    strength: Strength,
    of: &'a [&'a str],
    taken: Taken,
}

impl<'a> Lock<'a> {
    /// `FOR UPDATE`: nobody else changes, deletes or locks the rows.
    pub const fn for_update() -> Self {
        Self::of_strength(Strength::Update)
    }

    /// `FOR NO KEY UPDATE`: the same, but rows that refer to these by foreign key may come and go.
    pub const fn for_no_key_update() -> Self {
        Self::of_strength(Strength::NoKeyUpdate)
    }

    /// `FOR SHARE`: nobody changes the rows; others may read-lock them too.
    pub const fn for_share() -> Self {
        Self::of_strength(Strength::Share)
    }

    /// `FOR KEY SHARE`: nobody deletes the rows or changes their keys.
    pub const fn for_key_share() -> Self {
        Self::of_strength(Strength::KeyShare)
    }

    const fn of_strength(strength: Strength) -> Self {
        Self { strength, of: &[], taken: Taken::Wait }
    }

    /// Locks rows of these tables only, by alias where they have one.
    pub const fn of(self, tables: &'a [&'a str]) -> Self {
        Self { of: tables, ..self }
    }

    /// Passes over rows that somebody else has locked.
    pub const fn skip_locked(self) -> Self {
        Self { taken: Taken::Skip, ..self }
    }

    /// Fails with SQLSTATE 55P03 where somebody else has locked a row.
    pub const fn no_wait(self) -> Self {
        Self { taken: Taken::Refuse, ..self }
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        writer.push(match self.strength {
            Strength::Update => "FOR UPDATE",
            Strength::NoKeyUpdate => "FOR NO KEY UPDATE",
            Strength::Share => "FOR SHARE",
            Strength::KeyShare => "FOR KEY SHARE",
        });
        if self.of.is_empty() {
            let at = writer.state().text.len();
            writer.state().mark(at, Role::Locked);
        }
        for (position, table) in self.of.iter().enumerate() {
            writer.push(if position == 0 { " OF " } else { ", " });
            writer.plain_name(table, Role::Locked);
        }
        writer.push(match self.taken {
            Taken::Wait => "",
            Taken::Skip => " SKIP LOCKED",
            Taken::Refuse => " NOWAIT",
        });
    }
}
