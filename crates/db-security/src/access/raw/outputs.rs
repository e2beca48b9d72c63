//! The columns that a query gives, by their names: what is asked of it by any other name may be a function that PostgreSQL
//! calls with the row.

use super::{Reader, Understood, expr::built_in, names, scope::Item};
use sqlparser::ast::{
    Expr, FunctionArguments, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, With,
};
use std::collections::BTreeSet;

/// The columns of what stands in FROM, as far as they can be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    /// Those of one name each, in their order; `None` where the server makes a name up.
    names: Vec<Option<String>>,
    /// Tables all of whose columns are among them.
    pub(super) tables: BTreeSet<String>,
    /// Whether there are others among them, so that it is not known which comes at which place.
    has_others: bool,
}

impl Outputs {
    /// All the columns of a table.
    pub(super) fn of_table(table: &str) -> Self {
        Self { names: Vec::new(), tables: BTreeSet::from([table.to_owned()]), has_others: true }
    }

    /// What a function gives; its columns have the names that the statement gives them, or else any.
    pub(super) const fn unknown() -> Self {
        Self { names: Vec::new(), tables: BTreeSet::new(), has_others: true }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.names.iter().flatten().any(|name| name == column)
    }

    fn push(&mut self, other: Self) {
        self.names.extend(other.names);
        self.tables.extend(other.tables);
        self.has_others |= other.has_others;
    }

    /// The columns with these names, from the first on.
    pub(super) fn renamed(mut self, columns: Vec<String>) -> Self {
        if columns.is_empty() {
            return self;
        }
        if self.has_others {
            // Which column has lost its name is not known, so none counts that had one.
            return Self { names: columns.into_iter().map(Some).collect(), ..Self::unknown() };
        }
        for (at, column) in columns.into_iter().enumerate() {
            match self.names.get_mut(at) {
                Some(name) => *name = Some(column),
                None => self.names.push(Some(column)),
            }
        }
        self
    }

    /// The columns of all of these.
    pub(super) fn of_all<'i>(items: impl Iterator<Item = &'i Item>) -> Self {
        let mut all = Self::default();
        for item in items {
            all.push(item.outputs.clone());
            all.has_others = true;
        }
        all
    }

    /// The columns of VALUES.
    pub(super) fn of_values(count: usize) -> Self {
        let names = (1..=count).map(|number| Some(format!("column{number}"))).collect();
        Self { names, ..Self::default() }
    }
}

impl Reader {
    /// The columns of a list, of what the query here is from.
    pub(super) fn outputs(&mut self, projection: &[SelectItem]) -> Understood<Outputs> {
        let mut outputs = Outputs::default();
        for item in projection {
            match item {
                SelectItem::Wildcard(_) => outputs.push(Outputs::of_all(self.here().items.iter())),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let name = names::path(name)?;
                    let around = self.scopes.iter().flat_map(|scope| &scope.items);
                    outputs.push(Outputs::of_all(around.filter(|item| item.answers_to(&name))));
                }
                item => outputs.names.push(named(item)?),
            }
        }
        // A join with a name hides the tables in it, whose columns may have lost their names.
        if outputs.has_others && self.here().items.iter().any(|item| item.renamed) {
            outputs.tables.clear();
        }
        Ok(outputs)
    }
}

/// What is known of common table expressions before they are read: they may name themselves and each other.
pub(super) fn announced(with: &With) -> Understood<Vec<(String, Outputs)>> {
    let announced = with.cte_tables.iter().map(|cte| {
        let given = columns(&cte.alias)?;
        let first = if given.is_empty() { first_names(&cte.query.body)? } else { Outputs::default() };
        Ok((names::fold(&cte.alias.name)?, first.renamed(given)))
    });
    announced.collect()
}

/// The names that a query gives its columns, which are those of its first part.
fn first_names(body: &SetExpr) -> Understood<Outputs> {
    match body {
        SetExpr::Select(select) => {
            let names = select.projection.iter().map(named).collect::<Understood<_>>()?;
            Ok(Outputs { names, ..Outputs::unknown() })
        }
        SetExpr::Query(query) => first_names(&query.body),
        SetExpr::SetOperation { left, .. } => first_names(left),
        SetExpr::Values(values) => {
            Ok(Outputs::of_values(values.rows.first().map_or(0, |row| row.content.len())))
        }
        _ => Ok(Outputs::unknown()),
    }
}

/// The name of a column of a result; `None` where it is made up, or is none.
fn named(item: &SelectItem) -> Understood<Option<String>> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => names::fold(alias).map(Some),
        SelectItem::UnnamedExpr(expr) => name_of(expr),
        _ => Ok(None),
    }
}

fn name_of(expr: &Expr) -> Understood<Option<String>> {
    match expr {
        Expr::Identifier(name) => names::fold(name).map(Some),
        Expr::CompoundIdentifier(parts) => parts.last().map(names::fold).transpose(),
        Expr::Nested(expr) => name_of(expr),
        Expr::Cast { expr, .. } if matches!(**expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
            name_of(expr)
        }
        Expr::Function(function) if function.args != FunctionArguments::None => {
            let last = names::idents(&function.name)?.pop();
            // A form of the grammar is called by its word.
            Ok(last.map(|name| match name.quote_style {
                None => name.value.to_ascii_lowercase(),
                Some(_) => name.value.clone(),
            }))
        }
        _ => Ok(None),
    }
}

/// The names that an alias gives to columns.
pub(super) fn columns(alias: &TableAlias) -> Understood<Vec<String>> {
    let columns = alias.columns.iter().map(|column| {
        column.data_type.as_ref().map(built_in).transpose()?;
        names::fold(&column.name)
    });
    columns.collect()
}
