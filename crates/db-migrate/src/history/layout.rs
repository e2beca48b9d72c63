//! How the table is made, and how that of an earlier version becomes today's.

use super::HistoryTable;
use super::row::{ALL, LIVE};
use crate::{Error, ask};
use sqlx::{AssertSqlSafe, PgConnection};

/// What is in the database under the table's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Missing,
    /// Of version 0.1: one row a migration, by number.
    Numbered,
    Current,
}

impl Layout {
    /// How to read it.
    pub(super) fn select(self, table: &HistoryTable) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Numbered => Some(format!("SELECT {OLD_COLUMNS} FROM {table} ORDER BY id")),
            Self::Current => Some(format!(
                "SELECT seq, id, name, label, outcome, repeatable, checksum, started_at, finished_at, execution_ms, \
                 applied_by, applied_from, statements, statements_done, statement_alone, error \
                 FROM {table} WHERE outcome {LIVE} ORDER BY seq"
            )),
        }
    }
}

/// Rows of the old layout in the columns of the new.
const OLD_COLUMNS: &str = "id::bigint AS seq, lpad(id::text, greatest(4, length(id::text)), '0') AS id, name, \
    lpad(id::text, greatest(4, length(id::text)), '0') || '_' || name AS label, \
    CASE WHEN applied_at IS NULL THEN 'running' ELSE 'applied' END AS outcome, false AS repeatable, checksum, \
    started_at, applied_at AS finished_at, execution_ms, applied_by, 'unknown' AS applied_from, statements, \
    statements_done, NULL::integer AS statement_alone, NULL::text AS error";

impl HistoryTable {
    pub(super) async fn layout(&self, conn: &mut PgConnection) -> Result<Layout, Error> {
        let question = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = class.oid AND attname = 'seq') \
             FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace \
             WHERE space.nspname = $1 AND class.relname = $2",
        )
        .bind(&self.schema)
        .bind(Self::NAME);
        let found: Vec<(bool,)> = ask::rows(conn, question, format!("look for {self}")).await?;
        Ok(match found.first() {
            None => Layout::Missing,
            Some((false,)) => Layout::Numbered,
            Some((true,)) => Layout::Current,
        })
    }

    /// Makes the table, or makes an old one today's; called under the deploy lock.
    pub(crate) async fn create(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let mut tx = self.begin(conn).await?;
        self.create_within(&mut tx).await?;
        self.commit(tx).await
    }

    /// The same in the caller's transaction.
    pub(crate) async fn create_within(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let Some(sql) = self.creating(conn).await? else { return Ok(()) };
        let made = sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await;
        made.map(drop).map_err(Error::during(format!("create {self}")))
    }

    /// The statements that make it; `None` where it is.
    async fn creating(&self, conn: &mut PgConnection) -> Result<Option<String>, Error> {
        Ok(match self.layout(conn).await? {
            Layout::Current => None,
            Layout::Missing => Some(format!("{} {}", self.create_schema(), self.create_table())),
            Layout::Numbered => Some(format!(
                "ALTER TABLE {self} RENAME TO {old}; ALTER TABLE {schema}.{old} RENAME CONSTRAINT {name}_pkey TO \
                 {old}_pkey; {create} INSERT INTO {self} (id, name, label, outcome, repeatable, checksum, started_at, \
                 finished_at, execution_ms, applied_by, applied_from, statements, statements_done, error) \
                 SELECT id, name, label, outcome, repeatable, checksum, started_at, finished_at, execution_ms, \
                 applied_by, applied_from, statements, statements_done, error \
                 FROM (SELECT {OLD_COLUMNS} FROM {schema}.{old}) AS old ORDER BY seq; \
                 DROP TABLE {schema}.{old};",
                old = "db_migrations_numbered",
                name = Self::NAME,
                schema = self.quoted_schema(),
                create = self.create_table(),
            )),
        })
    }

    /// Only where it is missing, as `IF NOT EXISTS` still asks for the privilege.
    fn create_schema(&self) -> String {
        if self.schema == "public" {
            return String::new();
        }
        let quoted = self.quoted_schema();
        format!("CREATE SCHEMA IF NOT EXISTS {quoted};")
    }

    fn create_table(&self) -> String {
        // Every check costs each migration some hundredths of a millisecond; rows are checked when they are read.
        format!(
            "CREATE TABLE {self} ( \
                 seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                 id text NOT NULL, \
                 name text NOT NULL, \
                 label text NOT NULL, \
                 outcome text NOT NULL CHECK (outcome IN ({ALL})), \
                 repeatable boolean NOT NULL DEFAULT false, \
                 checksum bytea NOT NULL, \
                 up_sql text, \
                 down_sql text, \
                 started_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
                 finished_at timestamptz, \
                 execution_ms bigint, \
                 applied_by text NOT NULL DEFAULT current_user, \
                 applied_from text NOT NULL DEFAULT \
                     coalesce(host(inet_client_addr()), 'socket') || ' ' || current_setting('application_name'), \
                 statements integer NOT NULL, \
                 statements_done integer NOT NULL, \
                 statement_alone integer, \
                 error text); \
             CREATE UNIQUE INDEX {name}_live_key ON {self} (id) WHERE outcome {LIVE}; \
             COMMENT ON TABLE {self} IS 'What db migrate applied, tried and reverted; rows are never removed';",
            name = Self::NAME,
        )
    }
}
