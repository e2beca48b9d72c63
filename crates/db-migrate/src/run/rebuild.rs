//! Rebuilds invalid indexes, whoever left them.

use super::evidence::drop_index;
use super::{Event, Runner};
use crate::{Error, ask};
use sqlx::{AssertSqlSafe, PgConnection};

/// Indexes that no query uses and every write pays for, whoever left them: what a concurrent rebuild left behind is
/// dropped, the others are rebuilt.
pub(super) async fn rebuild_invalid(runner: &mut Runner<'_>) -> Result<(), Error> {
    let question = sqlx::query_as(
        "SELECT format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname), class.relname::text FROM pg_index \
         JOIN pg_class AS class ON class.oid = indexrelid \
         WHERE NOT indisvalid AND class.relkind = 'i' AND class.relpersistence <> 't' \
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS build WHERE build.index_relid = indexrelid) \
         ORDER BY 1",
    );
    let invalid: Vec<(String, String)> = ask::rows(runner.conn, question, "look for invalid indexes").await?;
    let mut failed = None;
    for (quoted, name) in invalid {
        // Others pass while it waits, so it may wait for as long as a migration may.
        runner.limit_locks(runner.options.lock_deadline).await?;
        let mended = if is_of_rebuild(&name) {
            let dropped = drop_index(runner.conn, &quoted).await;
            dropped.map(|()| format!("dropped the invalid index {quoted}, which a rebuild had left"))
        } else {
            rebuild(runner.conn, &quoted).await.map(|()| format!("rebuilt the invalid index {quoted}"))
        };
        runner.settings_after_alone().await?;
        match mended {
            Ok(what) => (runner.tell)(&Event::Mended { what: &what }),
            // The others are mended all the same.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// What `REINDEX CONCURRENTLY` calls its own: `_ccnew`, `_ccold1`.
fn is_of_rebuild(name: &str) -> bool {
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

/// Rebuilds an index; where that fails, what it has begun is dropped again.
async fn rebuild(conn: &mut PgConnection, quoted: &str) -> Result<(), Error> {
    let sql = format!("REINDEX INDEX CONCURRENTLY {quoted}");
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await else { return Ok(()) };
    let question = sqlx::query_as(
        "SELECT format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname) FROM pg_index AS made \
         JOIN pg_class AS class ON class.oid = made.indexrelid JOIN pg_index AS broken USING (indrelid) \
         JOIN pg_class AS old ON old.oid = broken.indexrelid \
         WHERE broken.indexrelid = to_regclass($1) AND NOT made.indisvalid \
           AND class.relname ~ '_ccnew[0-9]*$' AND starts_with(class.relname, left(old.relname, 40))",
    )
    .bind(quoted);
    let left: Vec<(String,)> = ask::rows(conn, question, "look for what it left").await.unwrap_or_default();
    for (index,) in &left {
        let _ = drop_index(conn, index).await;
    }
    Err(Error::during(format!("rebuild the invalid index {quoted}"))(error))
}
