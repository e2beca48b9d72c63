//! Security: what an audited change costs, how fast events come in, how long it takes to prove things, and what a decision takes.

mod access;
mod inserts;
mod log;
mod writer;

use crate::{Failure, row::Row};
use db_embedded::{Mode, Options, Postgres};
use db_migrate::Migrations;
use db_pool::{Pool, PoolConfig};
use std::num::NonZeroU32;

/// Connections of those who write.
const LANES: u32 = 4;

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let mut rows = access::run()?;
    // On a disk that commits wait for, as everywhere but in tests.
    let folder = tempfile::Builder::new().prefix("bench-security-").tempdir_in("/var/tmp")?;
    let bed = Bed::start(Mode::Persistent(folder.path().join("state"))).await?;
    rows.extend(inserts::durable(&bed.pool).await?);
    bed.stop().await;
    let bed = Bed::start(Mode::Ephemeral).await?;
    rows.extend(inserts::run(&bed.pool).await?);
    rows.extend(writer::run(&bed.pool).await?);
    bed.stop().await;
    // A database of its own, as the tables before are full of other things.
    let bed = Bed::start(Mode::Ephemeral).await?;
    rows.extend(log::run(&bed.pool).await?);
    bed.stop().await;
    Ok(rows)
}

/// A migrated server.
struct Bed {
    server: Postgres,
    pool: Pool,
}

impl Bed {
    async fn start(mode: Mode) -> Result<Self, Failure> {
        let server = Postgres::start(Options::new(mode)).await?;
        let size = NonZeroU32::new(LANES + 4).ok_or("no lanes")?;
        let pool = Pool::connect(&PoolConfig::from_url(server.url().expose())?.max_size(size)).await?;
        let mut lease = pool.acquire().await?;
        let migrations = Migrations::embedded(db_model::MIGRATIONS)?;
        db_migrate::apply(&mut lease, &migrations, &db_migrate::Options::default(), &mut |_| {}).await?;
        lease.close().await;
        Ok(Self { server, pool })
    }

    async fn stop(self) {
        self.pool.close().await;
        self.server.stop().await;
    }
}
