//! Why a connection could not be opened, and what that means.

use db_core::{Classify, Retry};
use std::{error::Error, fmt, sync::Arc, time::Duration};

/// Why a connection could not be opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// The kind of failure.
    pub fault: Fault,
    /// Host and port, or the socket's folder, and the database.
    pub server: Arc<str>,
    /// Attempts made before giving up.
    pub attempts: u32,
    /// From the first attempt to the last failure.
    pub elapsed: Duration,
    /// The SQLSTATE, where the server answered.
    pub sqlstate: Option<String>,
    /// The driver's or the password provider's reason.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConnectError {
    /// An error for a store of one's own: one attempt that took `elapsed`.
    #[must_use]
    pub fn new(fault: Fault, server: impl Into<Arc<str>>, elapsed: Duration) -> Self {
        Self { fault, server: server.into(), attempts: 1, elapsed, sqlstate: None, source: None }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, server, attempts, elapsed, .. } = self;
        let plural = if *attempts == 1 { "" } else { "s" };
        write!(f, "cannot connect to {server}: {fault} ({attempts} attempt{plural} in {elapsed:.1?})")
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

impl Classify for ConnectError {
    fn retry(&self) -> Retry {
        self.fault.retry()
    }
}

/// What stood in the way of a connection; each says what to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The host's name leads to no address.
    Unresolved,
    /// Nobody listens at the address or in the socket's folder.
    Refused,
    /// The network fails on the way, or the connection broke during the greeting.
    Unreachable,
    /// No answer within the connect timeout.
    TimedOut,
    /// TLS is required and not offered, or its handshake failed.
    Tls,
    /// The server refused the password (28P01).
    Password,
    /// The server's rules refuse this user, host or database (28000).
    Denied,
    /// The database does not exist (3D000).
    UnknownDatabase,
    /// The server has no connection left (53300).
    TooManyConnections,
    /// The server starts up, shuts down or recovers (57P03).
    NotReady,
    /// The password provider failed.
    Provider,
    /// The server refused for another reason; see the SQLSTATE.
    Server,
    /// The answer was none of PostgreSQL's, or the configuration cannot be used.
    Protocol,
}

impl Fault {
    /// The fault that a SQLSTATE during the greeting means.
    pub(crate) fn of(sqlstate: &str) -> Self {
        match sqlstate {
            "28P01" => Self::Password,
            "28000" => Self::Denied,
            "3D000" => Self::UnknownDatabase,
            "53300" => Self::TooManyConnections,
            "57P03" => Self::NotReady,
            _ => Self::Server,
        }
    }

    /// Whether the next moment may bring another answer; the others need a person.
    #[must_use]
    pub fn passes(self) -> bool {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::TimedOut
            | Self::Unresolved
            | Self::TooManyConnections
            | Self::NotReady
            | Self::Provider => true,
            Self::Tls
            | Self::Password
            | Self::Denied
            | Self::UnknownDatabase
            | Self::Server
            | Self::Protocol => false,
        }
    }

    fn retry(self) -> Retry {
        if self.passes() { Retry::Safe } else { Retry::Never }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "the host name leads to no address",
            Self::Refused => "nobody listens there; is the server running?",
            Self::Unreachable => "the network failed",
            Self::TimedOut => "no answer within the connect timeout",
            Self::Tls => {
                "no TLS session; the server may not offer it, or sslmode or the certificates do not fit"
            }
            Self::Password => "the server refused the password",
            Self::Denied => "the server's access rules (pg_hba.conf) refuse this user",
            Self::UnknownDatabase => "the database does not exist",
            Self::TooManyConnections => "the server has no connection left (max_connections)",
            Self::NotReady => "the server is starting up, shutting down or recovering",
            Self::Provider => "the password provider failed",
            Self::Server => "the server refused",
            Self::Protocol => "the answer was not understood",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, Fault};
    use db_core::{Classify, Retry};
    use std::time::Duration;

    #[test]
    fn the_class_follows_the_fault() {
        for (fault, retry) in [
            (Fault::Refused, Retry::Safe),
            (Fault::TooManyConnections, Retry::Safe),
            (Fault::NotReady, Retry::Safe),
            (Fault::Password, Retry::Never),
            (Fault::UnknownDatabase, Retry::Never),
            (Fault::Tls, Retry::Never),
        ] {
            let error = ConnectError::new(fault, "db:5432/app", Duration::ZERO);
            assert_eq!(error.retry(), retry, "{fault:?}");
        }
    }

    #[test]
    fn the_message_says_where_how_often_and_how_long() {
        let mut error = ConnectError::new(Fault::Refused, "db:5432/app", Duration::from_millis(120));
        error.attempts = 3;
        assert_eq!(
            error.to_string(),
            "cannot connect to db:5432/app: nobody listens there; is the server running? (3 attempts in 120.0ms)"
        );
    }
}
