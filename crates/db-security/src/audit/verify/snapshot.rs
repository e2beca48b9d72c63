//! One moment of the database, that several sessions look at: what comes or leaves meanwhile is no flaw.

use crate::audit::Error;
use db_pool::{Access, Isolation, Pool, Transaction, TransactionOptions};
use sqlx::{AssertSqlSafe, raw_sql};

/// A moment, for as long as the session lives that has taken it.
pub(super) struct Snapshot {
    keeper: Transaction,
    name: Name,
}

/// What the server calls a moment; made of hexadecimal digits and hyphens.
#[derive(Clone, Debug)]
pub(super) struct Name(String);

fn options() -> TransactionOptions {
    TransactionOptions::new().isolation(Isolation::RepeatableRead).access(Access::ReadOnly)
}

impl Snapshot {
    /// Now.
    pub(super) async fn take(pool: &Pool) -> Result<Self, Error> {
        let mut keeper = pool.begin_with(&options()).await?;
        let name: String = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut *keeper)
            .await
            .map_err(Error::while_trying("have other sessions see what this one sees"))?;
        if !name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(Error::Damaged { what: format!("the server calls a snapshot {name:?}") });
        }
        Ok(Self { keeper, name: Name(name) })
    }

    pub(super) fn name(&self) -> Name {
        self.name.clone()
    }

    /// The session that has taken it. Asking it now and then keeps the server from taking it for forgotten.
    pub(super) fn session(&mut self) -> &mut Transaction {
        &mut self.keeper
    }

    /// Lets it go.
    pub(super) async fn end(self) -> Result<(), Error> {
        Ok(self.keeper.rollback().await?)
    }

    /// Another session at the same moment.
    pub(super) async fn join(pool: &Pool, name: &Name) -> Result<Transaction, Error> {
        let mut joined = pool.begin_with(&options()).await?;
        // The statement takes no parameter; the name was looked at when it came.
        raw_sql(AssertSqlSafe(format!("SET TRANSACTION SNAPSHOT '{}'", name.0)))
            .execute(&mut *joined)
            .await
            .map_err(Error::while_trying("see what another session sees"))?;
        Ok(joined)
    }
}
