//! What the rules come to as rights, policies and roles of PostgreSQL. Pure.

use crate::access::{
    Effect, Permission, Policy, RelationKind, TableName,
    catalogue::Function,
    condition::{ValueKind, attribute_sql, condition_sql},
    literal::{Literal, quoted as text},
    name::quoted,
    policy::{Covered, Guard, Right},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a comment begins with that says that something is ours.
pub(crate) const MARK: &str = "cairn: ";

/// What the names of our policies begin with.
pub(crate) const PREFIX: &str = "cairn_";

/// What a right is to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Object {
    /// A schema.
    Schema(String),
    /// A table or view, all of its columns.
    Table(TableName),
    /// A column of a table or view.
    Column(TableName, String),
    /// A sequence.
    Sequence(TableName),
    /// A function.
    Function(Function),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(name) => write!(f, "schema {name}"),
            Self::Table(name) => write!(f, "table {name}"),
            Self::Column(table, column) => write!(f, "column {column} of {table}"),
            Self::Sequence(name) => write!(f, "sequence {name}"),
            Self::Function(function) => write!(f, "function {}", function.signature()),
        }
    }
}

/// A right that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Granted {
    /// The role; `None` is PUBLIC.
    pub role: Option<String>,
    /// To what.
    pub object: Object,
    /// The right, as PostgreSQL calls it: SELECT, USAGE ….
    pub privilege: String,
}

impl Granted {
    fn grantee(&self) -> String {
        self.role.as_deref().map_or_else(|| "PUBLIC".to_owned(), quoted)
    }

    /// What stands between GRANT and TO, or between REVOKE and FROM.
    fn sql(&self) -> String {
        // Privileges are words of the server or of this file; anything else would be a right that nobody has.
        let word: String =
            self.privilege.chars().filter(|char| char.is_ascii_alphabetic() || *char == ' ').collect();
        match &self.object {
            Object::Schema(name) => format!("{word} ON SCHEMA {}", quoted(name)),
            Object::Table(name) => format!("{word} ON TABLE {}", name.sql()),
            Object::Column(table, column) => format!("{word} ({}) ON TABLE {}", quoted(column), table.sql()),
            Object::Sequence(name) => format!("{word} ON SEQUENCE {}", name.sql()),
            Object::Function(function) => format!("{word} ON ROUTINE {}", function.sql()),
        }
    }

    pub(crate) fn grant_sql(&self) -> String {
        format!("GRANT {} TO {}", self.sql(), self.grantee())
    }

    pub(crate) fn revoke_sql(&self) -> String {
        // What somebody passed on goes with it.
        format!("REVOKE {} FROM {} CASCADE", self.sql(), self.grantee())
    }

    pub(crate) fn revoke_passing_on_sql(&self) -> String {
        format!("REVOKE GRANT OPTION FOR {} FROM {} CASCADE", self.sql(), self.grantee())
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.role.as_deref().unwrap_or("PUBLIC");
        write!(f, "{} on {} to {role}", self.privilege, self.object)
    }
}

/// Whether policies hold the owner of a table too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// They do (FORCE): an owner who is no superuser sees no row that no rule shows it. Migrations that touch rows then need
    /// a role with BYPASSRLS.
    #[default]
    Held,
    /// They do not, as PostgreSQL has it: whoever connects as the owner sees everything.
    Free,
}

/// What the database should have, for the rules to hold in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Roles, with the comments that they get.
    pub(crate) roles: BTreeMap<String, String>,
    pub(crate) grants: BTreeSet<Granted>,
    /// Tables with row-level security.
    pub(crate) row_security: BTreeSet<TableName>,
    /// Policies, by table and name.
    pub(crate) policies: BTreeMap<(TableName, String), RowPolicy>,
    pub(crate) owner: Owner,
    pub(crate) governed: BTreeSet<TableName>,
    pub(crate) functions: BTreeSet<Function>,
}

/// A policy as it is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowPolicy {
    pub(crate) create: String,
    /// Whether it shows rows or hides them.
    pub(crate) effect: Effect,
    /// What its comment begins with: the rule, and a hash of `create`.
    pub(crate) mark: String,
}

