//! Finishes or undoes what was half done: after a crash, a lost connection, a statement that failed half way.

use super::apply::refuse_read_only;
use super::evidence::{drop_index, drop_invalid, finish_detach, known, wait_for_builders};
use super::rebuild::rebuild_invalid;
use super::retry::is_worth_it;
use super::send::send;
use super::undo::{Undoing, lasting, undoing};
use super::{Direction, Done, Event, Options, Report, Rest, Runner, Settings, lock};
use crate::history::Ended;
use crate::migration::Script;
use crate::script::{Class, Effect, Segment, Statement, effect, split};
use crate::{Applied, Error, Left, Migration, MigrationId, Migrations, Outcome, ask};
use sqlx::PgConnection;
use std::time::Instant;

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
    let mut lock = lock::acquire(conn, options, progress).await?;
    let waited = lock.waited;
    let outcome = lock.keeping(Box::pin(recover_all(conn, migrations, how, options, progress))).await;
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
    let before = Settings::read(conn, options).await?;
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
    // Before anything is concluded from what its session would have shown.
    let segments = script.segments(&row.statement_alone.into_iter().collect()).segments;
    runner.refuse_behind_pooler(script, &segments).await?;
    let done = settle(runner, migration, script, row, how).await?;
    // Half reverted, the way on is the way back; undoing that is to apply it anew.
    if how.way == Way::Undo && direction == Direction::Up {
        return undo(runner, migration, done).await;
    }
    if done == 0 && direction == Direction::Up {
        end(runner, &row.id, Ended::Superseded).await?;
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
        let mut tx = runner.history.begin(runner.conn).await?;
        runner.history.progress(&mut tx, &row.id, done + 1, None).await?;
        runner.history.commit(tx).await?;
    }
    Ok(done + usize::from(happened))
}

/// Objects that are not there are what an undone migration looks like.
const NOT_THERE: [&str; 6] = ["42P01", "42703", "42704", "42883", "3F000", "3D000"];

/// Undoes the first `done` statements by the way back, of which what was never made is passed over.
async fn undo(runner: &mut Runner<'_>, migration: &Migration, done: usize) -> Result<(), Error> {
    match &migration.down {
        _ if done == 0 => {}
        Some(down) if runner.options.is_pooled() => {
            let (file, line) = (down.file.clone(), down.line);
            let (summary, reason) =
                ("the way back".to_owned(), "is half a migration's, each statement with a limit");
            return Err(Error::BehindPooler { file, line, summary, reason });
        }
        Some(down) => {
            let (up, done) = lasting(&migration.up, done);
            let (up, undone) = (up.as_slice(), down.rolled_back());
            let is_control =
                |of: &Statement| matches!(of.class, Class::Begin | Class::Commit | Class::Rollback);
            let is_ours = |(at, of): &(usize, &Statement)| !is_control(of) && !undone.contains(at);
            let todo = || down.statements().iter().enumerate().filter(is_ours);
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
    end(runner, &migration.id, Ended::Reverted).await
}

async fn end(runner: &mut Runner<'_>, id: &MigrationId, ended: Ended) -> Result<(), Error> {
    let mut tx = runner.history.begin(runner.conn).await?;
    runner.history.end(&mut tx, id, ended).await?;
    runner.history.commit(tx).await
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
    let (up, done) = lasting(&migration.up, done);
    for statement in &up[..done] {
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
        let question = sqlx::query_as(
            "SELECT format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname) FROM pg_index \
             JOIN pg_class AS class ON class.oid = indexrelid WHERE indrelid = to_regclass($1) AND class.relname = (parse_ident($2))[1]",
        )
        .bind(&table)
        .bind(&name);
        let found: Vec<(String,)> =
            ask::rows(runner.conn, question, format!("look for the index {name}")).await?;
        for (quoted,) in &found {
            drop_index(runner.conn, quoted).await?;
        }
    }
    Ok(())
}
