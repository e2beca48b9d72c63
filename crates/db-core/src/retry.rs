//! How an error may be retried: decided once, where the error is made.

/// What has to happen before the failed operation may be tried again.
///
/// One loop in each program retries; everything else passes the class on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing had an effect: the same operation may be sent again as it is.
    Safe,
    /// The connection is spent; an idempotent operation may be sent again on a new one.
    Reconnect,
    /// The transaction was rolled back by the server: all of it may be run again from its start.
    Transaction,
    /// Trying again gives the same answer, or might do the work twice.
    Never,
}

impl Retry {
    /// Classifies a PostgreSQL SQLSTATE.
    ///
    /// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes". Codes that may follow a commit whose
    /// outcome is unknown (such as 08007) are `Never`: only the caller knows whether the work was idempotent.
    #[must_use]
    pub fn of_sqlstate(code: &str) -> Self {
        match code {
            // Serialization failure, deadlock: the server rolled back; run the transaction again.
            "40001" | "40P01" => Self::Transaction,
            // Lock not available, too many connections, cannot connect now (starting up, shutting down).
            "55P03" | "53300" | "57P03" => Self::Safe,
            // The session ended under us (shutdown, crash, dropped database), the node became read-only, or the
            // password changed.
            "57P01" | "57P02" | "57P05" | "25006" | "28P01" | "08000" | "08001" | "08003" | "08004"
            | "08006" => Self::Reconnect,
            _ => Self::Never,
        }
    }
}

/// Implemented by every error type of this workspace.
pub trait Classify {
    /// The class that was decided where the error was made.
    fn retry(&self) -> Retry;
}

#[cfg(test)]
mod tests {
    use super::Retry;

    #[test]
    fn classifies_by_what_the_server_did() {
        for (code, expected) in [
            ("40001", Retry::Transaction),
            ("40P01", Retry::Transaction),
            ("55P03", Retry::Safe),
            ("53300", Retry::Safe),
            ("57P01", Retry::Reconnect),
            ("25006", Retry::Reconnect),
            ("28P01", Retry::Reconnect),
            ("08007", Retry::Never),
            ("23505", Retry::Never),
            ("", Retry::Never),
        ] {
            assert_eq!(Retry::of_sqlstate(code), expected, "{code}");
        }
    }
}
