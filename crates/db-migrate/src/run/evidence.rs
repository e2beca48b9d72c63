//! What the database tells of a statement that ran by itself and was cut off, and how what it left is cleared away.

use super::Runner;
use super::lock::jittered;
use crate::script::Effect;
use crate::{Applied, Error, HistoryTable, MigrationId, ask};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The session of a client that died may still be at work.
pub(super) async fn wait_for_builders(runner: &mut Runner<'_>, effect: &Effect) -> Result<(), Error> {
    let Effect::CreateIndex { table, .. } = effect else { return Ok(()) };
    let start = Instant::now();
    let action = format!("ask who builds an index of {table}");
    loop {
        let question = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass($1))",
        );
        let (busy,): (bool,) = ask::row(runner.conn, question.bind(table), &action).await?;
        if !busy || start.elapsed() > runner.options.lock_deadline {
            return Ok(());
        }
        sleep(jittered(Duration::from_millis(300))).await;
    }
}

/// Whether a statement had its effect; `None` where nothing tells.
pub(super) async fn known(
    runner: &mut Runner<'_>,
    row: &Applied,
    effect: &Effect,
) -> Result<Option<bool>, Error> {
    match effect {
        Effect::CreateIndex { name: None, table } if row.error.is_none() => {
            runner.history.is_older_than_an_index(runner.conn, &row.id, table).await.map(Some)
        }
        Effect::CreateIndex { name: None, .. } => Ok(Some(false)),
        effect => has_happened(runner.conn, effect).await,
    }
}

/// Drops the index that a statement of this migration could not finish; says so. Nobody else's: one that is being built is
/// left alone, and where the server chose the name, one that was there before the statement began.
pub(super) async fn drop_invalid(
    conn: &mut PgConnection,
    history: &HistoryTable,
    id: &MigrationId,
    effect: &Effect,
) -> Result<Option<String>, Error> {
    let Effect::CreateIndex { name, table } = effect else { return Ok(None) };
    let sql = format!(
        "SELECT format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname) FROM pg_index AS made JOIN pg_class AS class ON class.oid = indexrelid \
         WHERE indrelid = to_regclass($1) AND NOT indisvalid AND class.relkind = 'i' \
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS build WHERE build.relid = indrelid) \
           AND CASE WHEN $2::text IS NULL \
               THEN EXISTS (SELECT FROM {history} AS record WHERE record.id = $3 AND record.outcome {live} \
                            AND age(made.xmin) <= age(record.xmin)) \
               ELSE class.relname = (parse_ident($2))[1] END",
        live = HistoryTable::LIVE,
    );
    let question = sqlx::query_as(AssertSqlSafe(sql)).bind(table).bind(name).bind(id.as_str());
    let invalid = ask::rows(conn, question, format!("look for an invalid index of {table}")).await?;
    let invalid: Vec<String> = invalid.into_iter().map(|(index,)| index).collect();
    for index in &invalid {
        drop_index(conn, index).await?;
    }
    Ok((!invalid.is_empty()).then(|| format!("dropped the invalid index {}", invalid.join(", "))))
}

/// Finishes to detach a partition of which that was begun; says whether there was one.
pub(super) async fn finish_detach(conn: &mut PgConnection, effect: &Effect) -> Result<bool, Error> {
    let Effect::Detach { partition } = effect else { return Ok(false) };
    let action = format!("finish to detach {partition}");
    let question = sqlx::query_as(
        "SELECT format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = parent.relnamespace), parent.relname), \
                format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = part.relnamespace), part.relname) FROM pg_inherits \
         JOIN pg_class AS parent ON parent.oid = inhparent JOIN pg_class AS part ON part.oid = inhrelid WHERE inhrelid = to_regclass($1) AND inhdetachpending",
    )
    .bind(partition);
    let found: Vec<(String, String)> = ask::rows(conn, question, &action).await?;
    let Some((parent, quoted)) = found.into_iter().next() else { return Ok(false) };
    let sql = format!("ALTER TABLE {parent} DETACH PARTITION {quoted} FINALIZE");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(Error::during(action))?;
    Ok(true)
}

pub(super) async fn drop_index(conn: &mut PgConnection, quoted: &str) -> Result<(), Error> {
    let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {quoted}");
    let during = Error::during(format!("drop the invalid index {quoted}"));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(during)?;
    Ok(())
}

async fn has_happened(conn: &mut PgConnection, effect: &Effect) -> Result<Option<bool>, Error> {
    let (sql, name, more) = match effect {
        Effect::CreateIndex { name: Some(name), table } => (
            "SELECT EXISTS (SELECT FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid \
             WHERE indrelid = to_regclass($2) AND indisvalid AND class.relname = (parse_ident($1))[1])",
            name.clone(),
            table.clone(),
        ),
        Effect::DropIndex { names } => (
            "SELECT to_regclass($1) IS NULL AND $2 = ''",
            names.first().cloned().unwrap_or_default(),
            String::new(),
        ),
        Effect::Detach { partition } => (
            "SELECT NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1)) AND $2 = ''",
            partition.clone(),
            String::new(),
        ),
        Effect::CreateDatabase { name } => (
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = (parse_ident($1))[1]) AND $2 = ''",
            name.clone(),
            String::new(),
        ),
        Effect::DropDatabase { name } => (
            "SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = (parse_ident($1))[1]) AND $2 = ''",
            name.clone(),
            String::new(),
        ),
        Effect::Repeatable => return Ok(Some(false)),
        Effect::CreateIndex { name: None, .. } | Effect::Unknown => return Ok(None),
    };
    let question = sqlx::query_as(sql).bind(name).bind(more);
    let (happened,) = ask::row(conn, question, "ask whether the statement under way has run").await?;
    Ok(Some(happened))
}
