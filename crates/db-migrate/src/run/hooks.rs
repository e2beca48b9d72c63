//! Runs what a project wants run around its migrations.

use super::send::send;
use crate::migration::Script;
use crate::{Error, Left};
use sqlx::{Connection, PgConnection};

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

pub(crate) async fn run(conn: &mut PgConnection, scripts: &[Script]) -> Result<(), Error> {
    for script in scripts {
        let mut tx =
            conn.begin().await.map_err(Error::during(format!("begin a transaction for {}", script.file)))?;
        send(&mut tx, script, 0..script.len(), Left::Nothing, &script.file, &mut |_| {}).await?;
        tx.commit().await.map_err(Error::during(format!("commit {}", script.file)))?;
    }
    Ok(())
}
