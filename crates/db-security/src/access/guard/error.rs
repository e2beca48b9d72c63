//! Why a statement of a subject was not done.

use crate::access::{Error, NotUnderstood, Refusal};
use db_core::{Classify, Retry};
use db_query::BuildError;

/// Error of everything that is run through a [`Guard`](super::Guard).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The rules refuse it; nothing was sent.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// What a text of SQL would do cannot be told, so no rule lets it; nothing was sent.
    #[error("refused, as what it would do cannot be told: {0}")]
    NotUnderstood(NotUnderstood),
    /// Rules show only some rows of the table, the server does not see to that, and it cannot be written into this
    /// statement; nothing was sent.
    #[error(
        "refused: rules show role {role:?} only some rows of {table}, and neither does the server hold to that nor can {of} \
         be kept to it; apply the rules to the database (`db access apply`), then read them anew"
    )]
    Rows {
        /// The role.
        role: String,
        /// The table.
        table: String,
        /// What cannot be kept to them.
        of: &'static str,
        /// Why not, where the statement's form is the reason.
        #[source]
        source: Option<Box<BuildError>>,
    },
    /// The pool's login may not act as the subject's role, or there is no such role.
    #[error(
        "the pool's login cannot act as role {role:?} of the rules (SQLSTATE {sqlstate}); where the role is not there, apply the \
         rules (`db access apply`), else GRANT it to the login"
    )]
    Role {
        /// The role.
        role: String,
        /// 22023 where there is no such role, 42501 where the login is no member of it.
        sqlstate: String,
        /// The pool's error.
        #[source]
        source: Box<db_pool::Error>,
    },
    /// The pool or the server failed; 42501 is the server's own refusal.
    #[error("the statement was not done")]
    Pool(#[source] db_pool::Error),
    /// The rules cannot be used.
    #[error("the access rules cannot be used")]
    Rules(#[from] Error),
}

impl GuardError {
    /// Whether rules are the reason, be it here or in the server.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NotUnderstood(_) | Self::Rows { .. } => true,
            Self::Pool(error) => is_denied(error),
            Self::Role { .. } | Self::Rules(_) => false,
        }
    }
}

/// Whether the server has refused for want of a right.
fn is_denied(error: &db_pool::Error) -> bool {
    matches!(error, db_pool::Error::Statement { sqlstate: Some(code), .. } if code == "42501")
}

impl From<db_pool::Error> for GuardError {
    fn from(error: db_pool::Error) -> Self {
        match error {
            db_pool::Error::Role { ref role, ref sqlstate, .. } => {
                Self::Role { role: role.clone(), sqlstate: sqlstate.clone(), source: Box::new(error) }
            }
            error => Self::Pool(error),
        }
    }
}

impl Classify for GuardError {
    fn retry(&self) -> Retry {
        match self {
            Self::Pool(error) => error.retry(),
            Self::Rules(error) => error.retry(),
            Self::Refused(_) | Self::NotUnderstood(_) | Self::Rows { .. } | Self::Role { .. } => Retry::Never,
        }
    }
}
