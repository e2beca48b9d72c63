//! A relay in front of a server that can fail as networks do: fall silent, refuse, reset, cut inside a message.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream, ToSocketAddrs, lookup_host,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// What passes through while nothing else is ordered: how much is read before it is written on.
const BUFFER_BYTES: usize = 16 * 1024;

/// A TCP relay in this process, with an address of its own. Dropping it ends its connections.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use db_testkit::{Proxy, server_url};
///
/// let server = url::Url::parse(server_url().expose())?;
/// let proxy = Proxy::start(&server.socket_addrs(|| Some(5432))?[..]).await;
/// let url = proxy.url(server.as_str());
/// // Connect to `url`, and then:
/// proxy.silence();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What has come to a proxy so far, whether it was passed on or swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections accepted, refused ones included.
    pub connections: u64,
    /// Times that a client sent something after its server's last answer: round trips, begun or done.
    pub flights: u64,
    /// Bytes from clients.
    pub sent_bytes: u64,
    /// Bytes from the server.
    pub received_bytes: u64,
}

impl Proxy {
    /// Listens on a free port of this machine, and passes on to `target`.
    ///
    /// # Panics
    /// When the target's name is unknown or no port can be had.
    pub async fn start(target: impl ToSocketAddrs) -> Self {
        let target: Vec<_> = lookup_host(target).await.expect("the target has an address").collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let listening = tokio::spawn(listen(listener, target, Arc::clone(&shared)));
        Self { address, shared, listening }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL by way of this proxy, without TLS, so that what passes can be counted.
    ///
    /// # Panics
    /// When it is no URL with a host.
    #[must_use]
    pub fn url(&self, base: &str) -> String {
        let mut url = Url::parse(base).expect("a URL");
        url.set_host(Some(&self.address.ip().to_string())).expect("a URL with a host");
        url.set_port(Some(self.address.port())).expect("a URL with a host");
        // These would win over what was just set.
        let ours = ["host", "hostaddr", "port", "sslmode", "ssl-mode"];
        let kept: Vec<_> =
            url.query_pairs().into_owned().filter(|(key, _)| !ours.contains(&&key[..])).collect();
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair("sslmode", "disable");
        url.into()
    }

    /// New connections pass, which is how it starts, and nothing is cut any more. A connection that fell silent stays so:
    /// its stream has a hole.
    pub fn pass(&self) {
        self.shared.refuse_new.store(false, SeqCst);
        self.shared.silence_new.store(false, SeqCst);
        self.shared.cut.send_replace(None);
    }

    /// The present connections fall silent: what comes from either side is swallowed, and neither learns that the other
    /// closed. New ones pass.
    pub fn silence(&self) {
        self.shared.silent_before.store(self.shared.connections.load(SeqCst), SeqCst);
    }

    /// New connections are accepted and are silent from the start.
    pub fn silence_new(&self) {
        self.shared.silence_new.store(true, SeqCst);
    }

    /// New connections are reset at once.
    pub fn refuse(&self) {
        self.shared.refuse_new.store(true, SeqCst);
    }

    /// The present connections, silent ones included, are reset: both sides get an RST.
    pub fn reset(&self) {
        self.shared.reset_before.send_replace(self.shared.connections.load(SeqCst));
    }

    /// Each connection, present or new, passes so many bytes more from the server and is then closed.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.cut.send_replace(Some(bytes));
    }

    /// The figures of this moment.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            connections: self.shared.connections.load(SeqCst),
            flights: self.shared.flights.load(Relaxed),
            sent_bytes: self.shared.sent_bytes.load(Relaxed),
            received_bytes: self.shared.received_bytes.load(Relaxed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The task owns the listener and every connection's task.
        self.listening.abort();
    }
}

/// The orders to connections, which are numbered as they come, and the counters.
#[derive(Debug, Default)]
struct Shared {
    refuse_new: AtomicBool,
    silence_new: AtomicBool,
    silent_before: AtomicU64,
    reset_before: watch::Sender<u64>,
    cut: watch::Sender<Option<u64>>,
    connections: AtomicU64,
    flights: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

async fn listen(listener: TcpListener, target: Vec<SocketAddr>, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let number = shared.connections.fetch_add(1, SeqCst);
                if shared.refuse_new.load(SeqCst) {
                    reset(&client);
                    continue;
                }
                let silent = shared.silence_new.load(SeqCst);
                let link = Link { number, silent, asked: AtomicBool::new(false), shared: Arc::clone(&shared) };
                let target = target.clone();
                links.spawn(async move { link.run(client, &target).await });
            }
            Some(_) = links.join_next() => {}
        }
    }
}

