//! Columns and constraints.

use super::{name, single, text};
use crate::lint::change::{Column, Constraint, ConstraintKind};
use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AstNode};

/// A column of `ADD COLUMN`.
pub(super) fn added(add: &ast::AddColumn) -> Option<Column> {
    let column = typed(single(add.column_name()), add.ty())?;
    Some(add.constraints().fold(column, |column, constraint| with(column, &constraint)))
}

/// A column of `CREATE TABLE`.
pub(super) fn defined(column: &ast::Column) -> Option<Column> {
    let defined = typed(single(column.name()), column.ty())?;
    let constraints = column.clauses().filter_map(|clause| match clause {
        ast::ColumnClause::ColumnConstraint(constraint) => ast::Constraint::cast(constraint.syntax().clone()),
        _ => None,
    });
    Some(constraints.fold(defined, |column, constraint| with(column, &constraint)))
}

fn with(mut column: Column, constraint: &ast::Constraint) -> Column {
    match constraint {
        ast::Constraint::DefaultConstraint(default) => {
            column.default = default.expr().map(|expression| text(expression.syntax()));
        }
        ast::Constraint::GeneratedConstraint(generated) => {
            let words = text(generated.syntax()).to_ascii_uppercase();
            column.filled_by = if words.ends_with("VIRTUAL") {
                Some("a virtual expression")
            } else if words.contains("IDENTITY") {
                Some("an identity")
            } else {
                Some("a generated expression")
            };
        }
        ast::Constraint::NotNullConstraint(_) => column.not_null = true,
        other => {
            if let Some(found) = self::constraint(other, Some(&column.name)) {
                column.not_null |= matches!(found.kind, ConstraintKind::PrimaryKey { .. });
                column.constraints.push(found);
            }
        }
    }
    column
}

/// A serial is an integer with a default of its own.
fn typed(name: Option<String>, kind: Option<ast::Type>) -> Option<Column> {
    let kind = kind.map(|kind| text(kind.syntax()));
    let serial = kind.as_deref().is_some_and(is_serial);
    Some(Column {
        name: name?,
        kind,
        not_null: serial,
        filled_by: serial.then_some("a sequence"),
        ..Column::default()
    })
}

fn is_serial(kind: &str) -> bool {
    matches!(
        kind.to_ascii_lowercase().as_str(),
        "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8"
    )
}

/// A constraint, of this column where it stands at one.
pub(super) fn constraint(constraint: &ast::Constraint, column: Option<&str>) -> Option<Constraint> {
    let own = || column.map(str::to_owned).into_iter().collect::<Vec<_>>();
    let keys = |parameters: Option<ast::IndexParameters>| {
        let listed = parameters.and_then(|parameters| parameters.column_list());
        listed.map_or_else(own, |list| {
            list.column_name_refs().filter_map(|column| single(Some(column))).collect()
        })
    };
    let using = |index: Option<ast::UsingIndexName>| index.and_then(|index| single(index.index_ref()));
    let (kind, columns) = match constraint {
        ast::Constraint::PrimaryKeyConstraint(key) => (
            ConstraintKind::PrimaryKey { using_index: using(key.using_index()) },
            keys(key.index_parameters()),
        ),
        ast::Constraint::UniqueConstraint(unique) => (
            ConstraintKind::Unique { using_index: using(unique.using_index()) },
            keys(unique.index_parameters()),
        ),
        ast::Constraint::ExcludeConstraint(_) => (ConstraintKind::Exclude, Vec::new()),
        ast::Constraint::CheckConstraint(check) => {
            (ConstraintKind::Check { expression: text(check.expr()?.syntax()) }, own())
        }
        ast::Constraint::NotNullConstraint(found) => {
            let named = single(found.column_name_ref()).into_iter().collect::<Vec<_>>();
            (ConstraintKind::NotNull, if named.is_empty() { own() } else { named })
        }
        ast::Constraint::ForeignKeyConstraint(key) => {
            let columns = key.from_columns().into_iter().flat_map(|list| list.column_name_refs());
            let columns = columns.filter_map(|column| single(Some(column))).collect();
            (ConstraintKind::ForeignKey { to: name(key.table_name_ref())? }, columns)
        }
        ast::Constraint::ReferencesConstraint(references) => {
            (ConstraintKind::ForeignKey { to: name(references.table())? }, own())
        }
        _ => return None,
    };
    Some(Constraint { name: given(constraint), kind, columns, valid: !constraint.is_not_valid() })
}

fn given(constraint: &ast::Constraint) -> Option<String> {
    let clause =
        constraint.syntax().children().find(|child| child.kind() == SyntaxKind::CONSTRAINT_NAME_CLAUSE)?;
    single(ast::ConstraintNameClause::cast(clause)?.constraint_name())
}
