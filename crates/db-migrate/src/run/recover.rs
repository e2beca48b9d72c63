//! Finishes or undoes what was half done: after a crash, a lost connection, a statement that failed half way.

use super::apply::refuse_read_only;
use super::lock::jittered;
use super::retry::is_worth_it;
use super::send::send;
use super::undo::{Undoing, undoing};
use super::{Direction, Done, Event, Options, Report, Rest, Runner, Settings, lock};
use crate::history::Ended;
use crate::migration::Script;
use crate::script::{Class, Effect, Segment, Statement, effect, split};
use crate::{Applied, Error, HistoryTable, Left, Migration, MigrationId, Migrations, Outcome};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What to make of a migration that is half applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recover {
    /// Which way to go.
    pub way: Way,
    /// Whether the statement that was under way ran, where the database does not tell.
    pub statement_ran: Option<bool>,
}

/// Which way to go from half way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// On: what is left is run.
    #[default]
    Finish,
    /// Back: what was done is undone.
    Undo,
}

/// Finishes or undoes every migration that is half applied or half reverted, and rebuilds the invalid indexes that the
/// database has.
///
/// # Errors
/// As [`apply`](crate::apply); [`Error::Undecided`] where the database does not tell whether a statement ran,
/// [`Error::Unrecoverable`] where the file was changed before the point that it came to, or there is no way back.
///
/// # Cancel safety
/// That of [`apply`](crate::apply): run it again.
pub async fn recover(
    conn: &mut PgConnection,
    migrations: &Migrations,
    how: Recover,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Report, Error> {
    refuse_read_only(conn).await?;
    let lock = lock::acquire(conn, options, progress).await?;
    let waited = lock.waited;
    let outcome = recover_all(conn, migrations, how, options, progress).await;
    let done = lock.release(conn, outcome).await?;
    Ok(Report { done, waited })
}

async fn recover_all(
    conn: &mut PgConnection,
    migrations: &Migrations,
    how: Recover,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<Done>, Error> {
    let history = migrations.history();
    let applied = history.read(conn).await?;
    let before = Settings::read(conn).await?;
    let outcome = async {
        let mut runner = Runner::open(conn, history, options, progress).await?;
        let mut done = Vec::new();
        let half = |row: &&Applied| matches!(row.outcome, Outcome::Running | Outcome::Reverting);
        for row in applied.iter().filter(half) {
            let migration =
                migrations.iter().find(|file| file.id == row.id).ok_or_else(|| Error::Unrecoverable {
                    label: row.label.clone(),
                    undo: how.way == Way::Undo,
                    reason: "it is not among the files; restore it".to_owned(),
                })?;
            let start = Instant::now();
            one(&mut runner, migration, row, how).await?;
            let (id, label) = (migration.id.clone(), migration.label.clone());
            done.push(Done { id, label, execution: start.elapsed() });
        }
        rebuild_invalid(&mut runner).await?;
        Ok(done)
    };
    let outcome: Result<_, Error> = outcome.await;
    let restored = before.restore(conn).await;
    let done = outcome?;
    restored?;
    Ok(done)
}

async fn one(
    runner: &mut Runner<'_>,
    migration: &Migration,
    row: &Applied,
    how: Recover,
) -> Result<(), Error> {
    let direction = if row.outcome == Outcome::Running { Direction::Up } else { Direction::Down };
    let script = match direction {
        Direction::Up => &migration.up,
        Direction::Down => {
            migration.down.as_ref().ok_or_else(|| Error::NoDown { labels: vec![migration.label.clone()] })?
        }
    };
    refuse_changed(runner, migration, row, script, direction).await?;
    // Names without a schema are looked for as the file has it.
    runner.replay_settings(script, row.statements_done).await?;
    let done = settle(runner, migration, script, row, how).await?;
    // Half reverted, the way on is the way back; undoing that is to apply it anew.
    if how.way == Way::Undo && direction == Direction::Up {
        return undo(runner, migration, done).await;
    }
    if done == 0 && direction == Direction::Up {
        runner.history.end(runner.conn, &row.id, Ended::Superseded).await?;
    }
    let alone = row.statement_alone.filter(|at| *at >= done);
    runner.run(migration, direction, Rest { from: done, alone }).await?;
    Ok(())
}

/// What was done must still be what the file says first: then the rest of the file is the rest to do.
async fn refuse_changed(
    runner: &mut Runner<'_>,
    migration: &Migration,
    row: &Applied,
    script: &Script,
    direction: Direction,
) -> Result<(), Error> {
    if direction == Direction::Up && row.checksum == migration.checksum() {
        return Ok(());
    }
    let before = runner.history.text_of(runner.conn, &row.id, direction).await?;
    let before = before.and_then(|text| split(&text, 1).ok()).unwrap_or_default();
    let now = script.statements();
    let same = before.len() >= row.statements_done
        && now.len() >= row.statements_done
        && (0..row.statements_done).all(|at| before[at].text == now[at].text);
    if same {
        return Ok(());
    }
    Err(Error::Unrecoverable {
        label: row.label.clone(),
        undo: false,
        reason: format!(
            "its first {} statements are done and were changed in {} since; restore them, and change what comes after",
            row.statements_done, script.file
        ),
    })
}

/// How many statements are done, once it is known of the one that was under way.
async fn settle(
    runner: &mut Runner<'_>,
    migration: &Migration,
    script: &Script,
    row: &Applied,
    how: Recover,
) -> Result<usize, Error> {
    let done = row.statements_done;
    let learned = row.statement_alone.into_iter().collect();
    let alone = script.segments(&learned).segments.contains(&Segment::Alone(done));
    let Some(statement) = script.statements().get(done) else { return Ok(done) };
    let effect = effect(&statement.text);
    if !alone {
        // It shares its transaction with the record, unless the server refused it in one.
        return Ok(done);
    }
    wait_for_builders(runner, &effect).await?;
    if let Some(what) = drop_invalid(runner.conn, &runner.history, &row.id, &effect).await? {
        (runner.tell)(&Event::Mended { what: &what });
        return Ok(done);
    }
    if finish_detach(runner.conn, &effect).await? {
        let what = format!("{}: finished to {}", migration.label, statement.summary());
        (runner.tell)(&Event::Mended { what: &what });
    }
    let happened = match known(runner, row, &effect).await? {
        // One that failed with an error did not happen, whatever else is there under its name.
        Some(happened) => happened && (row.error.is_none() || matches!(effect, Effect::Detach { .. })),
        None => how.statement_ran.ok_or_else(|| Error::Undecided {
            label: migration.label.clone(),
            file: script.file.clone(),
            statement: done + 1,
            summary: statement.summary(),
        })?,
    };
    if happened {
        runner.history.progress(runner.conn, &row.id, done + 1, None).await?;
    }
    Ok(done + usize::from(happened))
}

/// The session of a client that died may still be at work.
async fn wait_for_builders(runner: &mut Runner<'_>, effect: &Effect) -> Result<(), Error> {
    let Effect::CreateIndex { table, .. } = effect else { return Ok(()) };
    let start = Instant::now();
    let during = || Error::during(format!("ask who builds an index of {table}"));
    loop {
        let busy: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass($1))",
        )
        .persistent(false)
        .bind(table)
        .fetch_one(&mut *runner.conn)
        .await
        .map_err(during())?;
        if !busy || start.elapsed() > runner.options.lock_deadline {
            return Ok(());
        }
        sleep(jittered(Duration::from_millis(300))).await;
    }
}

