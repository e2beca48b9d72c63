//! A password that the program fetches itself: a vault's client, a cloud's token.

use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

type Answer = Pin<Box<dyn Future<Output = Result<Option<Secret>, BoxError>> + Send>>;

/// Asks an async function.
pub struct CallbackPassword(Box<dyn Fn() -> Answer + Send + Sync>);

impl CallbackPassword {
    /// `ask` is called for every new connection and must itself be cancel-safe; its errors must not hold the secret.
    pub fn new<F, A>(ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<Secret>, BoxError>> + Send + 'static,
    {
        Self(Box::new(move || Box::pin(ask())))
    }
}

impl fmt::Debug for CallbackPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackPassword")
    }
}

#[async_trait]
impl PasswordProvider for CallbackPassword {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        (self.0)().await
    }
}
