//! A relay that counts round trips: bytes from the client after bytes from the server begin one.

use db_pool::PoolConfig;
use db_testkit::FreshDb;
use sqlx::postgres::PgConnectOptions;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
};

/// Counts the round trips of all connections together; for one connection at a time.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    count: Arc<AtomicU64>,
    client_spoke_last: Arc<AtomicBool>,
}

impl Flights {
    /// How many there were since the last time this was asked.
    pub(crate) fn take(&self) -> u64 {
        self.count.swap(0, SeqCst)
    }
}

/// A way to the test's database that counts.
pub(crate) async fn counted(db: &FreshDb) -> (PoolConfig, Flights) {
    let options: PgConnectOptions = db.url().parse().expect("a URL");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let flights = Flights::default();
    let counting = flights.clone();
    let server = options.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            match socket(&server) {
                Some(path) => {
                    let server = UnixStream::connect(path).await.expect("the server listens");
                    relay(client, server.into_split(), counting.clone());
                }
                None => {
                    let address = (server.get_host(), server.get_port());
                    let server = TcpStream::connect(address).await.expect("the server listens");
                    relay(client, server.into_split(), counting.clone());
                }
            }
        }
    });
    let mut url = url::Url::parse(db.url()).expect("a URL");
    let user = options.get_username().to_owned();
    url.set_host(Some("127.0.0.1")).expect("a host");
    url.set_port(Some(port)).expect("a port");
    url.set_username(&user).expect("a user");
    url.set_query(Some("sslmode=disable"));
    (PoolConfig::from_url(url.as_str()).expect("a URL").max_size(1.try_into().expect("not zero")), flights)
}

fn socket(options: &PgConnectOptions) -> Option<PathBuf> {
    let folder = match options.get_socket() {
        Some(folder) => folder.clone(),
        None if options.get_host().starts_with('/') => options.get_host().into(),
        None => return None,
    };
    Some(folder.join(format!(".s.PGSQL.{}", options.get_port())))
}

fn relay<R, W>(client: TcpStream, (mut from_server, mut to_server): (R, W), flights: Flights)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (mut from_client, mut to_client) = client.into_split();
    let counting = flights.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if !counting.client_spoke_last.swap(true, SeqCst) {
                counting.count.fetch_add(1, SeqCst);
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        let _ = to_server.shutdown().await;
    });
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            flights.client_spoke_last.store(false, SeqCst);
            if to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        let _ = to_client.shutdown().await;
    });
}
