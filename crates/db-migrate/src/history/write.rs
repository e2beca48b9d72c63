//! Writes the history, in the caller's transaction: that of what is recorded, or one by [`HistoryTable::begin`].

use super::row::{LIVE, Outcome};
use super::{HistoryTable, Statements};
use crate::{Checksum, Error, Migration, MigrationId, ask};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use std::time::Duration;

/// How a new row begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begun {
    /// Under way.
    Running,
    /// Applied already, in this time.
    Applied(Duration),
    /// Taken to be applied, since when.
    Taken(Outcome, Option<DateTime<Utc>>),
    /// Tried in vain: nothing of it is left.
    Failed(Duration),
}

/// How a row that was live ends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Reverted,
    Superseded,
}

impl HistoryTable {
    /// Adds a row. Of a repeatable migration it takes the place of the one before.
    pub(crate) async fn insert(
        &self,
        conn: &mut PgConnection,
        migration: &Migration,
        begun: Begun,
        error: Option<&str>,
    ) -> Result<(), Error> {
        let (outcome, execution, finished_at, done) = match begun {
            Begun::Running => ("running", None, None, 0),
            Begun::Applied(execution) => ("applied", Some(execution), None, migration.up.len()),
            Begun::Taken(outcome, since) => (outcome.as_str(), None, since, migration.up.len()),
            Begun::Failed(execution) => ("failed", Some(execution), None, 0),
        };
        if migration.kind == crate::Kind::Repeatable && !matches!(begun, Begun::Failed(_)) {
            self.end(conn, &migration.id, Ended::Superseded).await?;
        }
        // A migration that is under way began with its transaction's first statement, not when this row is written.
        let sql = format!(
            "INSERT INTO {self} (id, name, label, outcome, repeatable, checksum, up_sql, down_sql, started_at, \
             finished_at, execution_ms, statements, statements_done, error) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
             clock_timestamp() - coalesce($10::bigint, 0) * interval '1 millisecond', \
             CASE WHEN $4 = 'running' THEN NULL ELSE coalesce($9, clock_timestamp()) END, $10, $11, $12, $13)"
        );
        let checksum = migration.checksum();
        self.query(sql)
            .bind(migration.id.as_str())
            .bind(&migration.name)
            .bind(&migration.label)
            .bind(outcome)
            .bind(migration.kind == crate::Kind::Repeatable)
            .bind(&checksum.as_bytes()[..])
            .bind(&*migration.up.text)
            .bind(migration.down_sql())
            .bind(finished_at)
            .bind(execution.map(milliseconds))
            .bind(count(migration.up.len()))
            .bind(count(done))
            .bind(error)
            .execute(conn)
            .await
            .map_err(Error::during(format!("record {}", migration.label)))?;
        Ok(())
    }

    /// Records how far a migration that is under way has come, and what stopped it.
    pub(crate) async fn progress(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        done: usize,
        error: Option<&str>,
    ) -> Result<(), Error> {
        let sql =
            format!("UPDATE {self} SET statements_done = $2, error = $3 WHERE id = $1 AND outcome {LIVE}");
        let query = self.query(sql).bind(id.as_str()).bind(count(done)).bind(error);
        self.one(conn, query, format!("record a statement of {id}")).await
    }

    /// Whether the table has a valid index that came after the last record of a migration that is under way. The server
    /// chose its name, so what tells is that its row in the catalogue was written by a later transaction.
    pub(crate) async fn is_older_than_an_index(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        table: &str,
    ) -> Result<bool, Error> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {self} AS record JOIN pg_index AS made ON age(made.xmin) < age(record.xmin) \
             WHERE record.id = $1 AND record.outcome {LIVE} AND made.indrelid = to_regclass($2) AND made.indisvalid)"
        );
        let question = sqlx::query_as(AssertSqlSafe(sql)).bind(id.as_str()).bind(table);
        let (newer,) = ask::row(conn, question, format!("ask whether {table} has a new index")).await?;
        Ok(newer)
    }

    /// Whether a migration began and has not finished.
    pub(crate) async fn is_under_way(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
    ) -> Result<bool, Error> {
        let sql = format!("SELECT EXISTS (SELECT FROM {self} WHERE id = $1 AND outcome = 'running')");
        let question = sqlx::query_as(AssertSqlSafe(sql)).bind(id.as_str());
        let (there,) = ask::row(conn, question, format!("ask whether {id} is under way")).await?;
        Ok(there)
    }

    /// Records that a statement of a migration that is under way is about to be run by itself, as the server will have it.
    pub(crate) async fn begin_alone(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        at: usize,
    ) -> Result<(), Error> {
        let sql = format!("UPDATE {self} SET statement_alone = $2 WHERE id = $1 AND outcome {LIVE}");
        let query = self.query(sql).bind(id.as_str()).bind(count(at));
        self.one(conn, query, format!("record a statement of {id}")).await
    }

    /// Records that a migration that was under way is applied, with the text that it has now.
    pub(crate) async fn finish(
        &self,
        conn: &mut PgConnection,
        migration: &Migration,
        execution: Duration,
    ) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {self} SET outcome = 'applied', finished_at = clock_timestamp(), execution_ms = $2, statements = $3, \
             statements_done = $3, error = NULL, checksum = $4, up_sql = $5, down_sql = $6 \
             WHERE id = $1 AND outcome = 'running'"
        );
        let checksum = migration.checksum();
        let query = self
            .query(sql)
            .bind(migration.id.as_str())
            .bind(milliseconds(execution))
            .bind(count(migration.up.len()))
            .bind(&checksum.as_bytes()[..])
            .bind(&*migration.up.text)
            .bind(migration.down_sql());
        self.one(conn, query, format!("record {} as applied", migration.label)).await
    }

    /// Records that the way back of a migration has begun, in so many statements.
    pub(crate) async fn turn_back(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        statements: usize,
        down: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {self} SET outcome = 'reverting', started_at = clock_timestamp(), finished_at = NULL, \
             statements = $2, statements_done = 0, statement_alone = NULL, down_sql = $3, error = NULL \
             WHERE id = $1 AND outcome {LIVE}"
        );
        let query = self.query(sql).bind(id.as_str()).bind(count(statements)).bind(down);
        self.one(conn, query, format!("record {id} as being reverted")).await
    }

    /// Records that a migration is no more; a row that is not there is none to end.
    pub(crate) async fn end(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        ended: Ended,
    ) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {self} SET outcome = $2, finished_at = clock_timestamp() WHERE id = $1 AND outcome {LIVE}"
        );
        let outcome = match ended {
            Ended::Reverted => "reverted",
            Ended::Superseded => "superseded",
        };
        self.query(sql)
            .bind(id.as_str())
            .bind(outcome)
            .execute(conn)
            .await
            .map_err(Error::during(format!("record {id} as {outcome}")))?;
        Ok(())
    }

    /// Accepts the text that a migration has now as the one that was applied.
    pub(crate) async fn accept(
        &self,
        conn: &mut PgConnection,
        id: &MigrationId,
        checksum: Checksum,
        text: &str,
    ) -> Result<(), Error> {
        let sql = format!("UPDATE {self} SET checksum = $2, up_sql = $3 WHERE id = $1 AND outcome {LIVE}");
        let query =
            self.query(sql).bind(id.as_str()).bind(checksum.as_bytes().to_vec()).bind(text.to_owned());
        self.one(conn, query, format!("accept the text of {id}")).await
    }

    fn query<'q>(&self, sql: String) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(sql)).persistent(self.statements == Statements::Prepared)
    }

    /// Runs what must find its row.
    async fn one(
        &self,
        conn: &mut PgConnection,
        query: Query<'_, Postgres, PgArguments>,
        action: String,
    ) -> Result<(), Error> {
        let done = query.execute(conn).await.map_err(Error::during(action.clone()))?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(Error::RowGone { table: self.as_sql(), action }) }
    }
}

fn milliseconds(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}

fn count(number: usize) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
