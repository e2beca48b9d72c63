//! The pool against a server.

mod breaker;
mod bulk;
mod cancel;
mod captured;
mod dirty;
mod exec;
mod fake_server;
mod faults;
mod keeping;
mod leaks;
mod limits;
mod matrix;
mod mended;
mod mobc;
mod password;
mod plans;
mod program;
mod resize;
mod sessions;
mod silent;
mod stores;
mod transactions;

use db_pool::{Lease, Pool, PoolConfig};
use db_testkit::{FreshDb, Proxy, eventually};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
};
use url::Url;

/// A small pool that gives up soon.
fn config(db: &FreshDb, max_size: u32) -> PoolConfig {
    PoolConfig::from_url(db.url())
        .expect("a URL")
        .max_size(NonZeroU32::new(max_size).expect("not zero"))
        .acquire_timeout(Duration::from_secs(10))
}

async fn pool(db: &FreshDb, max_size: u32) -> Pool {
    Pool::connect(&config(db, max_size)).await.expect("connected")
}

/// The server process behind a lease, asked for without leaving a mark on it.
async fn backend(lease: &mut Lease) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(lease).await.expect("answers")
}

/// Waits until nobody holds, waits for, opens or mends a connection.
async fn eventually_idle(case: &str, pool: &Pool) {
    eventually(&format!("{case}: the pool is at rest; {:?}", pool.stats()), || async {
        let stats = pool.stats();
        (stats.in_use, stats.waiting, stats.opening, stats.recovering) == (0, 0, 0, 0)
    })
    .await;
}

/// The test's server behind a relay that can fall silent, whether it listens on TCP or in a folder.
async fn behind_proxy(db: &FreshDb) -> (Proxy, PoolConfig) {
    let there = PgConnectOptions::from_str(db.url()).expect("a URL");
    let target = match there.get_socket() {
        Some(folder) => forward(folder.join(format!(".s.PGSQL.{}", there.get_port()))).await,
        None => (there.get_host().to_owned(), there.get_port()),
    };
    let proxy = Proxy::start(target).await;
    let mut here = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(proxy.address().port())
        .username(there.get_username())
        .database(db.name())
        .ssl_mode(PgSslMode::Disable);
    if let Some(password) = Url::parse(db.url()).expect("a URL").password() {
        here = here.password(password);
    }
    (proxy, PoolConfig::new(here))
}

/// A TCP port that leads to a socket in a folder.
async fn forward(socket: PathBuf) -> (String, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = UnixStream::connect(&socket).await.expect("the server listens");
            tokio::spawn(async move { drop(copy_bidirectional(&mut client, &mut server).await) });
        }
    });
    ("127.0.0.1".to_owned(), port)
}
