//! What every row of the area runs on: a server of its own, thrown away at the end, and empty databases of it.

use crate::Failure;
use db_embedded::{Mode, Options, Postgres};
use db_migrate::{Scratch, Server, Template};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{fs, path::Path};

/// A server without fsync on a unix socket.
pub(super) struct Bed {
    server: Postgres,
}

impl Bed {
    pub(super) async fn lay() -> Result<Self, Failure> {
        Ok(Self { server: Postgres::start(Options::new(Mode::Ephemeral)).await? })
    }

    /// An empty database.
    pub(super) async fn database(&self) -> Result<Scratch, Failure> {
        Ok(Scratch::create(&Server::from_url(self.server.url().expose())?, Template::Empty).await?)
    }

    pub(super) async fn clear(self) {
        self.server.stop().await;
    }
}

pub(super) async fn execute(conn: &mut PgConnection, sql: impl Into<String>) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(conn).await?;
    Ok(())
}

/// Small migrations in sqlx's format, so that both sides read the same files: a table each, and a column to one in five.
pub(super) fn write_small(folder: &Path, count: usize) -> Result<(), Failure> {
    for number in 1..=count {
        let sql = match number % 5 {
            0 => format!("ALTER TABLE t{} ADD COLUMN more integer;\n", number - 1),
            _ => format!(
                "CREATE TABLE t{number} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
                 name text NOT NULL,\n    made_at timestamptz NOT NULL DEFAULT now()\n);\n"
            ),
        };
        fs::write(folder.join(format!("{number:06}_small.sql")), sql)?;
    }
    Ok(())
}
