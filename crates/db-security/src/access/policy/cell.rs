//! What rules come to for one role and table: a deny overrides, and what PostgreSQL could not hold apart is refused.

use super::{Bound, Cell, Covered, Grant, Guard, Right, bind::fault};
use crate::access::{
    Catalogue, Effect, Fault, Permission, Problem, Resource, Role, TableName, catalogue::Relation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) fn cells(
    roles: &[Role],
    governed: &[TableName],
    bound: &[Bound],
    catalogue: &Catalogue,
    faults: &mut Vec<Fault>,
) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(roles.len() * governed.len());
    // Rules for a whole schema are dead only if they do nothing in any of its tables.
    let mut dead: BTreeMap<(&str, &str, Right), (usize, Fault)> = BTreeMap::new();
    for role in roles {
        for table in governed {
            let mut cell = Cell::default();
            if let Some(relation) = catalogue.relations.get(table) {
                for right in Right::ALL {
                    let about = About { role: &role.name, table, relation, right };
                    cell.grants[right as usize] = about.grant(bound, &mut dead, faults);
                }
            }
            cells.push(cell);
        }
    }
    for rule in bound {
        for ((name, ..), (times, fault)) in &dead {
            if *name == rule.rule.name && *times == rule.tables.len() {
                faults.push(fault.clone());
            }
        }
    }
    cells
}

/// One right of one role to one table.
struct About<'a> {
    role: &'a str,
    table: &'a TableName,
    relation: &'a Relation,
    right: Right,
}

/// A rule that allows something, and the columns that no other denies.
struct Allowing<'a> {
    rule: &'a Bound,
    guard: &'a Arc<Guard>,
    columns: BTreeSet<&'a str>,
}

impl<'a> About<'a> {
    const fn permission(&self) -> Permission {
        match self.right {
            Right::Read => Permission::Read,
            Right::Write => Permission::Write,
            Right::Delete => Permission::Delete,
            Right::Admin => Permission::Admin,
        }
    }

    fn grant(
        &self,
        bound: &'a [Bound],
        dead: &mut BTreeMap<(&'a str, &'a str, Right), (usize, Fault)>,
        faults: &mut Vec<Fault>,
    ) -> Grant {
        let (mut denying, mut allowing) = (Vec::new(), Vec::new());
        for rule in bound {
            if !rule.rule.permissions.contains(&self.permission()) || !rule.roles.contains(self.role) {
                continue;
            }
            for (_, guard) in rule.tables.iter().filter(|(table, _)| table == self.table) {
                match rule.rule.effect {
                    Effect::Deny => denying.push((rule, guard)),
                    Effect::Allow => allowing.push((rule, guard)),
                }
            }
        }
        let mut grant = Grant::default();
        for (rule, guard) in denying {
            if rule.rule.is_static() {
                grant.refused_by.push((rule.rule.name.clone(), rule.rule.columns.clone()));
            } else {
                grant.denies.push(Arc::clone(guard));
            }
        }
        let mut all = Vec::new();
        for (rule, guard) in allowing {
            let columns = self.columns_left(rule, &grant);
            if columns.is_empty() && !self.is_bare(&grant) {
                self.note_dead(rule, &grant, dead, faults);
            } else {
                all.push(Allowing { rule, guard, columns });
            }
        }
        self.find_mixed(&all, faults);
        self.settle(&mut grant, &all);
        grant
    }

    /// Whether the table has no columns at all, and nothing is denied.
    fn is_bare(&self, grant: &Grant) -> bool {
        self.relation.columns.is_empty() && grant.refused_by.is_empty()
    }

    fn columns_left(&self, rule: &'a Bound, grant: &Grant) -> BTreeSet<&'a str>
    where
        'a: 'a,
    {
        let named = rule.rule.columns.as_ref();
        let columns =
            self.relation.columns.keys().filter(|column| named.is_none_or(|named| named.contains(*column)));
        let is_denied = |column: &str| {
            grant
                .refused_by
                .iter()
                .any(|(_, denied)| denied.as_ref().is_none_or(|denied| denied.contains(column)))
        };
        columns.map(String::as_str).filter(|column| !is_denied(column)).collect()
    }

    fn note_dead(
        &self,
        rule: &'a Bound,
        grant: &Grant,
        dead: &mut BTreeMap<(&'a str, &'a str, Right), (usize, Fault)>,
        faults: &mut Vec<Fault>,
    ) {
        let deny = grant.refused_by.first().map(|(name, _)| name.clone()).unwrap_or_default();
        let (role, resource) = (self.role.to_owned(), self.table.to_string());
        let problem = Problem::Contradiction { deny, role, permission: self.permission(), resource };
        let fault = fault(&rule.rule, problem);
        match rule.rule.resource {
            Resource::Schema(_) => {
                let noted = dead.entry((&rule.rule.name, self.role, self.right)).or_insert((0, fault));
                noted.0 += 1;
            }
            _ => faults.push(fault),
        }
    }

    /// The server has columns for all rows that a role sees. So rules that allow some rows only must allow the same columns,
    /// unless those are allowed for all rows anyway.
    fn find_mixed(&self, all: &[Allowing<'a>], faults: &mut Vec<Fault>) {
        // What holds for the same rows may be put together.
        let mut groups: Vec<(&Allowing<'_>, BTreeSet<&str>)> = Vec::new();
        for one in all {
            match groups.iter_mut().find(|(first, _)| first.guard.is_like(one.guard)) {
                Some((_, columns)) => columns.extend(&one.columns),
                None => groups.push((one, one.columns.clone())),
            }
        }
        let always =
            groups.iter().position(|(first, _)| first.rule.rule.is_static()).map(|at| groups.remove(at));
        let mut open = groups
            .iter()
            .filter(|(_, columns)| always.as_ref().is_none_or(|(_, always)| !columns.is_subset(always)));
        let pair = match &always {
            Some((first, _)) => open.next().map(|(second, _)| (*first, *second)),
            None => open.next().and_then(|(first, columns)| {
                open.find(|(_, others)| others != columns).map(|(second, _)| (*first, *second))
            }),
        };
        if let Some((first, second)) = pair {
            let problem = Problem::Mixed {
                other: first.rule.rule.name.clone(),
                role: self.role.to_owned(),
                permission: self.permission(),
                table: self.table.to_string(),
            };
            faults.push(fault(&second.rule.rule, problem));
        }
    }

    fn settle(&self, grant: &mut Grant, all: &[Allowing<'a>]) {
        grant.always = all.iter().any(|one| one.rule.rule.is_static());
        if !grant.always {
            grant.allows = all.iter().map(|one| Arc::clone(one.guard)).collect();
        }
        let is_whole = grant.refused_by.is_empty() && all.iter().any(|one| one.rule.rule.columns.is_none());
        let columns: BTreeSet<String> =
            all.iter().flat_map(|one| one.columns.iter().map(|column| (*column).to_owned())).collect();
        grant.columns = match (is_whole, all.is_empty()) {
            (_, true) => Covered::Nothing,
            (true, false) => Covered::All,
            (false, false) => Covered::Some(columns),
        };
    }
}
