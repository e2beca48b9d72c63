//! The table that remembers what was applied, tried and reverted.

mod layout;
mod row;
mod write;

pub use row::{Applied, Outcome};
pub(crate) use write::{Begun, Ended};

use crate::run::Direction;
use crate::{Error, MigrationId, ask};
use row::Row;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use std::collections::BTreeMap;
use std::fmt;

/// Where the history is kept: the table `db_migrations` of a schema.
///
/// Rows are never removed: what was reverted, tried in vain or applied anew stays as a row of another outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTable {
    schema: String,
    statements: Statements,
}

/// How its statements are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Statements {
    /// Without a name, as a pooler between us and the server may hand the next one to another session.
    #[default]
    Unnamed,
    /// Prepared once: of five hundred small migrations, a tenth of the time.
    Prepared,
}

impl Default for HistoryTable {
    fn default() -> Self {
        Self { schema: "public".to_owned(), statements: Statements::default() }
    }
}

impl HistoryTable {
    /// Its name in its schema.
    pub(crate) const NAME: &str = "db_migrations";

    /// The outcomes of rows that say how the database is.
    pub(crate) const LIVE: &str = row::LIVE;

    /// The history in this schema, which is made where it does not exist.
    ///
    /// # Errors
    /// [`Error::SchemaName`] when the name is empty or holds a NUL.
    pub fn in_schema(schema: &str) -> Result<Self, Error> {
        if schema.is_empty() || schema.contains('\0') {
            return Err(Error::SchemaName { name: schema.to_owned() });
        }
        Ok(Self { schema: schema.to_owned(), statements: Statements::default() })
    }

    /// How it is written to.
    pub(crate) const fn statements(&self) -> Statements {
        self.statements
    }

    /// The same table, written to in another way.
    pub(crate) fn with(&self, statements: Statements) -> Self {
        Self { statements, ..self.clone() }
    }

    /// The table, qualified and quoted.
    #[must_use]
    pub fn as_sql(&self) -> String {
        format!("{}.{}", self.quoted_schema(), Self::NAME)
    }

    /// What is live in it, in the order in which it was applied; nothing where there is no table. It is read in a
    /// transaction: one that was begun by the text of a statement, of which the driver knows nothing, ends with it.
    ///
    /// # Errors
    /// [`Error::Database`] when the server cannot be asked.
    pub async fn read(&self, conn: &mut PgConnection) -> Result<Vec<Applied>, Error> {
        let during = || format!("read {self}");
        // One for both questions, of which each would have its own else.
        let mut tx = conn.begin().await.map_err(Error::during(during()))?;
        let rows: Vec<Row> = match self.layout(&mut tx).await?.select(self) {
            Some(sql) => ask::rows(&mut tx, sqlx::query_as(AssertSqlSafe(sql)), during()).await?,
            None => Vec::new(),
        };
        tx.commit().await.map_err(Error::during(during()))?;
        rows.into_iter().map(Row::checked).collect::<Result<_, _>>().map_err(Error::during(during()))
    }

    /// Begins to write to it.
    ///
    /// # Cancel safety
    /// The transaction is rolled back when it is dropped.
    pub(crate) async fn begin<'c>(
        &self,
        conn: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, Error> {
        conn.begin().await.map_err(Error::during(format!("begin to write to {self}")))
    }

    /// Keeps what was written to it.
    pub(crate) async fn commit(&self, tx: Transaction<'_, Postgres>) -> Result<(), Error> {
        tx.commit().await.map_err(Error::during(format!("commit what was written to {self}")))
    }

    /// The text that a live migration had when it was applied, where it was kept.
    pub(crate) async fn text_of(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        direction: Direction,
    ) -> Result<Option<String>, Error> {
        Ok(self.texts_of(conn, &[id.as_str()], direction).await?.remove(id.as_str()))
    }

    /// The same of several, by their versions, in one round trip.
    pub(crate) async fn texts_of(
        &self,
        conn: &mut PgConnection,
        ids: &[&str],
        direction: Direction,
    ) -> Result<BTreeMap<String, String>, Error> {
        if ids.is_empty() || self.layout(conn).await? != layout::Layout::Current {
            return Ok(BTreeMap::new());
        }
        let column = match direction {
            Direction::Up => "up_sql",
            Direction::Down => "down_sql",
        };
        let sql = format!("SELECT id, {column} FROM {self} WHERE id = ANY($1) AND outcome {}", row::LIVE);
        let question = sqlx::query_as(AssertSqlSafe(sql)).bind(ids);
        let action = format!("read the text of {} from {self}", ids.join(", "));
        let texts: Vec<(String, Option<String>)> = ask::rows(conn, question, action).await?;
        Ok(texts.into_iter().filter_map(|(id, text)| Some((id, text?))).collect())
    }

    fn quoted_schema(&self) -> String {
        // Plain where it may be, as people write it.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if self.schema.bytes().all(plain) && self.schema != "user" {
            self.schema.clone()
        } else {
            format!("\"{}\"", self.schema.replace('"', "\"\""))
        }
    }
}

impl fmt::Display for HistoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_sql())
    }
}

#[cfg(test)]
mod tests {
    use super::HistoryTable;

    #[test]
    fn quotes_the_schema() {
        let name = |schema| HistoryTable::in_schema(schema).map(|table| table.as_sql());
        assert_eq!(HistoryTable::default().as_sql(), "public.db_migrations");
        assert_eq!(name("Ops").expect("a name"), r#""Ops".db_migrations"#);
        assert_eq!(name(r#"a"; DROP"#).expect("a name"), r#""a""; DROP".db_migrations"#);
        assert!(name("").is_err());
        assert!(name("a\0").is_err());
    }
}
