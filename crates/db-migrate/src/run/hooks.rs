//! Runs what a project wants run around its migrations.

use super::pooled::Pooled;
use super::send::send;
use crate::migration::Script;
use crate::{Error, Left};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Scripts around migrations, each in a transaction of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    pub(crate) before_all: Vec<Script>,
    pub(crate) after_all: Vec<Script>,
    pub(crate) before_each: Vec<Script>,
    pub(crate) after_each: Vec<Script>,
}

impl Hooks {
    /// Nothing.
    pub(crate) const fn none() -> Self {
        Self {
            before_all: Vec::new(),
            after_all: Vec::new(),
            before_each: Vec::new(),
            after_each: Vec::new(),
        }
    }
}

/// One of them, all of it or nothing.
pub(super) async fn once(
    conn: &mut PgConnection,
    script: &Script,
    begin: Option<&str>,
    pooled: Option<&Pooled<'_>>,
) -> Result<(), Error> {
    let begun = match begin {
        Some(begin) => conn.begin_with(AssertSqlSafe(begin.to_owned())).await,
        None => conn.begin().await,
    };
    let mut tx = begun.map_err(Error::during(format!("begin a transaction for {}", script.file)))?;
    let _entered = match pooled {
        Some(pooled) => Some(pooled.enter(&mut tx, script, 0).await?),
        None => None,
    };
    send(&mut tx, script, 0..script.len(), Left::Nothing, &script.file, &mut |_| {}).await?;
    if let Some(pooled) = pooled {
        pooled.leave(&mut tx, script, &script.file).await?;
    }
    tx.commit().await.map_err(Error::during(format!("commit {}", script.file)))
}

/// All of them, as far as the transaction of the caller goes.
pub(crate) async fn run(conn: &mut PgConnection, scripts: &[Script]) -> Result<(), Error> {
    for script in scripts {
        once(conn, script, None, None).await?;
    }
    Ok(())
}
