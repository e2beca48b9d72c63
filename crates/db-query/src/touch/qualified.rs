//! Columns that are named by what they are of, `item.name`: where that has no such column, PostgreSQL calls a function of the
//! name with the row.

use super::{Access, Item, Role, Survey};
use std::collections::BTreeSet;

/// `item.name`: a column of one of the tables, or else a function that is called with the row.
///
/// PostgreSQL takes `t.f` for `f(t)` where `t` has no column `f`, and the row of a function that gives single values is the
/// value itself. <https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-USAGE>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Qualified {
    /// The tables that the column may be of, as they were named; empty where it is of a subquery or a function that is not
    /// seen to give such a column.
    pub tables: BTreeSet<String>,
    /// The name.
    pub column: String,
}

/// The columns of what stands in FROM.
#[derive(Default)]
struct Outputs {
    names: BTreeSet<String>,
    /// Tables all of whose columns are among them.
    tables: BTreeSet<String>,
}

/// Queries within queries that are looked into; a recursive one names itself.
const MAX_DEPTH: usize = 16;

impl Survey<'_> {
    /// The columns that are named by what they are of, without those that a subquery is seen to give.
    pub(crate) fn qualified(&self) -> Vec<Qualified> {
        let mut found = BTreeSet::new();
        for named in self.named.iter().filter(|named| !named.qualifier.is_empty()) {
            let of = |tables| Qualified { tables, column: named.column.clone() };
            found.extend(named.tables.iter().map(|table| of(BTreeSet::from([table.clone()]))));
            let around = self.items.iter().filter(|item| self.sees(named.scope, item.scope));
            let no_table = around.filter(|item| item.access.is_none() && item.answers_to(&named.qualifier));
            for outputs in no_table.map(|item| self.outputs(item, MAX_DEPTH)) {
                if !outputs.names.contains(&named.column) {
                    found.insert(of(outputs.tables));
                }
            }
        }
        found.into_iter().collect()
    }

    fn outputs(&self, item: &Item, depth: usize) -> Outputs {
        if item.access.is_some() {
            return Outputs { names: BTreeSet::new(), tables: BTreeSet::from([item.name.join(".")]) };
        }
        if depth == 0 {
            return Outputs::default();
        }
        let spans = self.state.spans.iter();
        let behind = spans.skip(item.position + 1).take_while(|span| span.role == Role::Given);
        let given: BTreeSet<String> = behind.map(|span| span.parts(&self.state.text).concat()).collect();
        if !given.is_empty() {
            return Outputs { names: given, tables: BTreeSet::new() };
        }
        let derived = self
            .state
            .derived
            .iter()
            .find(|derived| derived.scope == item.scope && item.name == [derived.alias.as_str()])
            .filter(|_| self.state.spans[item.position].role == Role::Derived);
        if let Some(derived) = derived {
            return self.body(derived.body, depth - 1);
        }
        // The innermost of that name hides the others, and is written last.
        let name = item.name.concat();
        let ctes = self.state.ctes.iter().rev();
        match ctes.clone().find(|cte| cte.name == name && self.is_inside(item.scope, cte.scope)) {
            Some(_) if self.state.spans[item.position].role != Role::Read => Outputs::default(),
            None => Outputs::default(),
            Some(cte) if cte.columns.is_empty() => self.body(cte.body, depth - 1),
            Some(cte) => Outputs { names: cte.columns.iter().cloned().collect(), tables: BTreeSet::new() },
        }
    }

    /// The columns that a query gives: names of results, columns in its list or in RETURNING, and stars.
    fn body(&self, scope: u8, depth: usize) -> Outputs {
        let here = || self.state.spans.iter().filter(|span| span.scope == scope);
        let is_change = |access: Option<Access>| matches!(access, Some(access) if access.is_write());
        let items = || self.items.iter().filter(|item| item.scope == scope);
        // The list stands before FROM; that of a change stands last, and what else it names is not told apart.
        let end = match items().next() {
            Some(first) if is_change(first.access) => u32::MAX,
            _ => items().map(|item| self.state.spans[item.position].at).min().unwrap_or(u32::MAX),
        };
        let mut outputs = Outputs::default();
        for span in here() {
            let mut parts = span.parts(&self.state.text);
            match span.role {
                Role::Output => outputs.names.extend(parts.pop()),
                Role::Column if span.at < end => outputs.names.extend(parts.pop()),
                Role::Star => {
                    let all = items().filter(|item| parts.is_empty() || item.answers_to(&parts));
                    for inner in all.map(|item| self.outputs(item, depth)) {
                        outputs.names.extend(inner.names);
                        outputs.tables.extend(inner.tables);
                    }
                }
                _ => {}
            }
        }
        outputs
    }
}
