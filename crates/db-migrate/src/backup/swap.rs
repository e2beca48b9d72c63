//! Puts one database in the place of another, which is kept under a third name.

use super::{BackupError, OpenSessions};
use crate::held::{Held, to_the_end};
use crate::scratch::{execute, neighbour, sessions};
use crate::shape::{literal, quoted};
use crate::{Error, Server};
use sqlx::PgConnection;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A session that was told to end takes a moment; one that cannot makes the swap fail.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// What is renamed to what.
#[derive(Clone, Debug)]
pub(super) struct Swap {
    /// The database that is replaced.
    pub(super) current: String,
    /// What takes its place.
    pub(super) next: String,
    /// What it is called from then on.
    pub(super) kept: String,
}

/// Fails when the database has sessions that must not be ended.
pub(super) async fn check_unused(server: &Server, database: &str) -> Result<(), BackupError> {
    let mut conn = neighbour(server, Some(database)).await?;
    let sessions = sessions(&mut conn, database).await?;
    if sessions.is_empty() {
        Ok(())
    } else {
        Err(BackupError::InUse { database: database.to_owned(), sessions })
    }
}

impl Swap {
    /// Renames both in one transaction, with nobody let into the old one meanwhile.
    ///
    /// # Cancel safety
    /// What was begun is finished; [`Scratch::settled`](crate::Scratch::settled) waits for that.
    pub(super) async fn run(
        self,
        server: &Server,
        next: Held,
        open: OpenSessions,
    ) -> Result<(), BackupError> {
        let server = server.clone();
        let action = format!("put {} in the place of {}", self.next, self.current);
        let work = async move {
            let mut conn = neighbour(&server, Some(&self.current)).await?;
            self.close(&mut conn).await?;
            let outcome = self.exchange(&mut conn, open).await;
            // It is let into again under whatever name it has now.
            let name = if outcome.is_ok() { &self.kept } else { &self.current };
            let opened = allow_connections(&mut conn, name, true).await.map_err(BackupError::from);
            match outcome {
                Ok(()) => {
                    next.keep();
                    opened
                }
                Err(error) => next.end(Err(error)).await,
            }
        };
        to_the_end(&action, work).await
    }

    async fn close(&self, conn: &mut PgConnection) -> Result<(), Error> {
        allow_connections(conn, &self.current, false).await
    }

    async fn exchange(&self, conn: &mut PgConnection, open: OpenSessions) -> Result<(), BackupError> {
        self.wait_until_unused(conn, open).await?;
        let sql = format!(
            "BEGIN; ALTER DATABASE {current} RENAME TO {kept}; ALTER DATABASE {next} RENAME TO {current}; COMMIT",
            current = quoted(&self.current),
            kept = quoted(&self.kept),
            next = quoted(&self.next)
        );
        if let Err(error) = execute(conn, sql).await {
            // The error that matters is the first one.
            let _ = execute(conn, "ROLLBACK".to_owned()).await;
            return Err(
                Error::during(format!("put {} in the place of {}", self.next, self.current))(error).into()
            );
        }
        Ok(())
    }

    async fn wait_until_unused(
        &self,
        conn: &mut PgConnection,
        open: OpenSessions,
    ) -> Result<(), BackupError> {
        let deadline = Instant::now() + SESSIONS_END_WITHIN;
        loop {
            let sessions = sessions(conn, &self.current).await?;
            if sessions.is_empty() {
                return Ok(());
            }
            if open == OpenSessions::Refuse || Instant::now() >= deadline {
                return Err(BackupError::InUse { database: self.current.clone(), sessions });
            }
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}",
                literal(&self.current)
            );
            execute(conn, end)
                .await
                .map_err(Error::during(format!("end the sessions of {}", self.current)))?;
            sleep(PAUSE).await;
        }
    }
}

async fn allow_connections(conn: &mut PgConnection, database: &str, allow: bool) -> Result<(), Error> {
    let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allow}", quoted(database));
    let action = if allow { "let sessions into" } else { "keep sessions out of" };
    execute(conn, sql).await.map_err(Error::during(format!("{action} {database}")))
}
