//! What names mean where they stand: the tables, subqueries and functions of the queries around.

use super::{NotUnderstood, Reader, Touched, Understood, outputs::Outputs, refuse};
use db_query::{Access, Qualified};

/// A query that the reader is in.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) items: Vec<Item>,
    /// Names that result columns were given.
    pub(super) outputs: Vec<String>,
    /// Whether a subquery in FROM, which does not see its neighbours, is being read.
    pub(super) hidden: bool,
}

/// What stands in FROM, or is changed.
#[derive(Default)]
pub(super) struct Item {
    /// The name it answers to: its alias, or else its own of one or two parts.
    pub(super) name: Vec<String>,
    /// The tables whose columns it has: none for a subquery, several for a join with a name.
    pub(super) tables: Vec<String>,
    /// The tables whose rows are locked with it.
    pub(super) locks: Vec<String>,
    /// Whether its columns have other names here than in the table.
    pub(super) renamed: bool,
    /// The names of its columns here.
    pub(super) outputs: Outputs,
}

impl Item {
    /// A table that is changed.
    pub(super) fn target(name: Vec<String>, table: &str) -> Self {
        Self { name, tables: vec![table.to_owned()], outputs: Outputs::of_table(table), ..Self::default() }
    }

    pub(super) fn answers_to(&self, qualifier: &[String]) -> bool {
        self.name.ends_with(qualifier)
    }
}

/// Columns that every table has and no column may be called; only the right to the whole table covers them, whatever the
/// rights to all its other columns.
const SYSTEM: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

impl Reader {
    /// Reads in a query of its own; its scope is given back.
    pub(super) fn in_scope<T>(
        &mut self,
        scope: Scope,
        work: impl FnOnce(&mut Self) -> Understood<T>,
    ) -> Understood<(T, Scope)> {
        self.scopes.push(scope);
        let result = work(self);
        let scope = self.scopes.pop().unwrap_or_default();
        Ok((result?, scope))
    }

    /// The query that is being read.
    pub(super) fn here(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// A column without a table: it may be of any around it, or be one of them as a row.
    pub(super) fn bare(&mut self, column: &str) -> Understood<()> {
        if SYSTEM.contains(&column) {
            return refuse("a column of the system's");
        }
        let mut touched = Vec::new();
        for item in self.scopes.iter().filter(|scope| !scope.hidden).flat_map(|scope| &scope.items) {
            let whole = item.answers_to(&[column.to_owned()]) || item.renamed;
            touched.extend(item.tables.iter().map(|table| (table.clone(), whole)));
        }
        for (table, whole) in touched {
            self.note(&table, Access::Read, if whole { Touched::All } else { Touched::One(column) });
        }
        Ok(())
    }

    /// A column of a table that is named, or with `None` all of them.
    pub(super) fn qualified(&mut self, qualifier: &[String], column: Option<&str>) -> Understood<()> {
        if column.is_some_and(|column| SYSTEM.contains(&column)) {
            return refuse("a column of the system's");
        }
        let around = self.scopes.iter().filter(|scope| !scope.hidden).flat_map(|scope| &scope.items);
        let named: Vec<&Item> = around.filter(|item| item.answers_to(qualifier)).collect();
        if named.is_empty() {
            return Err(NotUnderstood::new(format!("nothing here is called {}", qualifier.join("."))));
        }
        if let Some(column) = column {
            for item in named.iter().filter(|item| !item.outputs.has(column)) {
                let tables = item.outputs.tables.clone();
                if tables.is_empty() {
                    return Err(NotUnderstood::new(format!(
                        "{0}.{column} calls a function unless {0} has such a column, which is not known here; give its columns \
                         names, as in {0} ({column})",
                        qualifier.join(".")
                    )));
                }
                self.qualified.insert(Qualified { tables, column: column.to_owned() });
            }
        }
        let whole = |item: &Item| item.renamed || column.is_none();
        let touched: Vec<(String, bool)> = named
            .into_iter()
            .flat_map(|item| item.tables.iter().map(move |table| (table.clone(), whole(item))))
            .collect();
        for (table, whole) in touched {
            let columns = column.filter(|_| !whole).map_or(Touched::All, Touched::One);
            self.note(&table, Access::Read, columns);
        }
        Ok(())
    }

    /// `*`: all columns of all tables of this query.
    pub(super) fn star(&mut self) {
        let tables: Vec<String> = self.here().items.iter().flat_map(|item| item.tables.clone()).collect();
        for table in tables {
            self.note(&table, Access::Read, Touched::All);
        }
    }

    /// Locks the rows of one item of this query, or with `None` of all.
    pub(super) fn lock(&mut self, name: Option<&str>) {
        let named = |item: &&Item| name.is_none_or(|name| item.answers_to(&[name.to_owned()]));
        let tables: Vec<String> =
            self.here().items.iter().filter(named).flat_map(|item| item.locks.clone()).collect();
        for table in tables {
            self.note(&table, Access::Update, Touched::Any);
        }
    }
}
