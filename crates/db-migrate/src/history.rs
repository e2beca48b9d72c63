//! The table that remembers what was applied.

use crate::{Checksum, Error, Migration, MigrationId};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::time::Duration;

/// Where the history is kept: the table `db_migrations` of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTable {
    /// Qualified and quoted, so it may stand in SQL text.
    quoted: String,
}

impl Default for HistoryTable {
    fn default() -> Self {
        Self { quoted: "public.db_migrations".to_owned() }
    }
}

impl HistoryTable {
    /// The history in this schema, which must exist before anything is applied.
    ///
    /// # Errors
    /// [`Error::SchemaName`] when the name is empty or holds a NUL.
    pub fn in_schema(schema: &str) -> Result<Self, Error> {
        if schema.is_empty() || schema.contains('\0') {
            return Err(Error::SchemaName { name: schema.to_owned() });
        }
        Ok(Self { quoted: format!("\"{}\".db_migrations", schema.replace('"', "\"\"")) })
    }

    /// The table, qualified and quoted.
    #[must_use]
    pub fn as_sql(&self) -> &str {
        &self.quoted
    }
}

/// A row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Number of the migration.
    pub id: MigrationId,
    /// Its name then.
    pub name: String,
    /// Checksum of its `up.sql` then.
    pub checksum: Checksum,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was done; `None` means half applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub execution: Option<Duration>,
    /// The database role that applied it.
    pub applied_by: String,
    /// Statements of its `up.sql`.
    pub statements: usize,
    /// Statements known to have finished.
    pub statements_done: usize,
    /// The history table, qualified and quoted.
    pub table: String,
}

impl Applied {
    /// Name of its folder then.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}_{}", self.id, self.name)
    }
}

impl HistoryTable {
    pub(crate) async fn create(&self, conn: &mut PgConnection) -> Result<(), Error> {
        if self.exists(conn).await? {
            return Ok(()); // `IF NOT EXISTS` would do, but the server sends a notice each time.
        }
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} ( \
                 id integer PRIMARY KEY CHECK (id > 0), \
                 name text NOT NULL, \
                 checksum bytea NOT NULL CHECK (octet_length(checksum) = 32), \
                 started_at timestamptz NOT NULL, \
                 applied_at timestamptz, \
                 execution_ms bigint, \
                 applied_by text NOT NULL DEFAULT current_user, \
                 statements integer NOT NULL, \
                 statements_done integer NOT NULL)",
            self.quoted
        );
        execute(conn, sql, format!("create {}", self.quoted)).await
    }

    async fn exists(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&self.quoted)
            .fetch_one(conn)
            .await
            .map_err(Error::during(format!("look for {}", self.quoted)))
    }

    /// What was applied, oldest number first; nothing where there is no table.
    pub(crate) async fn read(&self, conn: &mut PgConnection) -> Result<Vec<Applied>, Error> {
        if !self.exists(conn).await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT id, name, checksum, started_at, applied_at, execution_ms, applied_by, statements, statements_done \
             FROM {} ORDER BY id",
            self.quoted
        );
        let during = || Error::during(format!("read {}", self.quoted));
        let rows: Vec<Row> =
            sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await.map_err(during())?;
        let rows: Result<_, sqlx::Error> = rows.into_iter().map(|row| row.checked(&self.quoted)).collect();
        rows.map_err(during())
    }

    /// Records a migration as begun.
    pub(crate) async fn begin(&self, conn: &mut PgConnection, migration: &Migration) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (id, name, checksum, started_at, statements, statements_done) \
             VALUES ($1, $2, $3, clock_timestamp(), $4, 0)",
            self.quoted
        );
        sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(number(migration.id))
            .bind(&migration.name)
            .bind(&migration.checksum.as_bytes()[..])
            .bind(count(migration.up.len()))
            .execute(conn)
            .await
            .map_err(Error::during(format!("record {} as begun", migration.folder())))?;
        Ok(())
    }

    /// Records how many statements of a begun migration have finished.
    pub(crate) async fn progress(
        &self,
        conn: &mut PgConnection,
        migration: &Migration,
        done: usize,
    ) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET statements_done = $2 WHERE id = $1", self.quoted);
        sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(number(migration.id))
            .bind(count(done))
            .execute(conn)
            .await
            .map_err(Error::during(format!("record a statement of {}", migration.folder())))?;
        Ok(())
    }

    /// Records a begun migration as done.
    pub(crate) async fn finish(
        &self,
        conn: &mut PgConnection,
        migration: &Migration,
        execution: Duration,
    ) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET applied_at = clock_timestamp(), execution_ms = $2, statements_done = statements \
             WHERE id = $1",
            self.quoted
        );
        sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(number(migration.id))
            .bind(i64::try_from(execution.as_millis()).unwrap_or(i64::MAX))
            .execute(conn)
            .await
            .map_err(Error::during(format!("record {} as done", migration.folder())))?;
        Ok(())
    }

    /// Forgets a migration that was reverted.
    pub(crate) async fn remove(&self, conn: &mut PgConnection, migration: &Migration) -> Result<(), Error> {
        let sql = format!("DELETE FROM {} WHERE id = $1", self.quoted);
        sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(number(migration.id))
            .execute(conn)
            .await
            .map_err(Error::during(format!("record {} as reverted", migration.folder())))?;
        Ok(())
    }
}

#[derive(FromRow)]
struct Row {
    id: i32,
    name: String,
    checksum: Vec<u8>,
    started_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
    execution_ms: Option<i64>,
    applied_by: String,
    statements: i32,
    statements_done: i32,
}

impl Row {
    /// The table's constraints promise what is checked here; somebody may have dropped them.
    fn checked(self, table: &str) -> Result<Applied, sqlx::Error> {
        let wrong =
            |column: &str| sqlx::Error::Decode(format!("{column} of row {} is wrong", self.id).into());
        let checksum: [u8; 32] = self.checksum.try_into().map_err(|_| wrong("checksum"))?;
        Ok(Applied {
            id: self.id.try_into().ok().and_then(MigrationId::new).ok_or_else(|| wrong("id"))?,
            name: self.name,
            checksum: checksum.into(),
            started_at: self.started_at,
            applied_at: self.applied_at,
            execution: self.execution_ms.and_then(|ms| ms.try_into().ok()).map(Duration::from_millis),
            applied_by: self.applied_by,
            statements: self.statements.try_into().unwrap_or_default(),
            statements_done: self.statements_done.try_into().unwrap_or_default(),
            table: table.to_owned(),
        })
    }
}

async fn execute(conn: &mut PgConnection, sql: String, action: String) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(Error::during(action))?;
    Ok(())
}

fn number(id: MigrationId) -> i64 {
    id.get().into()
}

fn count(number: usize) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::HistoryTable;

    #[test]
    fn quotes_the_schema() {
        let name = |schema| HistoryTable::in_schema(schema).map(|table| table.as_sql().to_owned());
        assert_eq!(HistoryTable::default().as_sql(), "public.db_migrations");
        assert_eq!(name("Ops").expect("a name"), r#""Ops".db_migrations"#);
        assert_eq!(name(r#"a"; DROP"#).expect("a name"), r#""a""; DROP".db_migrations"#);
        assert!(name("").is_err());
        assert!(name("a\0").is_err());
    }
}