/// Works out what the database should have.
#[must_use]
pub fn compile(policy: &Policy, owner: Owner) -> Desired {
    let roles = policy.roles.iter().map(|role| (role.name.clone(), format!("{MARK}{}", role.description)));
    let mut desired = Desired {
        roles: roles.collect(),
        grants: BTreeSet::new(),
        row_security: BTreeSet::new(),
        policies: BTreeMap::new(),
        owner,
        governed: policy.governed.iter().cloned().collect(),
        functions: BTreeSet::new(),
    };
    for (role_at, role) in policy.roles.iter().enumerate() {
        for (table_at, table) in policy.governed.iter().enumerate() {
            for right in Right::ALL {
                if let Some(grant) = policy.grant(role_at, table_at, right) {
                    desired.grant(&role.name, table, right, &grant.columns);
                }
            }
            desired.grant_sequences(policy, role_at, table_at);
        }
    }
    for (signature, callers) in &policy.functions {
        if let Some(function) = policy.catalogue.functions.get(signature) {
            desired.functions.insert(function.clone());
            for role in &callers.allowed {
                desired.add(role, Object::Function(function.clone()), "EXECUTE");
            }
        }
    }
    desired.row_policies(policy);
    desired
}

impl Desired {
    fn add(&mut self, role: &str, object: Object, privilege: &str) {
        let schema = match &object {
            Object::Table(name) | Object::Column(name, _) | Object::Sequence(name) => {
                Some(name.schema().to_owned())
            }
            Object::Function(function) => Some(function.name.schema().to_owned()),
            Object::Schema(_) => None,
        };
        let granted = |object, privilege: &str| Granted {
            role: Some(role.to_owned()),
            object,
            privilege: privilege.to_owned(),
        };
        self.grants.extend(schema.map(|schema| granted(Object::Schema(schema), "USAGE")));
        self.grants.insert(granted(object, privilege));
    }

    fn grant(&mut self, role: &str, table: &TableName, right: Right, covered: &Covered) {
        let privileges: &[&str] = match right {
            Right::Read => &["SELECT"],
            Right::Write => &["INSERT", "UPDATE"],
            Right::Delete => &["DELETE"],
            Right::Admin => &["TRUNCATE", "REFERENCES", "TRIGGER"],
        };
        for privilege in privileges {
            match covered {
                Covered::Nothing => {}
                // Those two have no columns; rules have none for them either, so it is all of them.
                Covered::Some(_) if matches!(right, Right::Delete | Right::Admin) => {
                    self.add(role, Object::Table(table.clone()), privilege);
                }
                Covered::All => self.add(role, Object::Table(table.clone()), privilege),
                Covered::Some(columns) => {
                    for column in columns {
                        self.add(role, Object::Column(table.clone(), column.clone()), privilege);
                    }
                }
            }
        }
    }

    /// Whoever may insert takes numbers from the sequences of defaults.
    fn grant_sequences(&mut self, policy: &Policy, role: usize, table: usize) {
        let writes =
            policy.grant(role, table, Right::Write).is_some_and(|grant| grant.columns != Covered::Nothing);
        let relation = policy.catalogue.relations.get(&policy.governed[table]).filter(|_| writes);
        for sequence in relation.into_iter().flat_map(|relation| &relation.sequences) {
            self.add(&policy.roles[role].name, Object::Sequence(sequence.clone()), "USAGE");
        }
    }

    fn row_policies(&mut self, policy: &Policy) {
        let conditional = policy.bound.iter().filter(|rule| !rule.rule.is_static());
        self.row_security =
            conditional.flat_map(|rule| rule.tables.iter().map(|(table, _)| table.clone())).collect();
        self.row_security.retain(|table| {
            policy.catalogue.relations.get(table).is_some_and(|relation| relation.kind == RelationKind::Table)
        });
        for bound in &policy.bound {
            // A deny that holds always is a right that is not granted.
            if bound.roles.is_empty() || bound.rule.effect == Effect::Deny && bound.rule.is_static() {
                continue;
            }
            for (table, guard) in bound.tables.iter().filter(|(table, _)| self.row_security.contains(table)) {
                for command in bound.rule.permissions.iter().flat_map(|permission| commands(*permission)) {
                    let made = row_policy(table, guard, bound.rule.effect, command, &bound.roles);
                    self.policies.insert((table.clone(), policy_name(&guard.rule, command)), made);
                }
            }
        }
    }
}