/// Whether a statement had its effect; `None` where nothing tells.
async fn known(runner: &mut Runner<'_>, row: &Applied, effect: &Effect) -> Result<Option<bool>, Error> {
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
    let during = || Error::during(format!("look for an invalid index of {table}"));
    let sql = format!(
        "SELECT indexrelid::regclass::text FROM pg_index AS made JOIN pg_class AS class ON class.oid = indexrelid \
         WHERE indrelid = to_regclass($1) AND NOT indisvalid AND class.relkind = 'i' \
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS build WHERE build.relid = indrelid) \
           AND CASE WHEN $2::text IS NULL \
               THEN EXISTS (SELECT FROM {history} AS record WHERE record.id = $3 AND {live} \
                            AND age(made.xmin) <= age(record.xmin)) \
               ELSE class.relname = (parse_ident($2))[1] END",
        live = HistoryTable::IS_LIVE,
    );
    let invalid: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .persistent(false)
        .bind(table)
        .bind(name)
        .bind(id.as_str())
        .fetch_all(&mut *conn)
        .await
        .map_err(during())?;
    for index in &invalid {
        drop_index(conn, index).await?;
    }
    Ok((!invalid.is_empty()).then(|| format!("dropped the invalid index {}", invalid.join(", "))))
}

/// Finishes to detach a partition of which that was begun; says whether there was one.
pub(super) async fn finish_detach(conn: &mut PgConnection, effect: &Effect) -> Result<bool, Error> {
    let Effect::Detach { partition } = effect else { return Ok(false) };
    let during = || Error::during(format!("finish to detach {partition}"));
    let found: Option<(String, String)> = sqlx::query_as(
        "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits \
         WHERE inhrelid = to_regclass($1) AND inhdetachpending",
    )
    .persistent(false)
    .bind(partition)
    .fetch_optional(&mut *conn)
    .await
    .map_err(during())?;
    let Some((parent, quoted)) = found else { return Ok(false) };
    let sql = format!("ALTER TABLE {parent} DETACH PARTITION {quoted} FINALIZE");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(during())?;
    Ok(true)
}

async fn drop_index(conn: &mut PgConnection, quoted: &str) -> Result<(), Error> {
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
    let happened = sqlx::query_scalar(sql)
        .persistent(false)
        .bind(name)
        .bind(more)
        .fetch_one(conn)
        .await
        .map_err(Error::during("ask whether the statement under way has run"))?;
    Ok(Some(happened))
}

/// Objects that are not there are what an undone migration looks like.
const NOT_THERE: [&str; 6] = ["42P01", "42703", "42704", "42883", "3F000", "3D000"];

