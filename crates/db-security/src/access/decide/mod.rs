//! Decides whether a subject may do what it asks for. Pure: what time it is comes in.

mod request;
#[cfg(test)]
mod tests;

pub use request::Request;

use crate::access::{
    AttributeName, Effect, Permission, Policy, Refusal, RowCondition, Subject, TableName,
    built_in::BuiltIn,
    catalogue::{Relation, RelationKind},
    condition::Node,
    literal::Literal,
    policy::{Covered, Grant, Guard, Right},
};
use chrono::{DateTime, Utc};
use db_query::{Access, Columns, Qualified, Touch};
use std::{collections::BTreeSet, fmt};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It may be done, on these rows; a table that is not listed has no condition.
    Allowed(Vec<TableRows>),
    /// It may not. The server answers 42501.
    Refused(Box<Refusal>),
}

/// The rows of a table that something may be done to.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRows {
    /// The table.
    pub table: TableName,
    /// What may be done. New rows of INSERT and UPDATE must fulfil the condition too; the server refuses others with 42501.
    pub access: Access,
    /// To which rows.
    pub rows: Rows,
    /// The view that reads the table with its caller's rights: then only the server can see to the condition.
    pub through: Option<TableName>,
}

/// Some rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// None: rules would allow some, but none counts for these attributes at this time, or one that counts denies all. The
    /// server shows and changes no rows.
    None,
    /// Those for which it holds.
    Where(RowCondition),
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(rows) if rows.is_empty() => f.write_str("allowed"),
            Self::Allowed(_) => f.write_str("allowed for some rows"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

impl Policy {
    /// Decides a request. A deny overrides what allows, and what no rule allows is refused.
    #[must_use]
    pub fn decide(&self, subject: &Subject, request: &Request<'_>, now: DateTime<Utc>) -> Decision {
        let Some(role) = self.role(subject.role()) else {
            return Decision::Refused(Box::new(Refusal::UnknownRole { role: subject.role().to_owned() }));
        };
        let asking = Asking { policy: self, subject, role, touches: request.touches, now };
        asking.decide(request).map_or_else(Decision::Refused, Decision::Allowed)
    }
}

/// Columns that are asked for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    All,
    Named(&'a BTreeSet<String>),
}

struct Asking<'a> {
    policy: &'a Policy,
    subject: &'a Subject,
    role: usize,
    touches: &'a [Touch],
    now: DateTime<Utc>,
}

