//! Rules put together with a catalogue: everything that they name is there, nothing in them contradicts itself, and what they
//! come to for each role and table is worked out.

mod bind;
mod cell;
#[cfg(test)]
pub(super) mod tests;

use crate::access::{AttributeName, Catalogue, Error, Role, Rule, Rules, TableName, condition::Condition};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Rules that are sound, for a database that is as the catalogue says; made once, asked often.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) catalogue: Catalogue,
    pub(crate) roles: Vec<Role>,
    pub(crate) bound: Vec<Bound>,
    /// The tables that rules name, by number.
    pub(crate) governed: Vec<TableName>,
    role_at: HashMap<String, usize>,
    /// By `schema.table`, and for the default schema by `table` too.
    table_at: HashMap<String, usize>,
    /// The functions that a name means, by `schema.name`, and for the default schema by `name` too.
    functions_at: HashMap<String, Vec<String>>,
    /// For each role, one for each governed table.
    cells: Vec<Cell>,
    /// For each function that rules name, by `schema.name(types)`, who may call it, and what denies it to whom.
    pub(crate) functions: BTreeMap<String, Callers>,
}

/// A rule, and what it is about in this database.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) rule: Rule,
    /// The roles that it holds for, those that include its own among them.
    pub(crate) roles: BTreeSet<String>,
    pub(crate) tables: Vec<(TableName, Arc<Guard>)>,
    pub(crate) functions: Vec<String>,
}

/// When a rule counts, and for which rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guard {
    pub(crate) rule: String,
    pub(crate) when: Vec<(AttributeName, String)>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) rows: Option<Condition>,
}

impl Guard {
    /// Whether it says the same, whatever rule says it.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.when, self.from, self.until) == (&other.when, other.from, other.until)
            && self.rows.as_ref().map(|rows| &rows.root) == other.rows.as_ref().map(|rows| &rows.root)
    }
}

/// What is done to a table, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Right {
    Read,
    Write,
    Delete,
    Admin,
}

impl Right {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::Admin];
}

/// Which columns a role has a right to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Covered {
    #[default]
    Nothing,
    /// All there are and will be.
    All,
    /// These.
    Some(BTreeSet<String>),
}

/// What a role may do to a table in one respect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) columns: Covered,
    /// Whether a rule allows it for every row, subject and time; else `allows` say for which.
    pub(crate) always: bool,
    pub(crate) allows: Vec<Arc<Guard>>,
    pub(crate) denies: Vec<Arc<Guard>>,
    /// Rules that deny it always, and which columns if not all.
    pub(crate) refused_by: Vec<(String, Option<BTreeSet<String>>)>,
}

/// What a role may do to a table, by [`Right`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) grants: [Grant; 4],
}

/// Who may call a function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    pub(crate) allowed: BTreeSet<String>,
    pub(crate) denied: BTreeMap<String, String>,
}

impl Policy {
    /// Puts rules together with what a database has.
    ///
    /// # Errors
    /// [`Error::Rules`] with everything that is wrong with them: names of what is not there, rules that contradict each
    /// other, and what PostgreSQL could not hold to. None of the rules counts then.
    pub fn new(rules: &Rules, catalogue: Catalogue) -> Result<Self, Error> {
        bind::policy(rules, catalogue).map_err(|faults| Error::Rules { faults })
    }

    pub(crate) fn role(&self, name: &str) -> Option<usize> {
        self.role_at.get(name).copied()
    }

    /// The number of a table that rules name.
    pub(crate) fn table(&self, name: &str) -> Option<usize> {
        self.table_at.get(name).copied()
    }

    /// The functions outside PostgreSQL's own schemas that a name means, as `schema.name(types)`.
    pub(crate) fn functions_named(&self, name: &str) -> &[String] {
        self.functions_at.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn grant(&self, role: usize, table: usize, right: Right) -> Option<&Grant> {
        let cell = self.cells.get(role * self.governed.len() + table)?;
        cell.grants.get(right as usize)
    }
}
