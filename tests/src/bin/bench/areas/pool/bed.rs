//! What every row of the area runs on: a server of its own with a table to read from, thrown away at the end.

use super::load::ROWS;
use crate::Failure;
use db_embedded::{Mode, Options, Origin, Postgres};
use sqlx::{Connection, Executor, PgConnection, raw_sql};
use std::path::{Path, PathBuf};

/// A server without fsync on a unix socket, and the table `points (id int8 primary key, name text)`.
pub(super) struct Bed {
    server: Postgres,
    programs: PathBuf,
}

impl Bed {
    pub(super) async fn lay() -> Result<Self, Failure> {
        let server = Postgres::start(Options::new(Mode::Ephemeral)).await?;
        let Origin::Native { folder, .. } = server.origin() else {
            return Err(format!("the peers need native binaries, and there is {}", server.origin()).into());
        };
        let bed = Self { programs: folder.clone(), server };
        let mut conn = PgConnection::connect(bed.url()).await?;
        conn.execute(raw_sql("CREATE TABLE points (id int8 PRIMARY KEY, name text NOT NULL)")).await?;
        sqlx::query(
            "INSERT INTO points SELECT id, 'the point number ' || id FROM generate_series(1, $1::int8) id",
        )
        .bind(i64::from(ROWS))
        .execute(&mut conn)
        .await?;
        // Frozen, so that no reader writes hint bits.
        conn.execute(raw_sql("VACUUM (FREEZE, ANALYZE) points")).await?;
        conn.execute(raw_sql("CHECKPOINT")).await?;
        conn.close().await?;
        Ok(bed)
    }

    pub(super) fn url(&self) -> &str {
        self.server.url().expose()
    }

    /// A client program of the server's version.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf, Failure> {
        // The server's program may be a link into the folder that has them all, or the client be kept elsewhere.
        let linked = self.programs.join("postgres").canonicalize()?;
        let folders = [self.programs.as_path(), linked.parent().unwrap_or(&linked), Path::new("/usr/bin")];
        folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            format!(
                "the peer {name} is not in {}; install postgresql-client and postgresql-contrib",
                self.programs.display()
            )
            .into()
        })
    }

    pub(super) async fn clear(self) {
        self.server.stop().await;
    }
}