impl Asking<'_> {
    fn decide(&self, request: &Request<'_>) -> Result<Vec<TableRows>, Box<Refusal>> {
        let mut rows = Vec::new();
        for touch in self.touches {
            let wanted = match &touch.columns {
                Columns::All => Wanted::All,
                Columns::Named(names) => Wanted::Named(names),
            };
            self.touch(&touch.table, touch.access, wanted, None, &mut rows)?;
        }
        for table in request.admin {
            self.granted(table, Right::Admin, Wanted::All)?;
        }
        if let Some(resource) = request.definitions.first() {
            let (role, resource) = (self.subject.role().to_owned(), resource.clone());
            return Err(Box::new(Refusal::Definition { role, resource }));
        }
        for function in request.functions.into_iter().flatten() {
            self.call(function)?;
        }
        for name in request.qualified {
            self.name(name)?;
        }
        Ok(rows)
    }

    fn touch(
        &self,
        name: &str,
        access: Access,
        wanted: Wanted<'_>,
        through: Option<&TableName>,
        rows: &mut Vec<TableRows>,
    ) -> Result<(), Box<Refusal>> {
        let (right, wanted) = match access {
            Access::Read => (Right::Read, wanted),
            Access::Insert | Access::Update => (Right::Write, wanted),
            // Rows are deleted as a whole, and the right to it has no columns.
            Access::Delete => (Right::Delete, Wanted::All),
        };
        let (table, grant) = self.granted(name, right, wanted)?;
        if let Some(found) = self.rows(grant) {
            if access == Access::Insert && found == Rows::None {
                let (role, table) = (self.subject.role().to_owned(), table.to_string());
                return Err(Box::new(Refusal::NotNow { role, table }));
            }
            rows.push(TableRows { table: table.clone(), access, rows: found, through: through.cloned() });
        }
        if let Some(relation) = self.policy.catalogue.relations.get(table)
            && relation.kind == RelationKind::InvokerView
        {
            // PostgreSQL asks for all that the view names, whatever is read of it.
            for (inner, columns) in &relation.reads {
                self.touch(&inner.to_string(), Access::Read, Wanted::Named(columns), Some(table), rows)?;
            }
        }
        Ok(())
    }

    /// What the role may do, if it covers the columns.
    fn granted(
        &self,
        name: &str,
        right: Right,
        wanted: Wanted<'_>,
    ) -> Result<(&TableName, &Grant), Box<Refusal>> {
        let Some(table) = self.policy.table(name) else {
            return Err(self.not_allowed(right, name.to_owned(), Vec::new()));
        };
        let full = &self.policy.governed[table];
        let Some(grant) = self.policy.grant(self.role, table, right) else {
            return Err(self.not_allowed(right, full.to_string(), Vec::new()));
        };
        match &grant.columns {
            Covered::All => Ok((full, grant)),
            Covered::Nothing => Err(self.refusal(grant, right, full, Vec::new())),
            Covered::Some(covered) => {
                let missing = self.missing(full, covered, wanted);
                if missing.is_empty() {
                    Ok((full, grant))
                } else {
                    Err(self.refusal(grant, right, full, missing))
                }
            }
        }
    }

    /// The wanted columns that are not covered. A bare name counts for every table that it could belong to, so one that this
    /// table does not have is no matter where another table of the statement has it.
    fn missing(&self, table: &TableName, covered: &BTreeSet<String>, wanted: Wanted<'_>) -> Vec<String> {
        let relation = self.policy.catalogue.relations.get(table);
        let has = |relation: Option<&Relation>, column: &str| {
            relation.is_some_and(|relation| relation.columns.contains_key(column))
        };
        match wanted {
            Wanted::All => {
                let all = relation.into_iter().flat_map(|relation| relation.columns.keys());
                all.filter(|column| !covered.contains(*column)).cloned().collect()
            }
            Wanted::Named(names) => {
                let is_elsewhere = |column: &str| {
                    !has(relation, column)
                        && self.touches.iter().any(|touch| {
                            has(
                                self.policy.catalogue.find(&touch.table).map(|(_, relation)| relation),
                                column,
                            )
                        })
                };
                let open = names.iter().filter(|column| !covered.contains(*column));
                open.filter(|column| !is_elsewhere(column)).cloned().collect()
            }
        }
    }

    fn not_allowed(&self, right: Right, resource: String, columns: Vec<String>) -> Box<Refusal> {
        let role = self.subject.role().to_owned();
        Box::new(Refusal::NotAllowed { role, permission: right.permission(), resource, columns })
    }

    fn refusal(&self, grant: &Grant, right: Right, table: &TableName, missing: Vec<String>) -> Box<Refusal> {
        let denies = grant.refused_by.iter().find(|(_, denied)| match denied {
            None => true,
            Some(denied) => missing.iter().any(|column| denied.contains(column)),
        });
        let Some((rule, denied)) = denies else {
            return self.not_allowed(right, table.to_string(), missing);
        };
        let columns = missing
            .into_iter()
            .filter(|column| denied.as_ref().is_some_and(|denied| denied.contains(column)));
        Box::new(Refusal::Denied {
            rule: rule.clone(),
            role: self.subject.role().to_owned(),
            permission: right.permission(),
            resource: table.to_string(),
            columns: columns.collect(),
        })
    }

    /// Which rows; `None` for all.
    fn rows(&self, grant: &Grant) -> Option<Rows> {
        if grant.always && grant.denies.is_empty() {
            return None;
        }
        let (mut any, mut none) = (Vec::new(), Vec::new());
        let mut is_allowed = grant.always;
        for guard in &grant.allows {
            match guard.allows(self.subject, self.now) {
                Counts::No => {}
                Counts::All => is_allowed = true,
                Counts::Where(node) => any.push(node),
            }
        }
        for guard in &grant.denies {
            match guard.denies(self.subject, self.now) {
                Counts::No => {}
                Counts::All => return Some(Rows::None),
                Counts::Where(node) => none.push(node),
            }
        }
        match (is_allowed, any.is_empty()) {
            (false, true) => Some(Rows::None),
            (true, _) if none.is_empty() => None,
            (true, _) => Some(Rows::Where(RowCondition { any: Vec::new(), none, alias: None })),
            (false, false) => Some(Rows::Where(RowCondition { any, none, alias: None })),
        }
    }

    /// Whether a function may be called; a name stands for all functions that have it, those of PostgreSQL's own among them
    /// where no schema is named.
    fn call(&self, name: &str) -> Result<(), Box<Refusal>> {
        let (schema, bare) = name.split_once('.').map_or((None, name), |(schema, bare)| (Some(schema), bare));
        let built_in = match schema {
            None | Some("pg_catalog") => self.policy.catalogue.built_in.get(bare),
            Some(_) => None,
        };
        let own = if schema == Some("pg_catalog") { &[] } else { self.policy.functions_named(name) };
        match built_in {
            Some(BuiltIn::Closed) => return Err(Box::new(Refusal::Sly { function: name.to_owned() })),
            None if own.is_empty() => return self.call_own(name),
            Some(BuiltIn::Open) | None => {}
        }
        own.iter().try_for_each(|function| self.call_own(function))
    }

    /// Whether a name behind that of a table is a column, or else a function that may be called.
    fn name(&self, qualified: &Qualified) -> Result<(), Box<Refusal>> {
        let Qualified { tables, column } = qualified;
        let has = |table: &String| {
            let relation = self.policy.table(table).map(|at| &self.policy.governed[at]);
            let relation = relation.and_then(|table| self.policy.catalogue.relations.get(table));
            relation.is_some_and(|relation| relation.columns.contains_key(column))
        };
        let is_let = tables.iter().any(has) || tables.is_empty() && self.call(column).is_ok();
        if is_let {
            return Ok(());
        }
        Err(Box::new(Refusal::NoColumn { column: column.clone(), tables: tables.iter().cloned().collect() }))
    }

    fn call_own(&self, signature: &str) -> Result<(), Box<Refusal>> {
        let (role, resource) = (self.subject.role().to_owned(), signature.to_owned());
        let permission = Permission::Execute;
        let callers = self.policy.functions.get(signature);
        if callers.is_some_and(|callers| callers.allowed.contains(&role)) {
            return Ok(());
        }
        let columns = Vec::new();
        Err(Box::new(match callers.and_then(|callers| callers.denied.get(&role)).cloned() {
            Some(rule) => Refusal::Denied { rule, role, permission, resource, columns },
            None => Refusal::NotAllowed { role, permission, resource, columns },
        }))
    }
}

