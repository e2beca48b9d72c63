//! A pooler between a test and the server that hands out sessions by the transaction, as PgBouncer does, and is as
//! unkind as one may be: no two transactions of a client come to the same session.

use crate::FreshDb;
use sqlx::postgres::PgConnectOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// More than any message of a test.
const MOST_BYTES: usize = 64 << 20;
/// "May we speak TLS?", which a client asks instead of saying who it is.
const TLS_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;

/// A pooler of one database in this process. Dropping it ends its sessions.
///
/// Each client adds one session to the pool when it connects. A session is lent for a transaction, and goes to the end
/// of the line after it, so whoever counts on having the same one for two of them fails every time and not now and then.
#[derive(Debug)]
pub struct TransactionPooler {
    address: SocketAddr,
    lent: Arc<AtomicU64>,
    clients: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl TransactionPooler {
    /// Listens on a free port of this machine, with so many sessions at hand before the first client comes.
    ///
    /// # Panics
    /// When the server does not answer, or no port can be had.
    pub async fn start(database: &FreshDb, sessions: usize) -> Self {
        let target = Target::of(database.url());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let lent = Arc::new(AtomicU64::new(0));
        let idle = Idle::new(Arc::clone(&lent));
        for _ in 0..sessions {
            let mut session = target.connect().await.expect("the server answers");
            session.write_all(&target.startup).await.expect("the server listens");
            // Trust and the kit's own servers ask for no password.
            relay_answer(&mut session, &mut tokio::io::sink()).await.expect("the server lets us in");
            idle.give(session).await;
        }
        let clients = Arc::new(AtomicU64::new(0));
        let listening = tokio::spawn(listen(listener, target, idle, Arc::clone(&clients)));
        Self { address, lent, clients, listening }
    }

    /// The database's URL by way of this pooler.
    ///
    /// # Panics
    /// When the database's URL is none.
    #[must_use]
    pub fn url(&self, database: &FreshDb) -> String {
        let options = PgConnectOptions::from_str(database.url()).expect("a URL");
        let mut url = Url::parse("postgres://127.0.0.1").expect("a URL");
        url.set_username(options.get_username()).expect("a URL with a host");
        url.set_port(Some(self.address.port())).expect("a URL with a host");
        url.set_path(database.name());
        url.set_query(Some("sslmode=disable"));
        url.into()
    }

    /// How many clients connected.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients.load(Relaxed)
    }

    /// How many times a session was lent.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.lent.load(Relaxed)
    }
}

