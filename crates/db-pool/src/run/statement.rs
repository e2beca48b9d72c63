//! A statement of any kind that sqlx can execute, taken apart so that the pool can look at its text and send it twice.

use sqlx::{
    Execute, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};

/// What sqlx's `Execute` holds, owned.
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

    /// Its values, to send it a second time; `None` where the server keeps no plan of it, which a change of the schema
    /// could make unusable.
    pub(crate) fn spare(&self) -> Option<PgArguments> {
        self.arguments.clone().filter(|_| self.persistent)
    }

    /// Makes it ready to be sent again.
    pub(crate) fn refill(&mut self, spare: PgArguments) {
        self.arguments = Some(spare);
    }
}

/// By reference, so that it is stored once however many futures it passes through.
impl Execute<'_, Postgres> for &mut Statement {
    fn sql(self) -> SqlStr {
        self.sql.clone()
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