impl Right {
    const fn permission(self) -> Permission {
        match self {
            Self::Read => Permission::Read,
            Self::Write => Permission::Write,
            Self::Delete => Permission::Delete,
            Self::Admin => Permission::Admin,
        }
    }
}

/// Which rows a rule is about now.
enum Counts {
    No,
    All,
    Where(Node<Literal>),
}

impl Guard {
    /// Which rows it allows: none where something that it needs is not known.
    fn allows(&self, subject: &Subject, now: DateTime<Utc>) -> Counts {
        let is_met = |(name, value): &(AttributeName, String)| subject.attribute(name) == Some(value);
        if !self.is_valid(now) || !self.when.iter().all(is_met) {
            return Counts::No;
        }
        let rows = self.rows.as_ref().map(|rows| rows.resolve(|name| subject.attribute(name)));
        rows.map_or(Counts::All, |node| node.map_or(Counts::No, Counts::Where))
    }

    /// Which rows it denies: all where something that it needs is not known.
    fn denies(&self, subject: &Subject, now: DateTime<Utc>) -> Counts {
        let differs =
            |(name, value): &(AttributeName, String)| subject.attribute(name).is_some_and(|own| own != value);
        if !self.is_valid(now) || self.when.iter().any(differs) {
            return Counts::No;
        }
        let rows = self.rows.as_ref().and_then(|rows| rows.resolve(|name| subject.attribute(name)));
        rows.map_or(Counts::All, Counts::Where)
    }

    /// Whether it is about any row now.
    pub(crate) fn counts(&self, effect: Effect, subject: &Subject, now: DateTime<Utc>) -> bool {
        let rows = match effect {
            Effect::Allow => self.allows(subject, now),
            Effect::Deny => self.denies(subject, now),
        };
        !matches!(rows, Counts::No)
    }

    fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}
