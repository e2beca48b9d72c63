//! Limits and rules of a run.

use crate::{Rules, Server};
use std::time::Duration;

/// Limits and rules of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may be applied.
    pub rules: Rules,
    /// For how long a statement may wait for a lock on a table before it gives up and tries again: everybody who comes
    /// later waits behind it. 100 ms unless told. Not for statements such as `CREATE INDEX CONCURRENTLY`, behind which
    /// nobody waits.
    pub lock_timeout: Duration,
    /// For how long a migration may try to get its locks; 10 min unless told.
    pub lock_deadline: Duration,
    /// For how long a statement may run; without limit unless told.
    pub statement_timeout: Option<Duration>,
    /// For how long another deployment may keep this one waiting; 10 min unless told.
    pub deploy_lock_timeout: Duration,
    /// How deployments keep out of each other's way.
    pub deploy_lock: DeployLock,
    /// The schemas in which names without one are looked for, as in `app, public`; as the session has it unless told.
    pub search_path: Option<String>,
    /// Where a second session can be had: it names who blocks a migration, tells how far an index is, and holds the lock
    /// behind a pooler.
    pub server: Option<Server>,
    /// What is done on a scratch database with statements that act on the whole server.
    pub server_wide: ServerWide,
}

/// What is done on a scratch database with statements that act on the whole server: those about databases, tablespaces,
/// roles and their members, subscriptions, what a role owns anywhere, and the server's settings.
///
/// Only what is written as such a statement is seen, and not what a `DO` block, a function or a migration in Rust does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerWide {
    /// They are refused before anything is run, since nothing would undo them.
    #[default]
    Refuse,
    /// They are run, and what they do stays.
    Run,
}

/// What holds the deploy lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeployLock {
    /// The session that migrates; it goes with that.
    #[default]
    Session,
    /// A transaction of a second session, for a pooler that hands out a server's sessions by the transaction, such as
    /// PgBouncer. Needs [`Options::server`].
    ///
    /// Nothing is counted on from one transaction to the next, and what a migration sets for its session is reset in the
    /// same transaction. What cannot be had that way is refused as [`Error::BehindPooler`](crate::Error::BehindPooler)
    /// before anything of its migration is run: a statement that runs by itself and needs a setting, or behind which
    /// others would wait without a limit. What runs by itself and lets others pass, such as `CREATE INDEX CONCURRENTLY`,
    /// waits itself for as long as it takes: `lock_deadline` cannot be set for it.
    Transaction,
}

impl Options {
    /// Whether no session is ours.
    pub(crate) fn is_pooled(&self) -> bool {
        self.deploy_lock == DeployLock::Transaction
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            lock_timeout: Duration::from_millis(100),
            lock_deadline: Duration::from_secs(600),
            statement_timeout: None,
            deploy_lock_timeout: Duration::from_secs(600),
            deploy_lock: DeployLock::Session,
            search_path: None,
            server: None,
            server_wide: ServerWide::Refuse,
        }
    }
}

/// The server counts whole milliseconds in 31 bits, and takes 0 for no limit, which nobody asks for here.
pub(super) fn in_milliseconds(timeout: Duration) -> String {
    timeout.as_millis().clamp(1, i32::MAX.unsigned_abs().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::in_milliseconds;
    use std::time::Duration;

    #[test]
    fn no_timeout_means_no_limit() {
        assert_eq!(in_milliseconds(Duration::ZERO), "1");
        assert_eq!(in_milliseconds(Duration::from_micros(900)), "1");
        assert_eq!(in_milliseconds(Duration::from_secs(5)), "5000");
        assert_eq!(in_milliseconds(Duration::MAX), "2147483647");
    }
}
