//! Which tables tell of their changes.

use crate::cache::Cache;
use sqlx::PgConnection;

/// The table and its partitions: who writes to one of those by its name writes to the table.
const FAMILY: &str = "WITH RECURSIVE family(oid) AS ( \
        SELECT to_regclass(array_to_string(ARRAY(SELECT quote_ident(part) \
            FROM unnest(string_to_array($1, '.')) AS part), '.'))::oid \
        UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = family.oid) \
    SELECT family.oid::bigint, family.oid::regclass::text, relkind::text, relpersistence::text, relrowsecurity \
    FROM family JOIN pg_class ON pg_class.oid = family.oid ORDER BY family.oid";

const WATCH: &str = "SELECT cache_watch_table($1::bigint::oid::regclass, $2)";
const UNWATCH: &str = "SELECT cache_unwatch_table($1::bigint::oid::regclass, $2)";

const WATCHED: &str = "SELECT tgrelid::regclass::text FROM pg_trigger \
    WHERE tgfoid = to_regproc('cache_table_changed') AND tgargs = convert_to($1, 'UTF8') || '\\x00'::bytea \
        AND tgenabled IN ('O', 'A') ORDER BY 1";

type Member = (i64, String, String, String, bool);

/// Tables that were told of, by their names as the server writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// The tables, their partitions included.
    pub tables: Vec<String>,
}

/// A table cannot tell of its changes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is none of this name.
    #[error(
        "there is no table {table:?}: write its name as it is, with its schema where it is not on the search path"
    )]
    Unknown {
        /// The name.
        table: String,
    },
    /// It is none whose changes can be told.
    #[error("{table} cannot tell of its changes: it is {kind}")]
    Kind {
        /// The name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// The database refused, or did not answer.
    #[error("the tables' triggers cannot be seen to; are migrations up to 0013 applied?")]
    Database {
        /// The driver's error.
        #[from]
        source: sqlx::Error,
    },
}

impl Cache {
    /// Has these tables tell of every change from the commit of this transaction on, to all that follow
    /// ([`Cache::follow`]). Of each change the first statement of a transaction costs its writer a row and a bell. Takes a
    /// lock on each table that writers wait for, so set a `lock_timeout`. Names are taken as they are, `schema.table` or
    /// `table`; partitions that are added later are to be named again.
    ///
    /// # Errors
    /// [`TableError`]; whoever does it must own the tables.
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn watch_tables(&self, tx: &mut PgConnection, tables: &[&str]) -> Result<Watched, TableError> {
        self.for_each(tx, tables, WATCH).await
    }

    /// Ends what [`watch_tables`](Self::watch_tables) has begun. Whoever has cached what was read from them hears no more.
    ///
    /// # Errors
    /// [`TableError`].
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn unwatch_tables(
        &self,
        tx: &mut PgConnection,
        tables: &[&str],
    ) -> Result<Watched, TableError> {
        self.for_each(tx, tables, UNWATCH).await
    }

    /// The tables that tell this application's caches.
    ///
    /// # Errors
    /// [`TableError::Database`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn watched_tables(&self, conn: &mut PgConnection) -> Result<Watched, TableError> {
        let tables = sqlx::query_scalar(WATCHED).bind(&self.inner.prefix).fetch_all(conn).await?;
        Ok(Watched { tables })
    }

    async fn for_each(
        &self,
        tx: &mut PgConnection,
        tables: &[&str],
        statement: &'static str,
    ) -> Result<Watched, TableError> {
        let mut seen_to = Vec::new();
        for table in tables {
            let family: Vec<Member> = sqlx::query_as(FAMILY).bind(table).fetch_all(&mut *tx).await?;
            if family.is_empty() {
                return Err(TableError::Unknown { table: (*table).to_owned() });
            }
            for (oid, table, kind, persistence, has_policies) in family {
                if let Some(kind) = untold_kind(&kind, &persistence, has_policies) {
                    return Err(TableError::Kind { table, kind });
                }
                sqlx::query(statement).bind(oid).bind(&self.inner.prefix).execute(&mut *tx).await?;
                seen_to.push(table);
            }
        }
        Ok(Watched { tables: seen_to })
    }
}

/// What it is, where that is nothing of which changes can be told to all.
pub(super) fn untold_kind(kind: &str, persistence: &str, has_policies: bool) -> Option<&'static str> {
    match (kind, persistence) {
        (_, "t") => Some("a temporary table, which others do not have"),
        ("r" | "p", _) if has_policies => {
            Some("a table with row-level security: what one may read is hidden from another")
        }
        ("r" | "p", _) => None,
        ("v", _) => Some("a view; name the tables that it reads"),
        ("m", _) => Some("a materialized view, which is changed without a word"),
        ("f", _) => Some("a foreign table, which is changed elsewhere"),
        _ => Some("no table"),
    }
}
