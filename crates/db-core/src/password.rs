//! The seam through which a password is asked for, so that rotating it needs no restart.

use crate::Secret;
use async_trait::async_trait;

/// An error of somebody else's making, kept whole as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Answers with the password that is valid now.
///
/// `db-config` implements it (static, file, command, callback); the connection store calls it.
#[async_trait]
pub trait PasswordProvider: Send + Sync + std::fmt::Debug {
    /// Called for every new connection, within the store's connect timeout, and once more when the server refuses
    /// the answer with SQLSTATE 28P01. `Ok(None)` means that the server is to be asked without a password; `Err`
    /// fails that connection attempt and nothing else.
    ///
    /// # Cancel safety
    /// Dropping the future must leave nothing running: no child process, no lock.
    ///
    /// # Errors
    /// Whatever kept the provider from answering; the text must not hold the secret.
    async fn password(&self) -> Result<Option<Secret>, BoxError>;
}
