//! From what rules say to what they are about: every name is looked up, and each rule is sound by itself.

use super::{Bound, Callers, Guard, Policy, cell};
use crate::access::{
    Catalogue, Effect, Fault, Nearest, Permission, Problem, RelationKind, Resource, Role, Rule, Rules,
    TableName,
    condition::parse,
    literal::{is_text, is_time},
    name::{check_role_name, check_rule_name},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

pub(super) fn policy(rules: &Rules, catalogue: Catalogue) -> Result<Policy, Vec<Fault>> {
    let mut faults = Vec::new();
    let included = roles(&rules.roles, &mut faults);
    let mut names = BTreeSet::new();
    let mut bound = Vec::new();
    for rule in &rules.rules {
        let mut note = |problem| faults.push(fault(rule, problem));
        if let Err(problem) = check_rule_name(&rule.name) {
            note(problem);
        }
        if !names.insert(&rule.name) {
            note(Problem::Twice { what: "rule" });
        }
        if let Some(one) = bind(rule, &catalogue, &included, &mut note) {
            bound.push(one);
        }
    }
    let governed: BTreeSet<TableName> =
        bound.iter().flat_map(|rule| rule.tables.iter().map(|(table, _)| table.clone())).collect();
    let governed: Vec<TableName> = governed.into_iter().collect();
    let cells = cell::cells(&rules.roles, &governed, &bound, &catalogue, &mut faults);
    let functions = callers(&bound, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut table_at = HashMap::new();
    for (at, table) in governed.iter().enumerate() {
        table_at.insert(table.to_string(), at);
        if table.schema() == catalogue.default_schema {
            table_at.insert(table.table().to_owned(), at);
        }
    }
    let mut functions_at: HashMap<String, Vec<String>> = HashMap::new();
    for function in catalogue.functions.values() {
        functions_at.entry(function.name.to_string()).or_default().push(function.signature());
        if function.name.schema() == catalogue.default_schema {
            functions_at.entry(function.name.table().to_owned()).or_default().push(function.signature());
        }
    }
    let role_at = rules.roles.iter().enumerate().map(|(at, role)| (role.name.clone(), at)).collect();
    let roles = rules.roles.clone();
    Ok(Policy { catalogue, roles, bound, governed, role_at, table_at, functions_at, cells, functions })
}

pub(super) fn fault(rule: &Rule, problem: Problem) -> Fault {
    Fault { of: format!("rule {:?}", rule.name), line: rule.line, problem }
}

/// For each role, the roles whose rules hold for it: itself and all that it includes.
fn roles<'r>(roles: &'r [Role], faults: &mut Vec<Fault>) -> BTreeMap<&'r str, BTreeSet<&'r str>> {
    let mut found: BTreeMap<&str, &Role> = BTreeMap::new();
    for role in roles {
        let mut note =
            |problem| faults.push(Fault { of: format!("role {:?}", role.name), line: role.line, problem });
        if let Err(problem) = check_role_name(&role.name) {
            note(problem);
        }
        if !is_text(&role.description) {
            note(Problem::Value { key: "description", reason: "it holds a NUL".to_owned() });
        }
        for name in &role.includes {
            if !roles.iter().any(|role| role.name == *name) {
                note(unknown("includes", "role", name, roles.iter().map(|role| role.name.as_str())));
            }
        }
        if found.insert(&role.name, role).is_some() {
            note(Problem::Twice { what: "role" });
        }
    }
    let mut included = BTreeMap::new();
    for role in roles {
        let mut all = BTreeSet::from([role.name.as_str()]);
        let mut open = vec![role];
        while let Some(next) = open.pop() {
            for name in &next.includes {
                if *name == role.name {
                    let problem = Problem::Circle { path: format!("{:?}", next.name) };
                    faults.push(Fault { of: format!("role {:?}", role.name), line: role.line, problem });
                }
                if let Some((name, next)) =
                    found.get_key_value(name.as_str()).filter(|(name, _)| all.insert(name))
                {
                    debug_assert!(next.name == **name, "a role stands under its name");
                    open.push(next);
                }
            }
        }
        included.insert(role.name.as_str(), all);
    }
    included
}

fn unknown<'k>(
    key: &'static str,
    what: &'static str,
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    Problem::Unknown { key, what, name: name.to_owned(), nearest: Nearest::of(name, known) }
}

