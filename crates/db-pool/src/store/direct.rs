//! The store without a middleman: a connection is opened, checked and closed by sqlx itself.

use super::connector::Connector;
use crate::{ConnectError, Live, PoolConfig, Store};
use async_trait::async_trait;
use sqlx::PgConnection;
use std::ops::{Deref, DerefMut};

/// The default store.
///
/// The bench finds no difference between the stores (`cargo xtask bench pool`: opening, and a cycle of the pool over
/// either): behind the pool's own front, another pool's bookkeeping has nothing left to do. So the default is the one with
/// less in it.
#[derive(Debug)]
pub struct DirectStore {
    connector: Connector,
}

impl DirectStore {
    /// Builds a store for the server that `config` names; connects to nothing yet.
    #[must_use]
    pub fn new(config: &PoolConfig) -> Self {
        Self { connector: Connector::new(config) }
    }
}

#[async_trait]
impl Store for DirectStore {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        Ok(Box::new(Direct(self.connector.connect().await?)))
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        self.connector.check(connection).await
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        self.connector.retire(connection).await;
    }
}

struct Direct(PgConnection);

impl Live for Direct {
    fn into_inner(self: Box<Self>) -> PgConnection {
        self.0
    }
}

impl Deref for Direct {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Direct {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
