//! Behind a pooler that hands out sessions by the transaction no session is ours: what a migration needs of one is set in
//! each of its transactions, and what it has set itself is gone before the next.

use super::Options;
use super::alone::is_discard_all;
use super::options::in_milliseconds;
use super::settings::{Reach, prepare};
use crate::migration::{Body, Script};
use crate::script::{Class, Segment, Statement};
use crate::{Error, Left};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// What is done at either end of a transaction.
pub(super) struct Pooled<'a> {
    pub(super) options: &'a Options,
    /// Takes the number of the session that the transaction is in, while it is.
    pub(super) pid: &'a AtomicI32,
}

/// The session is somebody else's when this is dropped.
pub(super) struct Entered<'a>(&'a AtomicI32);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
    }
}

impl<'a> Pooled<'a> {
    /// Sets what the run asks for, and what the first `done` statements of the script have set.
    pub(super) async fn enter(
        &self,
        tx: &mut PgConnection,
        script: &Script,
        done: usize,
    ) -> Result<Entered<'a>, Error> {
        let entered = Entered(self.pid);
        let during = || Error::during(format!("set up a transaction for {}", script.file));
        if chooses_isolation(script) {
            // A question would choose it.
            let timeout = self.options.statement_timeout.map_or_else(|| "0".to_owned(), in_milliseconds);
            let set = format!(
                "SET LOCAL statement_timeout = {timeout}; SET LOCAL idle_in_transaction_session_timeout = 0"
            );
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await.map_err(during())?;
        } else {
            let pid = prepare(tx, self.options, Reach::Transaction).await?;
            self.pid.store(pid, Relaxed);
        }
        let undone = script.rolled_back();
        let mut again = String::new();
        for (at, statement) in script.statements()[..done].iter().enumerate() {
            if statement.class == Class::Session && !undone.contains(&at) {
                again.push_str(&statement.text);
                again.push_str(";\n");
            }
        }
        if !again.is_empty() {
            // The file's own limit was for its own transaction.
            let timeout = in_milliseconds(self.options.lock_timeout);
            let again = format!("{again}SET LOCAL lock_timeout = {timeout}");
            sqlx::raw_sql(AssertSqlSafe(again)).execute(tx).await.map_err(during())?;
        }
        Ok(entered)
    }

    /// Leaves the session as the next client is to find it.
    pub(super) async fn leave(
        &self,
        tx: &mut PgConnection,
        script: &Script,
        label: &str,
    ) -> Result<(), Error> {
        // What is deferred is to be checked under the settings of the file, as its commit would.
        let checked = sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *tx).await;
        checked.map_err(|source| Error::Commit { label: label.to_owned(), left: Left::Nothing, source })?;
        let during = Error::during(format!("reset what {} has set", script.file));
        sqlx::raw_sql(RESET).execute(tx).await.map(drop).map_err(during)
    }

    /// Forgets statements that code has prepared under names: another session knows nothing of them.
    pub(super) async fn forget_prepared(&self, tx: &mut PgConnection) -> Result<(), Error> {
        tx.clear_cached_statements().await.map_err(Error::during("forget what is prepared"))
    }
}

/// What the documentation says that `DISCARD ALL` is, as far as a transaction can do it, and without forgetting what is
/// prepared: that is the pooler's.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
    SELECT pg_advisory_unlock_all(); DISCARD TEMP";

/// Whether something of a script may outlast its transaction.
pub(super) fn changes_session(script: &Script) -> bool {
    // What pg_dump writes begins by emptying the search path, for the whole session.
    let changes = |statement: &Statement| {
        matches!(statement.class, Class::Session | Class::Temporary)
            || is_discard_all(statement)
            || statement.text.to_ascii_lowercase().contains("set_config")
    };
    match &script.body {
        Body::Sql(statements) => statements.iter().any(changes),
        Body::Code(_) => true,
    }
}

fn chooses_isolation(script: &Script) -> bool {
    script.statements().iter().any(|statement| {
        let words = words(statement);
        words.starts_with(&["SET".to_owned(), "TRANSACTION".to_owned()])
            || words.windows(2).any(|pair| pair == ["ISOLATION", "LEVEL"])
    })
}

/// Refuses a script around migrations that sets something for them.
pub(super) fn refuse_around(script: &Script) -> Result<(), Error> {
    let sets = |statement: &Statement| {
        statement.class == Class::Session || statement.class == Class::Temporary && outlasts(statement)
    };
    match script.statements().iter().position(sets) {
        Some(at) => Err(refused(script, at, "is meant to last until the migrations that come after it")),
        None => Ok(()),
    }
}

/// Refuses what needs the same session from one transaction to the next.
pub(super) fn refuse(script: &Script, segments: &[Segment], options: &Options) -> Result<(), Error> {
    let statements = script.statements();
    let wrong = |at: usize, reason: &'static str| Err(refused(script, at, reason));
    for segment in segments {
        let before = &statements[..segment.range().start];
        let lasts = |statement: &Statement| statement.class == Class::Temporary && outlasts(statement);
        if before.iter().any(lasts) {
            return wrong(segment.range().start, "comes after what is gone with its session");
        }
        let Segment::Alone(at) = *segment else { continue };
        if is_discard_all(&statements[at]) {
            continue;
        }
        if before.iter().any(|statement| statement.class == Class::Session) {
            return wrong(at, "runs by itself and needs what the file has set for its session");
        }
        if options.search_path.is_some() || options.statement_timeout.is_some() {
            return wrong(at, "runs by itself, and neither a search path nor a timeout can be set for it");
        }
        if !lets_others_pass(&statements[at]) {
            return wrong(at, "runs by itself, and no limit can be set to how long others wait behind it");
        }
    }
    if options.search_path.is_some() && chooses_isolation(script) {
        return wrong(0, "is in a file that chooses its isolation before anything else can be set");
    }
    match statements
        .iter()
        .position(|statement| words(statement).first().is_some_and(|word| word == "PREPARE"))
    {
        Some(at) => wrong(at, "would outlast its transaction"),
        None => Ok(()),
    }
}

pub(super) fn refused(script: &Script, at: usize, reason: &'static str) -> Error {
    let statement = script.statements().get(at);
    let line = statement.map_or(script.line, |statement| statement.line);
    let summary = statement.map_or_else(String::new, Statement::summary);
    Error::BehindPooler { file: script.file.clone(), line, summary, reason }
}

/// Whether something temporary is still there after its transaction.
fn outlasts(statement: &Statement) -> bool {
    let words = words(statement);
    let says = |phrase: &[&str]| words.windows(phrase.len()).any(|found| found == phrase);
    match words.first().map(String::as_str) {
        Some("DECLARE") => says(&["WITH", "HOLD"]),
        _ => !says(&["ON", "COMMIT", "DROP"]),
    }
}

/// Whether nobody has to wait behind it, however long it waits itself.
fn lets_others_pass(statement: &Statement) -> bool {
    let words = words(statement);
    let says = |word: &str| words.iter().any(|found| found == word);
    match words.iter().map(String::as_str).take(2).collect::<Vec<_>>().as_slice() {
        ["CREATE" | "DROP", _] | ["ALTER", "SYSTEM"] => true,
        ["ALTER", "TABLE"] | ["REINDEX", _] => says("CONCURRENTLY"),
        ["VACUUM", ..] => !says("FULL"),
        _ => false,
    }
}

/// Its words in capitals, without what stands between them.
fn words(statement: &Statement) -> Vec<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let words = statement.text.split(|letter| !is_part(letter)).filter(|word| !word.is_empty());
    words.map(str::to_ascii_uppercase).collect()
}
