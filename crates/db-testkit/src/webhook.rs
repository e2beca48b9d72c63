//! A web server that is posted to: answers each request with one status, and keeps what was asked.

use parking_lot::Mutex;
use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Longest body that is read, bytes.
const MAX_BODY: usize = 16 << 20;

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The first line and the headers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// What makes of a connection what requests are read from, such as a TLS session.
type Wrap<S> = Box<dyn Fn(TcpStream) -> io::Result<S> + Send>;

/// A web server on this machine for as long as it is there.
pub struct Webhook {
    port: u16,
    asked: Arc<Mutex<Vec<Result<Asked, String>>>>,
    serving: Option<JoinHandle<()>>,
}

impl Webhook {
    /// Answers every request with this status, such as `204 No Content`.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start(status: &'static str) -> io::Result<Self> {
        Self::start_with(status, Box::new(Ok))
    }

    /// The same behind what `wrap` makes of a connection.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start_with<S: Read + Write + 'static>(status: &'static str, wrap: Wrap<S>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keeping = Arc::downgrade(&asked);
        let serving = thread::spawn(move || {
            for stream in listener.incoming() {
                // Nobody asks for what was asked any more.
                if keeping.strong_count() == 0 {
                    return;
                }
                let read = stream.and_then(&wrap).and_then(|mut stream| Ok((read(&mut stream)?, stream)));
                let Some(asked) = keeping.upgrade() else { return };
                // Before the answer, so that whoever has that finds it.
                let answering = match read {
                    Ok((request, stream)) => {
                        asked.lock().push(Ok(request));
                        Some(stream)
                    }
                    Err(error) => {
                        asked.lock().push(Err(error.to_string()));
                        None
                    }
                };
                // Whoever has gone meanwhile needs none.
                let _ = answering.map(|stream| answer(stream, status));
            }
        });
        Ok(Self { port, asked, serving: Some(serving) })
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was asked so far, or why a request could not be read.
    #[must_use]
    pub fn asked(&self) -> Vec<Result<Asked, String>> {
        self.asked.lock().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.asked = Arc::default();
        // Wakes the thread, which sees that it is needed no more.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && let Some(serving) = self.serving.take()
        {
            // A thread that has panicked has kept nothing, and a test has seen that.
            let _ = serving.join();
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("port", &self.port).finish_non_exhaustive()
    }
}

fn read(stream: &mut impl Read) -> io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; MAX_BODY.min(length)];
    reader.read_exact(&mut body)?;
    Ok(Asked { head, body: String::from_utf8_lossy(&body).into_owned() })
}

fn answer(mut stream: impl Write, status: &str) -> io::Result<()> {
    // Whoever follows it finds nobody.
    let elsewhere = "location: http://127.0.0.1:1/";
    write!(stream, "HTTP/1.1 {status}\r\n{elsewhere}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    stream.flush()
}
