//! UPDATE.

use crate::{
    BuildError,
    expr::{Condition, Expr, value},
    insert::returning,
    statement::{Access, Statement, Touch},
    writer::Writer,
};
use sqlx::{Encode, Postgres, Type};

/// Which rows a statement changes; nothing is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Unsaid,
    Filtered,
    AllRows,
}

/// Builds an UPDATE.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Update {
    writer: Writer,
    sets: usize,
    condition: String,
    scope: Scope,
    returning: Vec<String>,
    touch: Touch,
}

impl Update {
    /// Of a table.
    pub fn table(table: &str) -> Self {
        let mut writer = Writer::default();
        writer.push("UPDATE ");
        writer.name(table);
        writer.push(" SET ");
        let touch = Touch { table: table.to_owned(), access: Access::Write };
        Self { writer, sets: 0, condition: String::new(), scope: Scope::Unsaid, returning: Vec::new(), touch }
    }

    /// Sets a column to a value.
    pub fn set<'q, V: Encode<'q, Postgres> + Type<Postgres>>(self, column: &str, new: V) -> Self {
        self.set_expr(column, value(new))
    }

    /// Sets a column to an expression, such as [`now()`](crate::now).
    pub fn set_expr(mut self, column: &str, expr: impl Expr) -> Self {
        if self.sets > 0 {
            self.writer.push(", ");
        }
        self.sets += 1;
        self.writer.plain_name(column);
        self.writer.push(" = ");
        expr.write(&mut self.writer);
        self
    }

    /// Changes only rows for which the condition holds; several are joined by AND.
    pub fn filter(mut self, condition: Condition<impl Expr>) -> Self {
        self.condition.push_str(if self.condition.is_empty() { " WHERE " } else { " AND " });
        self.writer.aside(&mut self.condition, condition);
        self.scope = Scope::Filtered;
        self
    }

    /// Says that every row is meant.
    pub fn all_rows(mut self) -> Self {
        if self.scope == Scope::Unsaid {
            self.scope = Scope::AllRows;
        }
        self
    }

    /// Returns these columns of what was changed.
    pub fn returning(mut self, columns: &[&str]) -> Self {
        self.returning = columns.iter().map(|&column| column.to_owned()).collect();
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// [`BuildError::Unbounded`] without a filter or `all_rows`; else the first mistake that was made on the way.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        if self.sets == 0 {
            self.writer.fail(BuildError::NoColumns);
        }
        finish(self.writer, &self.condition, self.scope, &self.returning, self.touch)
    }
}

/// The common end of UPDATE and DELETE.
pub(crate) fn finish(
    mut writer: Writer,
    condition: &str,
    scope: Scope,
    columns: &[String],
    touch: Touch,
) -> Result<Statement, BuildError> {
    if scope == Scope::Unsaid {
        writer.fail(BuildError::Unbounded);
    }
    writer.text.push_str(condition);
    if !columns.is_empty() {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        returning(&mut writer, &columns);
    }
    let (sql, arguments) = writer.finish()?;
    Ok(Statement::new(sql, arguments, vec![touch]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{col, now};

    #[test]
    fn sets_filters_and_returns() {
        let statement = Update::table("tasks")
            .set("status", "completed")
            .set_expr("completed_at", now())
            .filter(col("id").eq(7_i64))
            .filter(col("status").eq("in_progress"))
            .returning(&["id"])
            .build()
            .expect("valid");
        assert_eq!(
            statement.sql(),
            r#"UPDATE "tasks" SET "status" = $1, "completed_at" = now() WHERE "id" = $2 AND "status" = $3 RETURNING "id""#
        );
    }

    #[test]
    fn every_row_must_be_said() {
        assert_eq!(Update::table("t").set("a", 1_i32).build().unwrap_err(), BuildError::Unbounded);
        let said = Update::table("t").set("a", 1_i32).all_rows().build().expect("said");
        assert_eq!(said.sql(), r#"UPDATE "t" SET "a" = $1"#);
        assert_eq!(Update::table("t").all_rows().build().unwrap_err(), BuildError::NoColumns);
    }
}