/// Makes the drop of a stream an RST instead of a FIN.
fn reset(stream: &TcpStream) {
    // It fails only where the peer has reset it already.
    let _ = stream.set_zero_linger();
}

/// One connection through the proxy.
struct Link {
    number: u64,
    /// From the start.
    silent: bool,
    /// Whether the client sent something since the server's last answer.
    asked: AtomicBool,
    shared: Arc<Shared>,
}

impl Link {
    async fn run(&self, mut client: TcpStream, target: &[SocketAddr]) {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        // A relay that waits to fill a packet would show as a slow server.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut resets = self.shared.reset_before.subscribe();
        let is_reset = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let both = async {
                tokio::try_join!(self.up(from_client, to_server), self.down(from_server, to_client))
            };
            tokio::select! {
                _ = resets.wait_for(|before| self.number < *before) => true,
                ended = both => ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset),
            }
        };
        if is_reset {
            reset(&client);
            reset(&server);
        }
    }

    fn is_silent(&self) -> bool {
        self.silent || self.number < self.shared.silent_before.load(SeqCst)
    }

    async fn up(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n = self.read(&mut from, &mut buffer).await?;
            if n > 0 && !self.asked.swap(true, SeqCst) {
                self.shared.flights.fetch_add(1, Relaxed);
            }
            self.shared.sent_bytes.fetch_add(n as u64, Relaxed);
            if self.is_silent() {
                continue;
            }
            if n == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..n]).await?;
        }
    }

    async fn down(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut cut = self.shared.cut.subscribe();
        let mut left = *cut.borrow_and_update();
        loop {
            let n = self.read(&mut from, &mut buffer).await?;
            self.asked.store(false, SeqCst);
            self.shared.received_bytes.fetch_add(n as u64, Relaxed);
            if self.is_silent() {
                continue;
            }
            if n == 0 {
                return to.shutdown().await;
            }
            if cut.has_changed().unwrap_or(false) {
                left = *cut.borrow_and_update();
            }
            let passed = left.map_or(n, |left| n.min(usize::try_from(left).unwrap_or(n)));
            to.write_all(&buffer[..passed]).await?;
            left = left.map(|left| left - passed as u64);
            if left == Some(0) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// Reads, unless the stream has ended in silence: nobody learns of that.
    async fn read(&self, from: &mut ReadHalf<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        match from.read(buffer).await {
            Ok(0) | Err(_) if self.is_silent() => std::future::pending().await,
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Proxy;
    use crate::eventually;
    use std::{
        io::ErrorKind,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering::SeqCst},
        },
        time::Duration,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    /// Long enough for an answer on this machine, short enough to wait for one that must not come.
    const A_WHILE: Duration = Duration::from_millis(150);

    /// A proxy before a server that echoes, and how many of that server's connections have ended.
    async fn echo() -> (Proxy, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy::start(listener.local_addr().expect("bound")).await;
        let ended = Arc::new(AtomicU64::new(0));
        let ends = Arc::clone(&ended);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let ends = Arc::clone(&ends);
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    ends.fetch_add(1, SeqCst);
                });
            }
        });
        (proxy, ended)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.expect("connected")
    }

    /// Sends and reads the echo back.
    async fn round_trip(stream: &mut TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = vec![0; text.len()];
        let read = timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await;
        read.expect("an answer in time").expect("an answer");
        assert_eq!(answer, text.as_bytes());
    }

    async fn connected(proxy: &Proxy) -> TcpStream {
        let mut stream = connect(proxy).await;
        round_trip(&mut stream, "hello").await;
        stream
    }

    /// What the next read ends with; `None` when it does not end.
    async fn next(stream: &mut TcpStream) -> Option<Result<Vec<u8>, ErrorKind>> {
        let mut buffer = vec![0; 100];
        let read = timeout(A_WHILE, stream.read(&mut buffer)).await.ok()?;
        Some(read.map(|n| buffer[..n].to_vec()).map_err(|error| error.kind()))
    }

    async fn ends(ended: &AtomicU64, n: u64) {
        eventually("the server sees the end", || async { ended.load(SeqCst) == n }).await;
    }

    #[tokio::test]
    async fn it_passes_and_counts() {
        let (proxy, ended) = echo().await;
        let mut one = connected(&proxy).await;
        round_trip(&mut one, "again").await;
        let mut two = connected(&proxy).await;
        round_trip(&mut two, &"x".repeat(1_000_000)).await;
        let traffic = proxy.traffic();
        assert_eq!((traffic.connections, traffic.flights), (2, 4));
        assert_eq!((traffic.sent_bytes, traffic.received_bytes), (1_000_015, 1_000_015));
        one.shutdown().await.expect("half closed");
        assert_eq!(next(&mut one).await, Some(Ok(vec![])));
        ends(&ended, 1).await;
    }

    #[tokio::test]
    async fn silence_swallows_both_ways_and_hides_the_end() {
        let (proxy, ended) = echo().await;
        let (mut one, mut gone) = (connected(&proxy).await, connected(&proxy).await);
        let reset = connected(&proxy).await;
        proxy.silence();
        one.write_all(b"anyone?").await.expect("sent");
        assert_eq!(next(&mut one).await, None);
        assert_eq!(proxy.traffic().sent_bytes, 22);
        assert_eq!(proxy.traffic().received_bytes, 15, "the server was not asked");
        gone.shutdown().await.expect("half closed");
        reset.set_zero_linger().expect("set");
        drop(reset);
        assert_eq!(next(&mut gone).await, None);
        assert_eq!(ended.load(SeqCst), 0);
        connected(&proxy).await;
        proxy.pass();
        one.write_all(b"anyone?").await.expect("sent");
        assert_eq!(next(&mut one).await, None, "silent for ever");
    }

    #[tokio::test]
    async fn new_ones_may_be_silent_too() {
        let (proxy, _) = echo().await;
        let mut old = connected(&proxy).await;
        proxy.silence_new();
        let mut new = connect(&proxy).await;
        new.write_all(b"anyone?").await.expect("sent");
        assert_eq!(next(&mut new).await, None);
        round_trip(&mut old, "here").await;
        proxy.pass();
        connected(&proxy).await;
    }

    #[tokio::test]
    async fn refused_ones_are_reset_and_the_others_stay() {
        let (proxy, _) = echo().await;
        let mut old = connected(&proxy).await;
        proxy.refuse();
        let mut new = connect(&proxy).await;
        assert_eq!(next(&mut new).await, Some(Err(ErrorKind::ConnectionReset)));
        round_trip(&mut old, "here").await;
        proxy.pass();
        connected(&proxy).await;
        assert_eq!(proxy.traffic().connections, 3);
    }

    #[tokio::test]
    async fn a_reset_ends_the_present_ones_silent_or_not() {
        let (proxy, ended) = echo().await;
        let mut silent = connected(&proxy).await;
        proxy.silence();
        let mut plain = connected(&proxy).await;
        proxy.reset();
        assert_eq!(next(&mut silent).await, Some(Err(ErrorKind::ConnectionReset)));
        assert_eq!(next(&mut plain).await, Some(Err(ErrorKind::ConnectionReset)));
        ends(&ended, 2).await;
        connected(&proxy).await;
    }

    #[tokio::test]
    async fn a_cut_comes_after_so_many_bytes() {
        let (proxy, ended) = echo().await;
        let (mut one, mut two) = (connected(&proxy).await, connected(&proxy).await);
        proxy.cut_after(7);
        round_trip(&mut one, "four").await;
        one.write_all(b"five!").await.expect("sent");
        assert_eq!(next(&mut one).await, Some(Ok(b"fiv".to_vec())));
        assert_eq!(next(&mut one).await, Some(Ok(vec![])));
        ends(&ended, 1).await;
        proxy.pass();
        round_trip(&mut two, "as long as it likes").await;
    }

    #[tokio::test]
    async fn a_reset_of_the_client_s_reaches_the_server() {
        let (proxy, ended) = echo().await;
        let stream = connected(&proxy).await;
        stream.set_zero_linger().expect("set");
        drop(stream);
        ends(&ended, 1).await;
    }

    #[tokio::test]
    async fn a_dropped_proxy_ends_everything() {
        let (proxy, ended) = echo().await;
        let mut silent = connected(&proxy).await;
        proxy.silence();
        let mut plain = connected(&proxy).await;
        let address = proxy.address();
        drop(proxy);
        assert!(matches!(next(&mut silent).await, Some(Ok(_) | Err(_))));
        assert!(matches!(next(&mut plain).await, Some(Ok(_) | Err(_))));
        ends(&ended, 2).await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_url_leads_through_it() {
        let proxy = Proxy::start("127.0.0.1:1").await;
        let port = proxy.address().port();
        for (base, expected) in [
            (
                "postgresql://app:pw@db.example:6432/app",
                "postgresql://app:pw@127.0.0.1:PORT/app?sslmode=disable",
            ),
            (
                "postgres://app@localhost/app?sslmode=require&host=/tmp&port=1&application_name=a%20b",
                "postgres://app@127.0.0.1:PORT/app?application_name=a+b&sslmode=disable",
            ),
        ] {
            assert_eq!(proxy.url(base), expected.replace("PORT", &port.to_string()));
        }
    }
}