const fn commands(permission: Permission) -> &'static [&'static str] {
    match permission {
        Permission::Read => &["SELECT"],
        Permission::Write => &["INSERT", "UPDATE"],
        Permission::Delete => &["DELETE"],
        Permission::Admin | Permission::Execute => &[],
    }
}

fn policy_name(rule: &str, command: &str) -> String {
    format!("{PREFIX}{rule}_{}", command.to_lowercase())
}

fn row_policy(
    table: &TableName,
    guard: &Guard,
    effect: Effect,
    command: &str,
    roles: &BTreeSet<String>,
) -> RowPolicy {
    let name = quoted(&policy_name(&guard.rule, command));
    let (kind, condition) = match effect {
        Effect::Allow => ("PERMISSIVE", allow_sql(guard)),
        Effect::Deny => ("RESTRICTIVE", pass_sql(guard)),
    };
    // Without a check of its own, an update's new rows must fulfil what its old rows do.
    let clause = if command == "INSERT" { "WITH CHECK" } else { "USING" };
    let roles: Vec<String> = roles.iter().map(|role| quoted(role)).collect();
    let create = format!(
        "CREATE POLICY {name} ON {} AS {kind} FOR {command} TO {} {clause} ({condition})",
        table.sql(),
        roles.join(", ")
    );
    let mark = format!("{MARK}rule {}, made {}", guard.rule, short_hash(&create));
    RowPolicy { create, effect, mark }
}

/// Holds for the rows that a rule allows.
fn allow_sql(guard: &Guard) -> String {
    let mut parts = Vec::new();
    for (attribute, value) in &guard.when {
        let value = Literal::Text(value.clone()).sql();
        parts.push(format!("{} = {value}", attribute_sql(attribute, ValueKind::Text)));
    }
    if let Some(from) = guard.from {
        parts.push(format!("(SELECT pg_catalog.now()) >= {}", Literal::Time(from).sql()));
    }
    if let Some(until) = guard.until {
        parts.push(format!("(SELECT pg_catalog.now()) < {}", Literal::Time(until).sql()));
    }
    parts.extend(guard.rows.as_ref().map(condition_sql));
    if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") }
}

/// Holds for the rows that a rule does not deny: those for which something that it needs is known to be otherwise.
fn pass_sql(guard: &Guard) -> String {
    let mut parts = Vec::new();
    for (attribute, value) in &guard.when {
        let value = Literal::Text(value.clone()).sql();
        parts.push(format!("({} = {value}) IS FALSE", attribute_sql(attribute, ValueKind::Text)));
    }
    if let Some(from) = guard.from {
        parts.push(format!("(SELECT pg_catalog.now()) < {}", Literal::Time(from).sql()));
    }
    if let Some(until) = guard.until {
        parts.push(format!("(SELECT pg_catalog.now()) >= {}", Literal::Time(until).sql()));
    }
    if let Some(rows) = &guard.rows {
        // An attribute that is missing makes even `false` no answer.
        let known: String = rows
            .attributes
            .iter()
            .map(|(attribute, kind)| format!("{} IS NOT NULL AND ", attribute_sql(attribute, *kind)))
            .collect();
        parts.push(format!("({known}({}) IS FALSE)", condition_sql(rows)));
    }
    if parts.is_empty() { "false".to_owned() } else { parts.join(" OR ") }
}

/// Enough of a hash to tell two texts apart; nobody gains by finding two that share it.
pub(crate) fn short_hash(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A comment as a statement.
pub(crate) fn comment_sql(on: &str, comment: &str) -> String {
    format!("COMMENT ON {on} IS {}", text(comment))
}
