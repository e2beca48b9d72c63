//! A server that says no to some connections, with the SQLSTATE of the test's choice, and passes the others on to the
//! test's database. It speaks as much of the startup protocol as that takes:
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use db_testkit::FreshDb;
use sqlx::postgres::PgConnectOptions;
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    task::{JoinHandle, JoinSet},
};

/// The code that a client puts in place of a protocol version when it asks for TLS.
const SSL_REQUEST: [u8; 4] = 80_877_103_i32.to_be_bytes();

/// Dropping it ends its connections.
pub(crate) struct FakeServer {
    address: SocketAddr,
    base: String,
    plan: Arc<Mutex<Plan>>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Plan {
    /// SQLSTATEs for the next connections, one each.
    next: VecDeque<&'static str>,
    /// What is said after these; nothing passes the connection on.
    then: Option<&'static str>,
    asked: u32,
}

impl FakeServer {
    /// Listens, and passes everything on to the test's database.
    pub(crate) async fn start(db: &FreshDb) -> Self {
        let target: PgConnectOptions = db.url().parse().expect("a URL");
        let base = format!("postgresql://{}:hunter2-secret@HERE/{}", target.get_username(), db.name());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let listening = tokio::spawn(listen(listener, target, Arc::clone(&plan)));
        Self { address, base, plan, listening }
    }

    /// The next connections are refused with these SQLSTATEs, one each.
    pub(crate) fn refuse_next(&self, sqlstates: &[&'static str]) {
        self.plan().next.extend(sqlstates);
    }

    /// Every connection is refused with this SQLSTATE from now on.
    pub(crate) fn refuse(&self, sqlstate: &'static str) {
        self.plan().then = Some(sqlstate);
    }

    /// Every connection is passed on from now on.
    pub(crate) fn pass(&self) {
        self.plan().then = None;
    }

    /// Connections that were made so far.
    pub(crate) fn asked(&self) -> u32 {
        self.plan().asked
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The test's database by way of this server, with a password that must not show up anywhere.
    pub(crate) fn url(&self) -> String {
        self.base.replace("HERE", &self.address.to_string())
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: PgConnectOptions, plan: Arc<Mutex<Plan>>) {
    let mut links = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let sqlstate = {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.asked += 1;
            plan.next.pop_front().or(plan.then)
        };
        let target = target.clone();
        // A connection that breaks is what some tests are about.
        links.spawn(async move { drop(greet(client, sqlstate, &target).await) });
    }
}

async fn greet(
    mut client: TcpStream,
    sqlstate: Option<&'static str>,
    target: &PgConnectOptions,
) -> io::Result<()> {
    let startup = loop {
        let packet = packet(&mut client).await?;
        if packet[4..] != SSL_REQUEST {
            break packet;
        }
        client.write_all(b"N").await?;
    };
    let Some(sqlstate) = sqlstate else { return pass_on(client, &startup, target).await };
    client.write_all(&refusal(sqlstate)).await?;
    client.shutdown().await?;
    // Whatever the client still says is read, so that it meets the end of the stream and not a reset.
    tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop)
}

/// A packet of the startup: its length, itself included, then the rest.
async fn packet(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut packet = length.to_be_bytes().to_vec();
    packet.resize(length as usize, 0);
    client.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// An `ErrorResponse`: fields of a letter and a text, each ended by a zero.
fn refusal(sqlstate: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0Msays the fake server\0\0");
    let length = u32::try_from(fields.len() + 4).expect("a short message");
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}

async fn pass_on(client: TcpStream, startup: &[u8], target: &PgConnectOptions) -> io::Result<()> {
    match socket(target) {
        Some(path) => relay(client, UnixStream::connect(path).await?, startup).await,
        None => {
            let server = TcpStream::connect((target.get_host(), target.get_port())).await?;
            relay(client, server, startup).await
        }
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    startup: &[u8],
) -> io::Result<()> {
    server.write_all(startup).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn socket(target: &PgConnectOptions) -> Option<PathBuf> {
    let host = target.get_host();
    let folder = target.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.into()))?;
    Some(folder.join(format!(".s.PGSQL.{}", target.get_port())))
}
