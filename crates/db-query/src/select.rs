//! SELECT.

use crate::{
    BuildError,
    expr::{Aggregate, Condition, Expr},
    statement::{Access, Statement, Touch},
    writer::Writer,
};

/// What a SELECT can return.
pub trait Projection {
    /// Writes one or more columns, separated by commas.
    fn write(self, writer: &mut Writer);
}

/// Every column: `*`.
#[must_use]
pub fn all() -> impl Projection {
    struct All;
    impl Projection for All {
        fn write(self, writer: &mut Writer) {
            writer.push("*");
        }
    }
    All
}

impl<const N: usize> Projection for [&str; N] {
    fn write(self, writer: &mut Writer) {
        self.as_slice().write(writer);
    }
}

impl Projection for &[&str] {
    fn write(self, writer: &mut Writer) {
        for (position, name) in self.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            writer.name(name);
        }
    }
}

impl Projection for Aggregate<'_> {
    fn write(self, writer: &mut Writer) {
        Expr::write(self, writer);
    }
}

/// A sort key.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    column: &'a str,
    direction: &'static str,
}

/// Smallest first; NULLs last, as PostgreSQL has them.
#[must_use]
pub fn asc(column: &str) -> Order<'_> {
    Order { column, direction: " ASC" }
}

/// Largest first; NULLs first, as PostgreSQL has them.
#[must_use]
pub fn desc(column: &str) -> Order<'_> {
    Order { column, direction: " DESC" }
}

/// Builds a SELECT.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Select {
    writer: Writer,
    columns: String,
    source: String,
    condition: String,
    groups: String,
    orders: String,
    limits: String,
    touches: Vec<Touch>,
}

impl Select {
    /// From a table, `name` or `schema.name`.
    pub fn from(table: &str) -> Self {
        let mut select = Self {
            writer: Writer::default(),
            columns: String::new(),
            source: String::new(),
            condition: String::new(),
            groups: String::new(),
            orders: String::new(),
            limits: String::new(),
            touches: vec![Touch { table: table.to_owned(), access: Access::Read }],
        };
        select.writer.aside(&mut select.source, Name(table));
        select
    }

    /// Adds columns to return.
    pub fn columns(mut self, columns: impl Projection) -> Self {
        let separator = if self.columns.is_empty() { "" } else { ", " };
        self.columns.push_str(separator);
        std::mem::swap(&mut self.writer.text, &mut self.columns);
        columns.write(&mut self.writer);
        std::mem::swap(&mut self.writer.text, &mut self.columns);
        self
    }

    /// Keeps only rows for which there is a match in `table`.
    pub fn join(self, table: &str, on: Condition<impl Expr>) -> Self {
        self.joined(" JOIN ", table, on)
    }

    /// Adds what matches in `table`, NULLs where nothing does.
    pub fn left_join(self, table: &str, on: Condition<impl Expr>) -> Self {
        self.joined(" LEFT JOIN ", table, on)
    }

    /// Keeps only rows for which the condition holds; several are joined by AND.
    pub fn filter(mut self, condition: Condition<impl Expr>) -> Self {
        self.condition.push_str(if self.condition.is_empty() { " WHERE " } else { " AND " });
        self.writer.aside(&mut self.condition, condition);
        self
    }

    /// Groups by a column.
    pub fn group_by(mut self, column: &str) -> Self {
        self.groups.push_str(if self.groups.is_empty() { " GROUP BY " } else { ", " });
        self.writer.aside(&mut self.groups, Name(column));
        self
    }

