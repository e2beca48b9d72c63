//! What a statement touches: which tables and columns it reads and writes, and which functions it calls.
//!
//! Builders only note where in the text a name stands and what it is there for; what that means is worked out when somebody
//! asks, so that a statement nobody asks about pays for nothing.

mod places;
mod qualified;
mod span;

use crate::writer::State;
pub use qualified::Qualified;
pub(crate) use span::{Role, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What is done to a table; the four rights that PostgreSQL grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Rows are read.
    Read,
    /// Rows are inserted.
    Insert,
    /// Rows are updated, or locked.
    Update,
    /// Rows are deleted.
    Delete,
}

impl Access {
    /// Whether the table is changed.
    #[must_use]
    pub const fn is_write(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// Columns of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Columns {
    /// All there are: `*`, or a row as a whole.
    All,
    /// These, and no other.
    Named(BTreeSet<String>),
}

/// A table, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touch {
    /// The table as it was named, `schema.table` where a schema was given.
    pub table: String,
    /// What is done to it.
    pub access: Access,
    /// To which columns.
    pub columns: Columns,
}

/// A table, subquery or common table expression in a scope.
struct Item {
    scope: u8,
    /// The names it answers to: its alias, or else its own.
    alias: Option<String>,
    name: Vec<String>,
    /// `None` for what is no table.
    access: Option<Access>,
    /// Where it is named, by number of the span.
    position: usize,
}

impl Item {
    fn answers_to(&self, qualifier: &[String]) -> bool {
        match (&self.alias, qualifier) {
            (Some(alias), [only]) => alias == only,
            (Some(_), _) => false,
            (None, qualifier) => self.name.ends_with(qualifier),
        }
    }
}

/// A common table expression.
#[derive(Clone, Debug)]
pub(crate) struct Cte {
    pub(crate) name: String,
    /// The scope of the statement that it belongs to.
    pub(crate) scope: u8,
    /// The scope of its own.
    pub(crate) body: u8,
    /// Whether the body may name itself.
    pub(crate) recursive: bool,
    /// The names that its columns were given.
    pub(crate) columns: Vec<String>,
}

/// A subquery in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(crate) alias: String,
    /// The scope that it stands in.
    pub(crate) scope: u8,
    /// The scope of its own.
    pub(crate) body: u8,
}

/// A column that is named, and the tables that it may be of.
pub(crate) struct Named {
    pub(crate) tables: Vec<String>,
    pub(crate) column: String,
    /// Whether it may also be of a subquery or common table expression.
    pub(crate) open: bool,
    /// What stands before it, empty where nothing does.
    qualifier: Vec<String>,
    /// Where it stands.
    scope: u8,
}

/// The tables and functions of a statement.
pub(crate) struct Survey<'s> {
    state: &'s State,
    items: Vec<Item>,
    found: BTreeMap<(String, Access), Columns>,
    named: Vec<Named>,
}

impl<'s> Survey<'s> {
    /// Works out what is touched.
    pub(crate) fn of(state: &'s State) -> Self {
        let mut survey = Self { state, items: Vec::new(), found: BTreeMap::new(), named: Vec::new() };
        survey.find_items();
        survey.find_columns();
        survey
    }

    pub(crate) fn touches(self) -> Vec<Touch> {
        self.into_parts().0
    }

    /// The touches, and the columns that are named one by one.
    pub(crate) fn into_parts(self) -> (Vec<Touch>, Vec<Named>) {
        let touch = |((table, access), columns)| Touch { table, access, columns };
        (self.found.into_iter().map(touch).collect(), self.named)
    }

    fn find_items(&mut self) {
        for (position, span) in self.state.spans.iter().enumerate() {
            let access = match span.role {
                Role::Read | Role::Merge => Some(Access::Read),
                Role::Insert => Some(Access::Insert),
                Role::Update => Some(Access::Update),
                Role::Delete => Some(Access::Delete),
                Role::Derived => None,
                Role::Alias | Role::TargetAlias => {
                    let alias = span.parts(&self.state.text).pop();
                    let mut here = self.items.iter_mut().filter(|item| item.scope == span.scope);
                    // A target is written first, whatever was said before it got its other name.
                    let item = if span.role == Role::TargetAlias { here.next() } else { here.next_back() };
                    if let Some(item) = item {
                        item.alias = alias;
                    }
                    continue;
                }
                _ => continue,
            };
            let name = span.parts(&self.state.text);
            // What is changed is always a table: only readers see common table expressions.
            let is_cte = span.role == Role::Read && name.len() == 1 && self.sees_cte(span.scope, &name[0]);
            let access = if is_cte { None } else { access };
            if let Some(access) = access {
                // Even a statement that names no column touches the table: count(*), EXISTS.
                self.found.entry((name.join("."), access)).or_insert_with(|| Columns::Named(BTreeSet::new()));
                if access == Access::Delete {
                    self.found.insert((name.join("."), access), Columns::All);
                }
            }
            self.items.push(Item { scope: span.scope, alias: None, name, access, position });
        }
    }

