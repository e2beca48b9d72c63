//! Connections beside the pool, for what listens.

use db_core::PasswordProvider;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;

/// Where they go, and who knows the password.
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) connect: PgConnectOptions,
    /// Asked before each connection; without one the options have it.
    pub(crate) password: Option<Arc<dyn PasswordProvider>>,
}

impl Beside {
    /// The options for the next connection, as the caller's deadline allows.
    pub(crate) async fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let connect = self.connect.clone();
        let Some(provider) = &self.password else { return Ok(connect) };
        let password = provider.password().await.map_err(sqlx::Error::Configuration)?;
        Ok(password.iter().fold(connect, |connect, password| connect.password(password.expose())))
    }
}