    /// Adds a sort key.
    pub fn order_by(mut self, order: Order<'_>) -> Self {
        self.orders.push_str(if self.orders.is_empty() { " ORDER BY " } else { ", " });
        self.writer.aside(&mut self.orders, Name(order.column));
        self.orders.push_str(order.direction);
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limits.push_str(" LIMIT ");
        self.writer.aside(&mut self.limits, crate::expr::value(i64::from(rows)));
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// The first mistake that was made on the way.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        if self.columns.is_empty() {
            self.writer.fail(BuildError::NoColumns);
        }
        let clauses = [&self.source, &self.condition, &self.groups, &self.orders, &self.limits];
        let length = clauses.iter().map(|clause| clause.len()).sum::<usize>();
        let mut sql = String::with_capacity("SELECT  FROM ".len() + self.columns.len() + length);
        sql.push_str("SELECT ");
        sql.push_str(&self.columns);
        sql.push_str(" FROM ");
        for clause in clauses {
            sql.push_str(clause);
        }
        let (_, arguments) = self.writer.finish()?;
        Ok(Statement::new(sql, arguments, self.touches))
    }

    fn joined(mut self, word: &'static str, table: &str, on: Condition<impl Expr>) -> Self {
        self.source.push_str(word);
        self.writer.aside(&mut self.source, Name(table));
        self.source.push_str(" ON ");
        self.writer.aside(&mut self.source, on);
        self.touches.push(Touch { table: table.to_owned(), access: Access::Read });
        self
    }
}

/// A name where an expression is expected.
struct Name<'a>(&'a str);

impl Expr for Name<'_> {
    fn write(self, writer: &mut Writer) {
        writer.name(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Op, col, count_all, max};

    fn check(select: Select, expected: &str) {
        assert_eq!(select.build().expect(expected).sql(), expected);
    }

    #[test]
    fn clauses_stand_in_order_whatever_the_calls() {
        check(
            Select::from("public.tasks")
                .limit(5)
                .order_by(desc("priority"))
                .order_by(asc("id"))
                .filter(col("status").eq("pending"))
                .columns(["id"])
                .columns(["title"]),
            r#"SELECT "id", "title" FROM "public"."tasks" WHERE "status" = $2 ORDER BY "priority" DESC, "id" ASC LIMIT $1"#,
        );
    }

    #[test]
    fn conditions_nest_by_parentheses() {
        check(
            Select::from("t").columns(all()).filter(
                col("a")
                    .eq(1_i32)
                    .or(col("b").is_null().and(col("c").cmp(Op::Contains, vec!["x".to_owned()]))),
            ),
            r#"SELECT * FROM "t" WHERE ("a" = $1 OR ("b" IS NULL AND "c" @> $2))"#,
        );
    }

    #[test]
    fn joins_and_groups() {
        let select = Select::from("tasks")
            .columns(["tasks.status"])
            .columns(count_all("n"))
            .columns(max("tasks.priority", "top"))
            .left_join("task_executions", col("task_executions.task_id").eq_col("tasks.id"))
            .group_by("tasks.status");
        let statement = select.build().expect("valid");
        assert_eq!(
            statement.sql(),
            r#"SELECT "tasks"."status", count(*) AS "n", max("tasks"."priority") AS "top" FROM "tasks" LEFT JOIN "task_executions" ON "task_executions"."task_id" = "tasks"."id" GROUP BY "tasks"."status""#
        );
        let tables: Vec<_> = statement.touches().iter().map(|touch| touch.table.as_str()).collect();
        assert_eq!(tables, ["tasks", "task_executions"]);
    }

    #[test]
    fn the_first_mistake_is_told() {
        let error = Select::from("").columns(["a"]).filter(col("x\0").eq(1_i32)).build().unwrap_err();
        assert!(matches!(error, BuildError::Ident { name, .. } if name.is_empty()));
        assert_eq!(Select::from("t").build().unwrap_err(), BuildError::NoColumns);
    }

    #[test]
    fn a_list_is_one_parameter() {
        let few = Select::from("t").columns(all()).filter(col("id").any(vec![1_i64])).build().expect("valid");
        let many = Select::from("t")
            .columns(all())
            .filter(col("id").any((0..999_i64).collect()))
            .build()
            .expect("valid");
        assert_eq!(few.sql(), many.sql());
    }
}
