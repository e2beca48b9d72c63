//! A Redis of a test's own, to stop, kill and start again, and what tests ask it behind the store's back.

use db_cache::{RedisAddress, RedisOptions, RedisStore};
use db_core::{KeyValue, KeyValueError, Put, Secret, Version};
use rustix::process::{Pid, Signal, kill_process};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const LONG: Duration = Duration::from_secs(600);

/// On a socket of its own and a port, in a folder of its own. Dropping it kills it.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    sentinel: bool,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::stopped(arguments);
        server.start_again();
        server
    }

    /// One that listens nowhere yet.
    pub(crate) fn stopped(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir().expect("a folder");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { folder, port: free_port(), arguments, sentinel: false, child: None }
    }

    /// A Sentinel that watches nobody yet.
    pub(crate) fn sentinel() -> Self {
        let mut server = Self::stopped(&[]);
        server.sentinel = true;
        server.start_again();
        server
    }

    /// One option more, from the next start on.
    pub(crate) fn add(&mut self, option: &str, value: &str) {
        self.arguments.extend([option.to_owned(), value.to_owned()]);
    }

    /// With the same address, and nothing of what it had in memory.
    pub(crate) fn start_again(&mut self) {
        self.spawn();
        self.until("it answers", |text| text == "PONG" || text.starts_with("NOAUTH"), &["PING"]);
    }

    pub(crate) fn spawn(&mut self) {
        let socket = self.socket();
        // What it does not overwrite itself.
        let _ = std::fs::remove_file(&socket);
        let folder = self.folder.path();
        let mut command = Command::new("redis-server");
        if self.sentinel {
            // What it learns it writes there.
            let file = folder.join("sentinel.conf");
            std::fs::write(&file, "").expect("its folder is ours");
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]);
            command.arg("--unixsocket").arg(&socket);
        }
        let child = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(folder)
            .arg("--logfile")
            .arg(folder.join("log"))
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, of the package redis");
        self.child = Some(child);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub(crate) fn address(&self) -> RedisAddress {
        RedisAddress::tcp("127.0.0.1", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it runs");
    }

    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).expect("it runs");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("ours to kill");
            child.wait().expect("ours to wait for");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it runs"))
    }

    /// What redis-cli prints, error or not.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output()
            .expect("redis-cli, of the package redis");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn until(&self, state: &str, reached: impl Fn(&str) -> bool, command: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = self.cli(command);
            if reached(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "{state}: {text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port where nothing listens, nor 10,000 above it, where a cluster has its bus. Both are below those that the system gives to
/// whoever connects, so that none of the tests' many connections takes one before the server does.
pub(crate) fn free_port() -> u16 {
    let ports = 10_240..22_000_u16;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    loop {
        let any = RandomState::new().hash_one(()) % u64::from(ports.end - ports.start);
        let port = ports.start + u16::try_from(any).expect("fewer than 65,536");
        if is_free(&port) && is_free(&(port + 10_000)) {
            return port;
        }
    }
}

pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions::from_url(&Secret::from(url)).expect("a URL")
}

pub(crate) fn store(server: &Server) -> RedisStore {
    RedisStore::new(&options(&server.url())).expect("a store")
}

pub(crate) async fn put(store: &RedisStore, key: &str, value: &str) -> Result<(), KeyValueError> {
    let put = Put { key, value: value.as_bytes(), version: Version(7), ttl: LONG };
    store.set_multi(&[put]).await
}

pub(crate) async fn get(store: &RedisStore, key: &str) -> Result<Option<String>, KeyValueError> {
    let found = store.get_multi(&[key]).await?.remove(0);
    Ok(found.map(|stored| String::from_utf8(stored.value).expect("text")))
}

pub(crate) fn is_unavailable<T>(result: &Result<T, KeyValueError>) -> bool {
    matches!(result, Err(KeyValueError::Unavailable { .. }))
}

/// What it says.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, KeyValueError>) -> String {
    match result {
        Err(KeyValueError::Refused { reason, .. }) => reason,
        other => panic!("refused is due, not {other:?}"),
    }
}
