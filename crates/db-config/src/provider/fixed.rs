//! A password that does not change while the program runs.

use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};

/// Answers with the same password every time.
#[derive(Clone, Debug)]
pub struct StaticPassword(Option<Secret>);

impl StaticPassword {
    /// This password; an empty one means none, as in libpq.
    #[must_use]
    pub fn new(password: Secret) -> Self {
        Self(Some(password).filter(|password| !password.is_empty()))
    }

    /// None: the server is asked without one.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }
}

#[async_trait]
impl PasswordProvider for StaticPassword {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        Ok(self.0.clone())
    }
}
