//! What Redis says when it does not do what it was asked, and what follows from it. Pure.

use db_core::KeyValueError;
use redis::{RedisError, ServerError};

/// Why nothing came of a command, told to everybody who asks while that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer.
    Unavailable(String),
    /// This answer.
    Refused(String),
}

impl Fault {
    pub(crate) fn into_error(self, store: &str) -> KeyValueError {
        let store = store.to_owned();
        match self {
            Self::Unavailable(reason) => KeyValueError::Unavailable { store, source: reason.into() },
            Self::Refused(reason) => KeyValueError::Refused { store, reason },
        }
    }

    /// What kept a connection from coming about. The credentials are in none of these texts.
    pub(crate) fn of_connecting(error: &RedisError, to: &str) -> Self {
        if error.kind() == redis::ErrorKind::AuthenticationFailed {
            return Self::Refused(format!("{to} refuses the user's name or the password"));
        }
        match error.code() {
            Some(code) => Self::Refused(text(code, error.detail())),
            None => Self::Unavailable(format!("no connection to {to}: {error}")),
        }
    }

    pub(crate) fn of_reply(error: &ServerError) -> Self {
        Self::Refused(text(error.code(), error.details()))
    }
}

fn text(code: &str, details: Option<&str>) -> String {
    details.map_or_else(|| code.to_owned(), |details| format!("{code} {details}"))
}

/// What an error reply means for whoever sent the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It serves nobody just now, and would not answer a PING otherwise. Counts as a failure for the breaker; every
    /// other answer is one, and costs nobody the wait that a breaker is there to spare.
    ServesNobody,
    /// It is a replica, so the master is to be looked for.
    NotMaster,
    /// The slot is another node's.
    Moved(String),
    /// The slot is on its way to another node, which has this key.
    Ask(String),
    /// The slot is on its way, and the keys of the command are not all in one place yet.
    TryAgain,
    /// The cluster knows no master of the slot.
    ClusterDown,
    /// It does not know the script (yet, or any more).
    NoScript,
    /// What is under the key is no number, or nothing that is kept as text.
    NotANumber,
    /// The sum does not fit.
    Overflow,
    /// Anything else, such as OOM: it answers, and serves what it still can.
    Other,
}

impl Meaning {
    pub(crate) fn of(error: &ServerError) -> Self {
        Self::read(error.code(), error.details().unwrap_or_default())
    }

    fn read(code: &str, details: &str) -> Self {
        // `<slot> <host>:<port>`.
        let node = || details.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
        match code {
            "LOADING" | "BUSY" | "UNKILLABLE" | "MASTERDOWN" | "NOAUTH" | "WRONGPASS" => Self::ServesNobody,
            "READONLY" => Self::NotMaster,
            "MOVED" => Self::Moved(node()),
            "ASK" => Self::Ask(node()),
            "TRYAGAIN" => Self::TryAgain,
            "CLUSTERDOWN" => Self::ClusterDown,
            "NOSCRIPT" => Self::NoScript,
            "WRONGTYPE" => Self::NotANumber,
            "ERR" if details.contains("not an integer") => Self::NotANumber,
            "ERR" if details.contains("would overflow") => Self::Overflow,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning;

    #[test]
    fn replies_are_told_apart() {
        for (code, details, expected) in [
            ("LOADING", "Redis is loading the dataset in memory", Meaning::ServesNobody),
            ("BUSY", "Redis is busy running a script.", Meaning::ServesNobody),
            ("MASTERDOWN", "Link with MASTER is down", Meaning::ServesNobody),
            ("NOAUTH", "Authentication required.", Meaning::ServesNobody),
            ("WRONGPASS", "invalid username-password pair", Meaning::ServesNobody),
            ("READONLY", "You can't write against a read only replica.", Meaning::NotMaster),
            ("MOVED", "3999 10.0.0.1:6381", Meaning::Moved("10.0.0.1:6381".to_owned())),
            ("MOVED", "3999", Meaning::Moved(String::new())),
            ("ASK", "3999 ::1:6381", Meaning::Ask("::1:6381".to_owned())),
            ("TRYAGAIN", "Multiple keys request during rehashing", Meaning::TryAgain),
            ("CLUSTERDOWN", "Hash slot not served", Meaning::ClusterDown),
            ("NOSCRIPT", "No matching script.", Meaning::NoScript),
            ("ERR", "value is not an integer or out of range", Meaning::NotANumber),
            ("WRONGTYPE", "Operation against a key", Meaning::NotANumber),
            ("ERR", "increment or decrement would overflow", Meaning::Overflow),
            ("OOM", "command not allowed when used memory > 'maxmemory'.", Meaning::Other),
            ("NOPERM", "this user has no permissions", Meaning::Other),
            ("ERR", "unknown command", Meaning::Other),
            ("", "", Meaning::Other),
        ] {
            assert_eq!(Meaning::read(code, details), expected, "{code} {details}");
        }
    }
}
