//! Tells of what is refused: an event, a counter, and a fact for whoever audits. Names are told, values never.

use super::recent::Recent;
use crate::access::{Decision, GuardError, NotUnderstood, Refusal};
use chrono::{DateTime, Utc};
use db_core::{AuditFact, AuditOutcome, AuditSink};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What became of statements, since the guard was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardStats {
    /// Statements that the rules let.
    pub allowed: u64,
    /// Statements that were not sent.
    pub refused: u64,
    /// Statements that were let through in observe mode though the rules refuse them, or would keep them to some rows.
    pub observed: u64,
    /// Of those, how many were not told, as the same was told of the same role within the last minute, or too much was.
    pub untold: u64,
    /// Statements that the rules let here and the server refused with 42501: rows that they may not make so, or drift.
    pub refused_by_server: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) allowed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) observed: AtomicU64,
    pub(super) untold: AtomicU64,
    pub(super) refused_by_server: AtomicU64,
    recent: Mutex<Recent>,
}

impl Counters {
    pub(super) fn stats(&self) -> GuardStats {
        GuardStats {
            allowed: self.allowed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            observed: self.observed.load(Relaxed),
            untold: self.untold.load(Relaxed),
            refused_by_server: self.refused_by_server.load(Relaxed),
        }
    }
}

/// What the rules have against a statement.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Denial {
    /// They refuse it.
    Refused(Box<Refusal>),
    /// What it would do cannot be told.
    NotUnderstood(NotUnderstood),
    /// They would keep it to some rows of these tables.
    SomeRows {
        /// The tables, each once.
        tables: Vec<String>,
    },
}

impl Denial {
    pub(super) fn of(decision: Decision) -> Option<Self> {
        match decision {
            Decision::Refused(refusal) => Some(Self::Refused(refusal)),
            Decision::Allowed(rows) if rows.is_empty() => None,
            Decision::Allowed(rows) => {
                let mut tables: Vec<String> = rows.iter().map(|rows| rows.table.to_string()).collect();
                tables.sort_unstable();
                tables.dedup();
                Some(Self::SomeRows { tables })
            }
        }
    }

    fn about(&self) -> (&'static str, &str) {
        match self {
            Self::Refused(refusal) => refusal.about(),
            Self::NotUnderstood(_) => ("sql", ""),
            Self::SomeRows { tables } => ("table", tables.first().map_or("", String::as_str)),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::NotUnderstood(error) => error.to_string(),
            Self::SomeRows { tables } => format!("only some rows of {}", tables.join(", ")),
        }
    }
}

/// Who is told, and about whom.
pub(super) struct Teller<'a> {
    pub(super) counters: &'a Counters,
    pub(super) sink: &'a dyn AuditSink,
    pub(super) role: &'a str,
    pub(super) actor: &'a str,
}

impl Teller<'_> {
    /// A statement that is let through, though the rules have something against it. The same is told once a minute: nothing
    /// was stopped, and it would be told with each statement of a service.
    pub(super) fn observed(&self, denial: &Denial, now: DateTime<Utc>) {
        self.counters.observed.fetch_add(1, Relaxed);
        let why = denial.why();
        let mut recent = self.counters.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = recent.is_due(self.role, &why, now);
        drop(recent);
        if !is_due {
            self.counters.untold.fetch_add(1, Relaxed);
            return;
        }
        match denial {
            Denial::SomeRows { .. } => {
                tracing::info!(role = self.role, why, "access rules would keep a statement to some rows");
            }
            _ => tracing::warn!(role = self.role, why, "access rules would refuse a statement"),
        }
        self.note("access.observed", denial.about(), AuditOutcome::Success, &why);
    }

    /// A statement that is not sent.
    pub(super) fn refused(&self, error: &GuardError) {
        self.counters.refused.fetch_add(1, Relaxed);
        let why = error.to_string();
        tracing::warn!(role = self.role, why, "access rules refuse a statement");
        let about = match error {
            GuardError::Refused(refusal) => refusal.about(),
            GuardError::Rows { table, .. } => ("table", table.as_str()),
            _ => ("sql", ""),
        };
        self.note("access.refused", about, AuditOutcome::Denied, &why);
    }

    /// A statement that was sent, and that the server has refused for want of a right.
    pub(super) fn refused_by_server(&self) {
        self.counters.refused_by_server.fetch_add(1, Relaxed);
        tracing::warn!(role = self.role, "the server refuses a statement that access rules let");
        self.note("access.refused_by_server", ("sql", ""), AuditOutcome::Denied, "SQLSTATE 42501");
    }

    fn note(&self, action: &str, (kind, name): (&str, &str), outcome: AuditOutcome, why: &str) {
        self.sink.note(&AuditFact {
            action,
            entity_type: kind,
            entity_id: name,
            actor: self.actor,
            outcome,
            details: &[("role", self.role), ("why", why)],
        });
    }
}
