//! A statement of any kind that sqlx can execute, taken apart so that the pool can look at its text and send it twice.

use sqlx::{
    Execute, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};

/// What sqlx's `Execute` holds, owned.
#[derive(Clone)]
pub(crate) struct Statement {
    sql: SqlStr,
    arguments: Option<PgArguments>,
    prepared: Option<PgStatement>,
    persistent: bool,
}

impl Statement {
    /// Takes a query apart.
    ///
    /// # Errors
    /// When a value could not be encoded.
    pub(crate) fn of<'q, E: Execute<'q, Postgres>>(mut query: E) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let (persistent, prepared) = (query.persistent(), query.statement().cloned());
        Ok(Self { sql: query.sql(), arguments, prepared, persistent })
    }

    pub(crate) fn text(&self) -> &str {
        self.sql.as_str()
    }

    /// The text, for a look after the statement was sent; shared, not copied, unless it is a string of the caller's own.
    pub(crate) fn sql_str(&self) -> SqlStr {
        self.sql.clone()
    }

    /// Whether the server keeps a plan of it, which a change of the schema can make unusable.
    pub(crate) fn is_planned(&self) -> bool {
        self.arguments.is_some() && self.persistent
    }
}

impl Execute<'static, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.prepared.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
