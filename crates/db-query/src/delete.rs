//! DELETE.

use crate::{
    BuildError,
    expr::{Condition, Expr},
    statement::{Access, Statement, Touch},
    update::{Scope, finish},
    writer::Writer,
};

/// Builds a DELETE.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Delete {
    writer: Writer,
    condition: String,
    scope: Scope,
    returning: Vec<String>,
    touch: Touch,
}

impl Delete {
    /// From a table.
    pub fn from(table: &str) -> Self {
        let mut writer = Writer::default();
        writer.push("DELETE FROM ");
        writer.name(table);
        let touch = Touch { table: table.to_owned(), access: Access::Write };
        Self { writer, condition: String::new(), scope: Scope::Unsaid, returning: Vec::new(), touch }
    }

    /// Deletes only rows for which the condition holds; several are joined by AND.
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

    /// Returns these columns of what was deleted.
    pub fn returning(mut self, columns: &[&str]) -> Self {
        self.returning = columns.iter().map(|&column| column.to_owned()).collect();
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// [`BuildError::Unbounded`] without a filter or `all_rows`; else the first mistake that was made on the way.
    pub fn build(self) -> Result<Statement, BuildError> {
        finish(self.writer, &self.condition, self.scope, &self.returning, self.touch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::col;

    #[test]
    fn deletes_what_is_said() {
        assert_eq!(Delete::from("t").build().unwrap_err(), BuildError::Unbounded);
        let one = Delete::from("t").filter(col("id").eq(1_i32)).returning(&["id"]).build().expect("filtered");
        assert_eq!(one.sql(), r#"DELETE FROM "t" WHERE "id" = $1 RETURNING "id""#);
        assert_eq!(Delete::from("t").all_rows().build().expect("said").sql(), r#"DELETE FROM "t""#);
    }
}