/// Undoes the first `done` statements by the way back, of which what was never made is passed over.
async fn undo(runner: &mut Runner<'_>, migration: &Migration, done: usize) -> Result<(), Error> {
    match &migration.down {
        _ if done == 0 => {}
        Some(down) => {
            let up = migration.up.statements();
            let is_ours = |statement: &&Statement| !matches!(statement.class, Class::Begin | Class::Commit);
            let todo = || down.statements().iter().enumerate().filter(|(_, statement)| is_ours(statement));
            // Before anything is undone, it is known of all of it.
            if let Some((_, statement)) =
                todo().find(|(_, statement)| undoing(up, done, statement) == Undoing::Refuse)
            {
                let reason = format!(
                    "only its first {done} statements are done, and what line {} of {} does ({}) may not undo them; finish \
                     the migration and revert it then, or write a way back for these statements alone",
                    statement.line,
                    down.file,
                    statement.summary()
                );
                return Err(Error::Unrecoverable { label: migration.label.clone(), undo: true, reason });
            }
            for (at, statement) in todo() {
                if undoing(up, done, statement) == Undoing::Run {
                    undo_statement(runner, migration, down, at).await?;
                }
            }
        }
        None => undo_indexes(runner, migration, done).await?,
    }
    runner.history.end(runner.conn, &migration.id, Ended::Reverted).await
}

/// One statement of the way back, which lets others pass while it waits for a lock.
async fn undo_statement(
    runner: &mut Runner<'_>,
    migration: &Migration,
    down: &Script,
    at: usize,
) -> Result<(), Error> {
    let (began, label) = (Instant::now(), &migration.label);
    for attempt in 1.. {
        runner.limit_locks(runner.options.lock_timeout).await?;
        let sent = send(runner.conn, down, at..at + 1, Left::Half, label, &mut |_| {}).await;
        runner.settings_after_alone().await?;
        match sent {
            Err(Error::Statement(error)) if NOT_THERE.contains(&error.sqlstate.as_str()) => {
                let what = format!("{label}: nothing to undo for {}", error.summary);
                (runner.tell)(&Event::Mended { what: &what });
            }
            Err(error) if is_worth_it(&error) => {
                runner.pause(label, began, attempt, error, &[]).await?;
                continue;
            }
            sent => sent?,
        }
        break;
    }
    Ok(())
}

/// Without a way back, indexes can still be dropped, if there is nothing else to undo.
async fn undo_indexes(runner: &mut Runner<'_>, migration: &Migration, done: usize) -> Result<(), Error> {
    let mut names = Vec::new();
    for statement in &migration.up.statements()[..done] {
        match effect(&statement.text) {
            Effect::CreateIndex { name: Some(name), table } => names.push((name, table)),
            Effect::Repeatable => {}
            _ => {
                return Err(Error::Unrecoverable {
                    label: migration.label.clone(),
                    undo: true,
                    reason: format!(
                        "there is no way back for {} on line {}; write its down.sql, or finish it",
                        statement.summary(),
                        statement.line
                    ),
                });
            }
        }
    }
    for (name, table) in names {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid \
             WHERE indrelid = to_regclass($1) AND class.relname = (parse_ident($2))[1]",
        )
        .persistent(false)
        .bind(&table)
        .bind(&name)
        .fetch_optional(&mut *runner.conn)
        .await
        .map_err(Error::during(format!("look for the index {name}")))?;
        if let Some(quoted) = found {
            drop_index(runner.conn, &quoted).await?;
        }
    }
    Ok(())
}

/// Indexes that no query uses and every write pays for, whoever left them: what a concurrent rebuild left behind is
/// dropped, the others are rebuilt.
async fn rebuild_invalid(runner: &mut Runner<'_>) -> Result<(), Error> {
    let invalid: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexrelid::regclass::text, class.relname::text FROM pg_index \
         JOIN pg_class AS class ON class.oid = indexrelid \
         WHERE NOT indisvalid AND class.relkind = 'i' AND class.relpersistence <> 't' \
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS build WHERE build.index_relid = indexrelid) \
         ORDER BY 1",
    )
    .persistent(false)
    .fetch_all(&mut *runner.conn)
    .await
    .map_err(Error::during("look for invalid indexes"))?;
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
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT made.indexrelid::regclass::text FROM pg_index AS made \
         JOIN pg_class AS class ON class.oid = made.indexrelid JOIN pg_index AS broken USING (indrelid) \
         JOIN pg_class AS old ON old.oid = broken.indexrelid \
         WHERE broken.indexrelid = to_regclass($1) AND NOT made.indisvalid \
           AND class.relname ~ '_ccnew[0-9]*$' AND starts_with(class.relname, left(old.relname, 40))",
    )
    .persistent(false)
    .bind(quoted)
    .fetch_all(&mut *conn)
    .await
    .unwrap_or_default();
    for index in &left {
        let _ = drop_index(conn, index).await;
    }
    Err(Error::during(format!("rebuild the invalid index {quoted}"))(error))
}
