//! What is measured of a statement: a span, a duration for the recorder, and an event when it was slow. A pool without
//! recorder and threshold, in a program without a subscriber for spans, measures nothing and reads no clock.

use super::{shape::shape, statement::Statement};
use crate::{Lease, shared::Shared, stats::tally};
use sqlx::SqlStr;
use std::{
    panic::Location,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::Span;

/// Characters of a statement's shape in an event or an error.
pub(crate) const SHAPE: usize = 500;

/// The clock of one statement; nothing where nobody wants to know. It is read when it is dropped, so that a statement
/// whose future was dropped is measured as well.
pub(crate) struct Watch(Option<Box<Clock>>);

struct Clock {
    shared: Arc<Shared>,
    sql: SqlStr,
    site: &'static Location<'static>,
    started: Instant,
    leased: Instant,
    connecting: Duration,
    decoding: Duration,
    rows: u64,
    outcome: Outcome,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Cut,
    Failed,
    Done,
}

impl Watch {
    /// Starts the clock if anybody wants to know.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        statement: &Statement,
        site: &'static Location<'static>,
    ) -> Self {
        if shared.config.slow_threshold.is_none() && shared.config.recorder.is_none() {
            return Self(None);
        }
        let now = Instant::now();
        Self(Some(Box::new(Clock {
            shared: Arc::clone(shared),
            sql: statement.sql_str(),
            site,
            started: now,
            leased: now,
            connecting: Duration::ZERO,
            decoding: Duration::ZERO,
            rows: 0,
            outcome: Outcome::Cut,
        })))
    }

    /// The connection is there. What of the wait was spent on opening it, is told by its age.
    pub(crate) fn leased(&mut self, lease: &Lease) {
        let Some(clock) = &mut self.0 else { return };
        clock.leased = Instant::now();
        let conn = lease.held().conn();
        if conn.opened > clock.started {
            clock.connecting = conn.open_took.min(clock.leased.saturating_duration_since(clock.started));
        }
    }

    pub(crate) fn rows(&mut self, rows: usize) {
        if let Some(clock) = &mut self.0 {
            clock.rows += rows as u64;
        }
    }

    /// Runs the decoding of rows on the clock.
    pub(crate) fn decoding<T>(&mut self, decode: impl FnOnce() -> T) -> T {
        let Some(clock) = &mut self.0 else { return decode() };
        let started = Instant::now();
        let result = decode();
        clock.decoding += started.elapsed();
        result
    }

    /// The statement is over, well or not.
    pub(crate) fn over<T, E>(&mut self, result: &Result<T, E>) {
        if let Some(clock) = &mut self.0 {
            clock.outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let config = &self.shared.config;
        if let Some(recorder) = &config.recorder {
            let operation = ("db.operation.name", operation(self.sql.as_str()));
            // The name is stable in OpenTelemetry's conventions; it covers the call as the caller sees it.
            const NAME: &str = "db.client.operation.duration";
            match self.outcome {
                Outcome::Done => recorder.timing(NAME, &[operation], total),
                Outcome::Failed => recorder.timing(NAME, &[operation, ("error.type", "failed")], total),
                Outcome::Cut => recorder.timing(NAME, &[operation, ("error.type", "cancelled")], total),
            }
        }
        if config.slow_threshold.is_some_and(|threshold| total >= threshold) {
            tally(&self.shared.counters.slow_statements);
            let leasing = self.leased.saturating_duration_since(self.started);
            tracing::warn!(
                target: "db_pool::slow",
                shape = %shape(self.sql.as_str(), SHAPE),
                ?total,
                wait = ?leasing.saturating_sub(self.connecting),
                connect = ?self.connecting,
                execute = ?total.saturating_sub(leasing).saturating_sub(self.decoding),
                decode = ?self.decoding,
                rows = self.rows,
                outcome = ?self.outcome,
                called_at = %self.site,
                "slow statement"
            );
        }
    }
}

/// A span for one statement, as OpenTelemetry names its parts; nothing where nobody listens.
pub(crate) fn span(statement: &Statement) -> Span {
    if !tracing::enabled!(target: "db_pool::statement", tracing::Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(
        target: "db_pool::statement",
        "statement",
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = operation(statement.text()),
        db.query.text = %shape(statement.text(), SHAPE),
    )
}

/// The first word of a statement, from a fixed set.
fn operation(sql: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "COPY", "BEGIN", "COMMIT", "ROLLBACK",
        "SET", "CREATE", "ALTER", "DROP",
    ];
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_operation_is_one_of_few() {
        for (sql, expected) in [
            ("select 1", "SELECT"),
            ("  INSERT INTO t", "INSERT"),
            ("vacuum", "OTHER"),
            ("", "OTHER"),
            ("SELECTED", "OTHER"),
            ("/* note */ SELECT 1", "OTHER"),
        ] {
            assert_eq!(super::operation(sql), expected, "{sql:?}");
        }
    }
}