fn bind(
    rule: &Rule,
    catalogue: &Catalogue,
    included: &BTreeMap<&str, BTreeSet<&str>>,
    note: &mut impl FnMut(Problem),
) -> Option<Bound> {
    check_keys(rule, note);
    for name in &rule.roles {
        if !included.contains_key(name.as_str()) {
            note(unknown("roles", "role", name, included.keys().copied()));
        }
    }
    let holds_for =
        |(_, all): &(&&str, &BTreeSet<&str>)| rule.roles.iter().any(|role| all.contains(role.as_str()));
    let roles = included.iter().filter(holds_for).map(|(role, _)| (*role).to_owned()).collect();
    let mut one = Bound { rule: rule.clone(), roles, tables: Vec::new(), functions: Vec::new() };
    match &rule.resource {
        Resource::Function(name) => one.functions.push(function(name, catalogue).map_err(note).ok()?),
        Resource::Table(name) => {
            let Some((table, _)) = catalogue.find(name) else {
                let full: Vec<String> = catalogue.relations.keys().map(ToString::to_string).collect();
                let known =
                    full.iter().map(String::as_str).chain(catalogue.relations.keys().map(TableName::table));
                note(unknown("table", "table", name, known));
                return None;
            };
            one.tables = vec![table.clone()]
                .into_iter()
                .filter_map(|table| about(rule, table, catalogue, note))
                .collect();
        }
        Resource::Schema(schema) => {
            if !catalogue.schemas.contains(schema) {
                note(unknown("schema", "schema", schema, catalogue.schemas.iter().map(String::as_str)));
                return None;
            }
            let relations = catalogue.relations.iter();
            let fit = relations.filter(|(table, relation)| {
                table.schema() == schema && relation.kind == RelationKind::Table && !relation.is_partition
            });
            let tables: Vec<TableName> = fit.map(|(table, _)| table.clone()).collect();
            if tables.is_empty() {
                note(Problem::Value { key: "schema", reason: format!("schema {schema:?} has no tables") });
            }
            one.tables = tables.into_iter().filter_map(|table| about(rule, table, catalogue, note)).collect();
        }
    }
    Some(one)
}

/// What can be said of a rule without a database.
fn check_keys(rule: &Rule, note: &mut impl FnMut(Problem)) {
    let mut empty = |is_empty: bool, key| {
        if is_empty {
            note(Problem::Value { key, reason: "it is empty".to_owned() });
        }
    };
    empty(rule.roles.is_empty(), "roles");
    empty(rule.permissions.is_empty(), "permissions");
    empty(rule.columns.as_ref().is_some_and(BTreeSet::is_empty), "columns");
    for value in rule.when.values() {
        if value.is_empty() || !is_text(value) {
            let reason = "a value is empty, which no attribute is, or holds a NUL".to_owned();
            note(Problem::Value { key: "when", reason });
        }
    }
    for (key, time) in [("valid_from", rule.valid_from), ("valid_until", rule.valid_until)] {
        if time.is_some_and(|time| !is_time(time)) {
            let reason = "a time is no finer than microseconds, and from the year 1 on".to_owned();
            note(Problem::Value { key, reason });
        }
    }
    if let (Some(from), Some(until)) = (rule.valid_from, rule.valid_until)
        && from >= until
    {
        note(Problem::Value {
            key: "valid_until",
            reason: format!("{until} is not after valid_from, {from}"),
        });
    }
    let has = |permission| rule.permissions.contains(&permission);
    if matches!(rule.resource, Resource::Function(_)) {
        if let Some(&permission) =
            rule.permissions.iter().find(|permission| **permission != Permission::Execute)
        {
            note(Problem::Permission { permission, kind: "function" });
        }
        if rule.columns.is_some() || !rule.is_static() {
            note(Problem::Together(
                "a function has no columns, and the right to call it no rows, when, valid_from or valid_until",
            ));
        }
        return;
    }
    if has(Permission::Execute) {
        note(Problem::Permission { permission: Permission::Execute, kind: "table" });
    }
    if rule.columns.is_some() && (has(Permission::Delete) || has(Permission::Admin)) {
        note(Problem::Together("columns go with read and write only: rows are deleted as a whole"));
    }
    if has(Permission::Admin) && !rule.is_static() {
        note(Problem::Together("admin holds for the whole table: no rows, when, valid_from or valid_until"));
    }
    if rule.effect == Effect::Deny && rule.columns.is_some() && !rule.is_static() {
        note(Problem::Together(
            "a deny of columns holds always, as PostgreSQL cannot hide a column of some rows: no rows, when, valid_from or valid_until",
        ));
    }
}