impl Drop for TransactionPooler {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Session = Box<dyn Stream>;

/// Where the sessions come from.
#[derive(Clone)]
struct Target {
    options: PgConnectOptions,
    startup: Vec<u8>,
}

impl Target {
    fn of(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("the kit's URL is one");
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        for text in ["user", options.get_username(), "database", database, ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        Self { startup: with_length(&body), options }
    }

    async fn connect(&self) -> io::Result<Session> {
        let port = self.options.get_port();
        let folder = self.options.get_socket().cloned();
        let host = self.options.get_host();
        let folder = folder.or_else(|| host.starts_with('/').then(|| host.into()));
        Ok(match folder {
            Some(folder) => Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?),
            None => {
                let stream = TcpStream::connect((host, port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

/// The sessions that nobody has; who comes first waits first.
#[derive(Clone)]
struct Idle {
    give: mpsc::Sender<Session>,
    take: Arc<Mutex<mpsc::Receiver<Session>>>,
    lent: Arc<AtomicU64>,
}

impl Idle {
    /// More than a test has clients.
    const MOST: usize = 1000;

    fn new(lent: Arc<AtomicU64>) -> Self {
        let (give, take) = mpsc::channel(Self::MOST);
        Self { give, take: Arc::new(Mutex::new(take)), lent }
    }

    async fn give(&self, session: Session) {
        let _ = self.give.send(session).await;
    }

    /// The one that was given back the longest time ago.
    async fn take(&self) -> Option<Session> {
        let session = self.take.lock().await.recv().await;
        self.lent.fetch_add(1, Relaxed);
        session
    }
}

async fn listen(listener: TcpListener, target: Target, idle: Idle, count: Arc<AtomicU64>) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        count.fetch_add(1, Relaxed);
        let (target, idle) = (target.clone(), idle.clone());
        // What a client does wrong, or the server, ends that client alone.
        clients.spawn(async move { drop(serve(client, target, idle).await) });
        while clients.try_join_next().is_some() {}
    }
}

/// One client from its first word to its last.
async fn serve(mut client: TcpStream, target: Target, idle: Idle) -> io::Result<()> {
    // Messages are passed on one by one.
    client.set_nodelay(true)?;
    let startup = loop {
        let body = read_body(&mut client).await?;
        match body.first_chunk().map(|code| i32::from_be_bytes(*code)) {
            Some(TLS_REQUEST | GSS_REQUEST) => client.write_all(b"N").await?,
            _ => break with_length(&body),
        }
    };
    if let Some(unknown) = unknown_parameter(&startup) {
        return refuse(&mut client, &unknown).await;
    }
    let mut session = target.connect().await?;
    session.write_all(&startup).await?;
    while relay_answer(&mut session, &mut client).await? == Answer::PasswordWanted {
        let (tag, body) = read_message(&mut client).await?;
        write_message(&mut session, tag, &body).await?;
    }
    idle.give(session).await;
    let mut held: Option<Session> = None;
    loop {
        let (tag, body) = read_message(&mut client).await?;
        if tag == b'X' {
            // A session that is given back in the midst of a transaction is of no use to anybody.
            return Ok(());
        }
        let mut session = match held.take() {
            Some(session) => session,
            None => idle.take().await.ok_or(io::ErrorKind::BrokenPipe)?,
        };
        write_message(&mut session, tag, &body).await?;
        // Query, Sync, CopyDone and CopyFail are what the server answers to as a whole.
        if !matches!(tag, b'Q' | b'S' | b'c' | b'f') {
            held = Some(session);
            continue;
        }
        match relay_answer(&mut session, &mut client).await? {
            Answer::Idle => idle.give(session).await,
            _ => held = Some(session),
        }
    }
}

/// What PgBouncer keeps track of, and so takes.
const KNOWN: [&str; 7] = [
    "user",
    "database",
    "client_encoding",
    "datestyle",
    "timezone",
    "standard_conforming_strings",
    "application_name",
];

/// The first parameter of a start-up message, after its length and version, that no pooler could take along.
fn unknown_parameter(startup: &[u8]) -> Option<String> {
    let texts = startup.get(8..)?.split(|byte| *byte == 0);
    let mut names = texts.step_by(2).map(|name| String::from_utf8_lossy(name).to_lowercase());
    names.find(|name| !name.is_empty() && !KNOWN.contains(&&**name))
}

async fn refuse(client: &mut TcpStream, parameter: &str) -> io::Result<()> {
    let body = format!("SFATAL\0C08P01\0Munsupported startup parameter: {parameter}\0\0");
    write_message(client, b'E', body.as_bytes()).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Ready for a query, no transaction open.
    Idle,
    /// Ready for a query in a transaction, or for the rows of a COPY.
    Held,
    PasswordWanted,
}

/// Passes on what the server says until it is the client's turn.
async fn relay_answer(
    session: &mut Session,
    client: &mut (impl AsyncWrite + Unpin + ?Sized),
) -> io::Result<Answer> {
    loop {
        let (tag, body) = read_message(session).await?;
        write_message(client, tag, &body).await?;
        match (tag, body.as_slice()) {
            (b'Z', [b'I']) => return Ok(Answer::Idle),
            (b'Z' | b'G', _) => return Ok(Answer::Held),
            // AuthenticationOk and the last word of SASL want no answer.
            (b'R', [0, 0, 0, 0 | 12, ..]) => {}
            (b'R', _) => return Ok(Answer::PasswordWanted),
            _ => {}
        }
    }
}

async fn read_message(from: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<(u8, Vec<u8>)> {
    let tag = from.read_u8().await?;
    Ok((tag, read_body(from).await?))
}

async fn read_body(from: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    let length = length.filter(|length| *length <= MOST_BYTES).ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn write_message(to: &mut (impl AsyncWrite + Unpin + ?Sized), tag: u8, body: &[u8]) -> io::Result<()> {
    let mut message = vec![tag];
    message.extend(with_length(body));
    to.write_all(&message).await
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a message of a test fits");
    [&length.to_be_bytes(), body].concat()
}