    /// Whether what a span names is a common table expression.
    pub(crate) fn is_cte(&self, span: Span, name: &[String]) -> bool {
        span.role == Role::Read && name.len() == 1 && self.sees_cte(span.scope, &name[0])
    }

    /// Whether a name in a scope means a common table expression rather than a table.
    fn sees_cte(&self, scope: u8, name: &str) -> bool {
        self.state.ctes.iter().any(|cte| {
            cte.name == name
                && self.is_inside(scope, cte.scope)
                && (cte.recursive
                    || (scope == cte.scope || scope > cte.body) && !self.is_inside(scope, cte.body))
        })
    }

    /// Whether a scope is `outer` or stands in it.
    fn is_inside(&self, mut scope: u8, outer: u8) -> bool {
        loop {
            if scope == outer {
                return true;
            }
            if scope == 0 {
                return false;
            }
            scope = self.state.parents[usize::from(scope)];
        }
    }

    /// Whether a query sees the tables of the scope `outer`: its own, and those around it up to a common table expression,
    /// which sees nothing of the statement that it belongs to.
    fn sees(&self, mut scope: u8, outer: u8) -> bool {
        while scope != outer {
            if scope == 0 || self.state.ctes.iter().any(|cte| cte.body == scope) {
                return false;
            }
            scope = self.state.parents[usize::from(scope)];
        }
        true
    }

    fn find_columns(&mut self) {
        let outputs: BTreeSet<(u8, String)> = self
            .state
            .spans
            .iter()
            .filter(|span| span.role == Role::Output)
            .map(|span| (span.scope, span.parts(&self.state.text).concat()))
            .collect();
        for span in &self.state.spans {
            let mut parts = span.parts(&self.state.text);
            match span.role {
                // In ORDER BY a bare name means the result column of that name, if there is one.
                Role::SortKey if parts.len() == 1 && outputs.contains(&(span.scope, parts[0].clone())) => {}
                Role::Column | Role::SortKey => {
                    // What names a table with its schema is no column of a table that the schema's name would be.
                    if self.read_rows(span.scope, &parts) && parts.len() > 1 {
                        continue;
                    }
                    let column = parts.pop();
                    if parts == ["excluded"] && self.read_excluded(span.scope, column.as_deref()) {
                        continue;
                    }
                    self.read(span.scope, &parts, column.as_deref());
                }
                Role::Star => self.read(span.scope, &parts, None),
                Role::Inserted => self.write(span.scope, Access::Insert, parts.last().map(String::as_str)),
                Role::Excluded => {
                    self.read_excluded(span.scope, parts.last().map(String::as_str));
                }
                Role::Updated => self.write(span.scope, Access::Update, parts.last().map(String::as_str)),
                Role::Deletes => self.write(span.scope, Access::Delete, None),
                Role::Locked => self.lock(span.scope, &parts),
                _ => {}
            }
        }
    }

    /// Notes that whole rows are read where a name is that of a table or of its alias; whether it is.
    fn read_rows(&mut self, scope: u8, name: &[String]) -> bool {
        let tables: Vec<String> = self
            .items
            .iter()
            .filter(|item| self.sees(scope, item.scope) && item.answers_to(name) && item.access.is_some())
            .map(|item| item.name.join("."))
            .collect();
        let is_one = !tables.is_empty();
        for table in tables {
            self.note((table, Access::Read), None);
        }
        is_one
    }

