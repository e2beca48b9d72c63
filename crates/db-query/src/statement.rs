//! What a builder ends in: text, arguments, and what they touch.

use sqlx::{
    AssertSqlSafe, Execute, Postgres, SqlSafeStr, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};
use std::fmt;

/// Whether a table is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Rows are read.
    Read,
    /// Rows are inserted, updated or deleted.
    Write,
}

/// A table that a statement reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touch {
    /// The table as it was named, `schema.table` where a schema was given.
    pub table: String,
    /// What is done to it.
    pub access: Access,
}

/// A finished statement. It implements sqlx's `Execute`, so sqlx's executors take it as it is, and it is prepared and
/// cached under its text, which holds no value.
pub struct Statement {
    sql: String,
    arguments: Option<PgArguments>,
    touches: Vec<Touch>,
}

impl Statement {
    pub(crate) fn new(sql: String, arguments: PgArguments, touches: Vec<Touch>) -> Self {
        Self { sql, arguments: Some(arguments), touches }
    }

    /// The text, with `$1`, `$2` … in place of the values.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The tables that it reads and writes, in the order in which they were named.
    #[must_use]
    pub fn touches(&self) -> &[Touch] {
        &self.touches
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the arguments: they are the user's data.
        f.debug_struct("Statement")
            .field("sql", &self.sql)
            .field("touches", &self.touches)
            .finish_non_exhaustive()
    }
}

impl Execute<'_, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        // The one place where built text becomes SQL: writers push only this crate's own text and quoted names.
        AssertSqlSafe(self.sql).into_sql_str()
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        true
    }
}