/// A rule for one of its tables.
fn about(
    rule: &Rule,
    table: TableName,
    catalogue: &Catalogue,
    note: &mut impl FnMut(Problem),
) -> Option<(TableName, Arc<Guard>)> {
    let relation = catalogue.relations.get(&table)?;
    let kind = relation.kind.named();
    for column in rule.columns.iter().flatten() {
        if !relation.columns.contains_key(column) {
            note(unknown("columns", "column", column, relation.columns.keys().map(String::as_str)));
        }
    }
    let is_plain = matches!(relation.kind, RelationKind::Table | RelationKind::ForeignTable);
    if let Some(&permission) =
        rule.permissions.iter().find(|permission| !is_plain && **permission != Permission::Read)
    {
        note(Problem::Permission { permission, kind });
    }
    if relation.kind != RelationKind::Table && !rule.is_static() {
        note(Problem::NoRowSecurity { resource: table.to_string(), kind });
    }
    let rows = match rule.rows.as_ref().map(|rows| parse(rows, relation)).transpose() {
        Ok(rows) => rows,
        Err(problem) => {
            note(problem);
            return None;
        }
    };
    let when = rule.when.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let guard = Guard { rule: rule.name.clone(), when, from: rule.valid_from, until: rule.valid_until, rows };
    Some((table, Arc::new(guard)))
}

/// The one function that a name means, with or without its types.
fn function(name: &str, catalogue: &Catalogue) -> Result<String, Problem> {
    let (bare, types) =
        name.split_once('(').map_or((name, None), |(bare, types)| (bare, types.strip_suffix(')')));
    let types = types.map(|types| types.split(',').map(str::trim).collect::<Vec<_>>().join(", "));
    let mut found = catalogue
        .functions_named(bare.trim())
        .filter(|function| types.as_ref().map_or(!name.contains('('), |types| *types == function.types));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.signature()),
        (Some(_), Some(_)) => {
            let reason =
                format!("there are several functions {bare:?}; add the types, as in {bare}(integer)");
            Err(Problem::Value { key: "function", reason })
        }
        (None, _) => {
            Err(unknown("function", "function", name, catalogue.functions.keys().map(String::as_str)))
        }
    }
}

/// Who may call which function; a deny overrides.
fn callers(bound: &[Bound], faults: &mut Vec<Fault>) -> BTreeMap<String, Callers> {
    let mut functions: BTreeMap<String, Callers> = BTreeMap::new();
    let of = |effect| bound.iter().filter(move |rule| rule.rule.effect == effect);
    for (rule, function) in
        of(Effect::Deny).flat_map(|rule| rule.functions.iter().map(move |function| (rule, function)))
    {
        let callers = functions.entry(function.clone()).or_default();
        callers.denied.extend(rule.roles.iter().map(|role| (role.clone(), rule.rule.name.clone())));
    }
    for (rule, function) in
        of(Effect::Allow).flat_map(|rule| rule.functions.iter().map(move |function| (rule, function)))
    {
        let callers = functions.entry(function.clone()).or_default();
        for role in &rule.roles {
            match callers.denied.get(role) {
                None => drop(callers.allowed.insert(role.clone())),
                Some(deny) => faults.push(fault(
                    &rule.rule,
                    Problem::Contradiction {
                        deny: deny.clone(),
                        role: role.clone(),
                        permission: Permission::Execute,
                        resource: function.clone(),
                    },
                )),
            }
        }
    }
    functions
}
