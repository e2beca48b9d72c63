//! Behind a pooler that hands out sessions by the transaction no session is ours: what a migration needs of one is set in
//! each of its transactions, and what it has set itself is gone before the next.

use super::Options;
use super::alone::is_discard_all;
use super::settings::{Reach, prepare};
use crate::Error;
use crate::migration::{Body, Script};
use crate::script::{Class, Segment, Statement};
use sqlx::{AssertSqlSafe, PgConnection};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// What is done at either end of a transaction.
pub(super) struct Pooled<'a> {
    pub(super) options: &'a Options,
    /// Takes the number of the session that the transaction is in.
    pub(super) pid: &'a AtomicI32,
}

impl Pooled<'_> {
    /// Sets what the run asks for, and then what the first `done` statements of the script have set.
    pub(super) async fn enter(
        &self,
        tx: &mut PgConnection,
        script: &Script,
        done: usize,
    ) -> Result<(), Error> {
        let pid = prepare(tx, self.options, Reach::Transaction).await?;
        self.pid.store(pid, Relaxed);
        let statements = script.statements()[..done].iter();
        for statement in statements.filter(|statement| statement.class == Class::Session) {
            let again = sqlx::raw_sql(AssertSqlSafe(statement.text.to_string())).execute(&mut *tx).await;
            again.map_err(Error::during(format!(
                "run again what line {} of {} sets for the session",
                statement.line, script.file
            )))?;
        }
        Ok(())
    }

    /// Leaves the session as the next client is to find it.
    pub(super) async fn leave(&self, tx: &mut PgConnection, script: &Script) -> Result<(), Error> {
        if changes_session(script) {
            let during = Error::during(format!("reset what {} has set", script.file));
            sqlx::raw_sql(RESET).execute(tx).await.map_err(during)?;
        }
        Ok(())
    }
}

/// What the documentation says that `DISCARD ALL` is, as far as a transaction can undo it, and without forgetting what is
/// prepared: that is the pooler's.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP";

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

/// Refuses what needs the same session from one transaction to the next.
pub(super) fn refuse(script: &Script, segments: &[Segment], options: &Options) -> Result<(), Error> {
    let statements = script.statements();
    let wrong = |at: usize, reason: &'static str| {
        let (file, line, summary) = (script.file.clone(), statements[at].line, statements[at].summary());
        Err(Error::BehindPooler { file, line, summary, reason })
    };
    for segment in segments {
        let before = &statements[..segment.range().start];
        let is_there = |class: Class| before.iter().any(|statement| statement.class == class);
        if is_there(Class::Temporary) {
            return wrong(segment.range().start, "comes after what is gone with its session");
        }
        let Segment::Alone(at) = *segment else { continue };
        if is_discard_all(&statements[at]) {
            continue;
        }
        if is_there(Class::Session) {
            return wrong(at, "runs by itself and needs what the file has set for its session");
        }
        if options.search_path.is_some() || options.statement_timeout.is_some() {
            return wrong(at, "runs by itself, and neither a search path nor a timeout can be set for it");
        }
        if !lets_others_pass(&statements[at]) {
            return wrong(at, "runs by itself, and no limit can be set to how long others wait behind it");
        }
    }
    match statements.iter().position(|statement| first_words(statement)[0] == "PREPARE") {
        Some(at) => wrong(at, "would outlast its transaction"),
        None => Ok(()),
    }
}

/// Whether nobody has to wait behind it, however long it waits itself.
fn lets_others_pass(statement: &Statement) -> bool {
    let says = |word: &str| statement.text.to_ascii_uppercase().contains(word);
    let words = first_words(statement);
    match [&*words[0], &*words[1]] {
        ["CREATE" | "DROP", _] | ["ALTER", "SYSTEM"] => true,
        ["ALTER", "TABLE"] | ["REINDEX", _] => says("CONCURRENTLY"),
        ["VACUUM", _] => !says("FULL"),
        _ => false,
    }
}

fn first_words(statement: &Statement) -> [String; 2] {
    let mut words = statement.text.split_ascii_whitespace().map(str::to_ascii_uppercase);
    std::array::from_fn(|_| words.next().unwrap_or_default())
}
