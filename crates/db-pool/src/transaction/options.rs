//! What kind of transaction, and how often it may be run again.

use crate::AcquireOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use std::num::NonZeroU32;

/// What a transaction sees of others. <https://www.postgresql.org/docs/current/transaction-iso.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first began; a conflicting write fails with 40001.
    RepeatableRead,
    /// As if transactions ran one after another; one that cannot be put in any order fails with 40001.
    Serializable,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    ReadWrite,
    /// The server refuses writes.
    ReadOnly,
    /// Read-only and serializable, after waiting for a moment from which it cannot fail: for long reports.
    ReadOnlyDeferrable,
}

/// The kind of a transaction; what is not said is as the server has it.
#[derive(Clone, Copy, Debug)]
pub struct TransactionOptions {
    isolation: Option<Isolation>,
    access: Option<Access>,
    pub(super) attempts: NonZeroU32,
    pub(crate) acquire: AcquireOptions,
}

const ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");

impl Default for TransactionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TransactionOptions {
    /// As the server has it; a closure is run up to five times.
    #[must_use]
    pub const fn new() -> Self {
        Self { isolation: None, access: None, attempts: ATTEMPTS, acquire: AcquireOptions::new() }
    }

    /// What it sees of others.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Whether it may write.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// How often [`Pool::transaction`](crate::Pool::transaction) may run its closure in all, when the server ends it by a
    /// conflict; one is never again.
    #[must_use]
    pub fn attempts(mut self, attempts: NonZeroU32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How to wait for the connection.
    #[must_use]
    pub fn acquire(mut self, options: AcquireOptions) -> Self {
        self.acquire = options;
        self
    }

    /// The statement that begins it; `None` for a plain `BEGIN`.
    pub(super) fn statement(&self) -> Option<SqlStr> {
        let isolation = match (self.isolation, self.access) {
            (_, Some(Access::ReadOnlyDeferrable)) | (Some(Isolation::Serializable), _) => {
                " ISOLATION LEVEL SERIALIZABLE"
            }
            (Some(Isolation::RepeatableRead), _) => " ISOLATION LEVEL REPEATABLE READ",
            (Some(Isolation::ReadCommitted), _) => " ISOLATION LEVEL READ COMMITTED",
            (None, _) => "",
        };
        let access = match self.access {
            Some(Access::ReadWrite) => " READ WRITE",
            Some(Access::ReadOnly) => " READ ONLY",
            Some(Access::ReadOnlyDeferrable) => " READ ONLY DEFERRABLE",
            None => "",
        };
        let plain = isolation.is_empty() && access.is_empty();
        (!plain).then(|| AssertSqlSafe(format!("BEGIN{isolation}{access}")).into_sql_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Isolation, TransactionOptions};

    fn check(options: TransactionOptions, expected: Option<&str>) {
        let statement = options.statement();
        assert_eq!(statement.as_ref().map(|sql| sql.as_str()), expected);
    }

    #[test]
    fn the_statement_says_what_was_asked_for() {
        let plain = TransactionOptions::new();
        check(plain, None);
        check(plain.isolation(Isolation::Serializable), Some("BEGIN ISOLATION LEVEL SERIALIZABLE"));
        check(
            plain.isolation(Isolation::RepeatableRead).access(Access::ReadOnly),
            Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        );
        check(plain.access(Access::ReadWrite), Some("BEGIN READ WRITE"));
        // Deferrable means nothing in a weaker isolation.
        check(
            plain.isolation(Isolation::ReadCommitted).access(Access::ReadOnlyDeferrable),
            Some("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"),
        );
    }
}
