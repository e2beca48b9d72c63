//! What a rule says, before anybody knows whether the database has what it names.

use crate::access::AttributeName;
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Roles and rules, as a file or a program gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Who there may be.
    pub roles: Vec<Role>,
    /// What they may do, and what not.
    pub rules: Vec<Rule>,
}

/// A role, which is a role of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Roles whose rules are its rules too, denials included.
    pub includes: Vec<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
}

/// A rule: who may, or may not, do what to what.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name; no two have the same.
    pub name: String,
    /// The roles that it is about.
    pub roles: Vec<String>,
    /// What the subject's attributes must be.
    pub when: BTreeMap<AttributeName, String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// What.
    pub permissions: BTreeSet<Permission>,
    /// To what.
    pub resource: Resource,
    /// To which columns; all unless told.
    pub columns: Option<BTreeSet<String>>,
    /// To which rows, as a filter in JSON; all unless told.
    pub rows: Option<serde_json::Value>,
    /// From when on it counts.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until before when it counts.
    pub valid_until: Option<DateTime<Utc>>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
}

impl Rule {
    /// Whether it depends on nothing but the role: it holds for every row, subject and time.
    pub(crate) fn is_static(&self) -> bool {
        self.rows.is_none() && self.when.is_empty() && self.valid_from.is_none() && self.valid_until.is_none()
    }
}

/// What a rule does to what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It lets.
    Allow,
    /// It does not, whatever lets.
    Deny,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Any mention of a column, and whether there are rows.
    Read,
    /// New rows, and changes of rows; locks on them.
    Write,
    /// Rows are deleted.
    Delete,
    /// TRUNCATE, REFERENCES and TRIGGER. DDL is its owner's alone.
    Admin,
    /// A function is called.
    Execute,
}

impl Permission {
    /// All of them, as they are written in rules.
    pub(crate) const WORDS: [(&'static str, Self); 5] = [
        ("read", Self::Read),
        ("write", Self::Write),
        ("delete", Self::Delete),
        ("admin", Self::Admin),
        ("execute", Self::Execute),
    ];
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, permission)| permission == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A table or view, as `table` or `schema.table`.
    Table(String),
    /// Every table of a schema that there is when the rules are compiled; no views, and no partitions, which are reached
    /// by their table.
    Schema(String),
    /// A function, as `schema.name(types)`; the types may be left out where there is only one of the name.
    Function(String),
}