    /// Notes that a column, or with `None` every column, is read. A bare name may be of any table around it.
    fn read(&mut self, scope: u8, qualifier: &[String], column: Option<&str>) {
        let around = |item: &&Item| self.sees(scope, item.scope);
        let tables: Vec<String> = if qualifier.is_empty() {
            let here = self.items.iter().filter(|item| item.scope == scope);
            // A star means the tables of its own query only.
            let outside = self.items.iter().filter(around).filter(|item| item.scope != scope);
            let outside: Vec<&Item> = if column.is_some() { outside.collect() } else { Vec::new() };
            here.chain(outside).filter(|item| item.access.is_some()).map(|item| item.name.join(".")).collect()
        } else {
            let mut named =
                self.items.iter().filter(around).filter(|item| item.answers_to(qualifier)).peekable();
            if named.peek().is_none() {
                // A name that belongs to nothing we know: the server will refuse it, or we do not see what it sees.
                vec![qualifier.join(".")]
            } else {
                named.filter(|item| item.access.is_some()).map(|item| item.name.join(".")).collect()
            }
        };
        if let Some(column) = column {
            let visible = |item: &Item| self.sees(scope, item.scope) && item.access.is_none();
            let open = if qualifier.is_empty() { self.items.iter().any(visible) } else { tables.is_empty() };
            let whole = self.items.iter().any(|item| {
                qualifier.is_empty() && self.sees(scope, item.scope) && item.answers_to(&[column.to_owned()])
            });
            let named = Named {
                tables: tables.clone(),
                column: column.to_owned(),
                open: open || whole,
                qualifier: qualifier.to_vec(),
                scope,
            };
            self.named.push(named);
        }
        for table in tables {
            self.note((table, Access::Read), column);
        }
    }

    /// Notes that a column of the row that was to be inserted is read: the INSERT is the statement here, or one around it.
    /// Whether there is one, and no table goes by that name.
    fn read_excluded(&mut self, scope: u8, column: Option<&str>) -> bool {
        let visible = |item: &&Item| self.sees(scope, item.scope);
        if self.items.iter().filter(visible).any(|item| item.answers_to(&["excluded".to_owned()])) {
            return false;
        }
        let inserts = |item: &&Item| item.access == Some(Access::Insert) && visible(item);
        let Some(target) = self.items.iter().filter(inserts).max_by_key(|item| item.scope) else {
            return false;
        };
        let table = target.name.join(".");
        if let Some(column) = column {
            self.named.push(Named {
                tables: vec![table.clone()],
                column: column.to_owned(),
                open: false,
                qualifier: target.name.clone(),
                scope,
            });
        }
        self.note((table, Access::Read), column);
        true
    }

    /// Notes that a column, or with `None` the row, of the statement's target is written: that is its first table.
    fn write(&mut self, scope: u8, access: Access, column: Option<&str>) {
        if let Some(target) = self.items.iter().find(|item| item.scope == scope) {
            let table = target.name.join(".");
            if let Some(column) = column {
                self.named.push(Named {
                    tables: vec![table.clone()],
                    column: column.to_owned(),
                    open: false,
                    qualifier: Vec::new(),
                    scope,
                });
            }
            self.note((table, access), column);
        }
    }

    /// Notes that rows are locked, which needs the right to update them; those of a subquery in FROM are those of its
    /// tables.
    fn lock(&mut self, scope: u8, name: &[String]) {
        let here = self.items.iter().filter(|item| item.scope == scope && item.access.is_some());
        let locked = here.filter(|item| name.is_empty() || item.answers_to(name));
        let tables: Vec<String> = locked.map(|item| item.name.join(".")).collect();
        for table in tables {
            self.found.entry((table, Access::Update)).or_insert_with(|| Columns::Named(BTreeSet::new()));
        }
        let state = self.state;
        for derived in state.derived.iter().filter(|derived| derived.scope == scope) {
            if name.is_empty() || name == [derived.alias.as_str()] {
                self.lock(derived.body, &[]);
            }
        }
    }

    fn note(&mut self, key: (String, Access), column: Option<&str>) {
        let columns = self.found.entry(key).or_insert_with(|| Columns::Named(BTreeSet::new()));
        match (columns, column) {
            (Columns::All, _) => {}
            (Columns::Named(names), Some(column)) => {
                names.insert(column.to_owned());
            }
            (all, None) => *all = Columns::All,
        }
    }
}

/// The functions that a statement calls by name, without those that this crate writes itself.
pub(crate) fn functions(state: &State) -> BTreeSet<String> {
    let called = state.spans.iter().filter(|span| span.role == Role::Function);
    called.map(|span| span.parts(&state.text).join(".")).collect()
}
