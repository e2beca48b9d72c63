//! A private PostgreSQL cluster: made by initdb, started in the foreground, ready when its pid file says so.

use crate::{
    Error,
    account::RunAs,
    binaries::{Binaries, Search},
    guardian::{Guardian, Server, StopSignal},
};
use rand::{Rng, distr::Alphanumeric};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The superuser of every cluster that this crate makes.
pub(crate) const SUPERUSER: &str = "cairn";
/// Lines of the log that an error shows.
const LOG_LINES: usize = 20;

/// How careful the server is with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// fsync and checkpoints on stop.
    Kept,
    /// None: the data are thrown away.
    ThrownAway,
}

/// A server to be started over a data folder.
pub(crate) struct Cluster<'a> {
    pub(crate) binaries: &'a Binaries,
    pub(crate) run_as: &'a RunAs,
    pub(crate) data: &'a Path,
    pub(crate) socket: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) durability: Durability,
    /// A port of 127.0.0.1 to listen on besides the socket.
    pub(crate) port: Option<u16>,
}

impl Cluster<'_> {
    /// Makes the data folder. It has its name only when it is whole, so a crash leaves nothing half-made under it.
    pub(crate) fn init(&self, password: &str) -> Result<(), Error> {
        let unfinished = self.data.with_extension("unfinished");
        if unfinished.exists() {
            remove(&unfinished)?;
        }
        fs::create_dir_all(&unfinished).map_err(file("create", &unfinished))?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o700))
            .map_err(file("protect", &unfinished))?;
        let password_file = unfinished.with_extension("password");
        write_private(&password_file, password).map_err(file("write", &password_file))?;
        self.run_as.give(&unfinished)?;
        self.run_as.give(&password_file)?;

        let mut command = Command::new(self.binaries.program("initdb"));
        command
            .arg("--pgdata")
            .arg(&unfinished)
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--auth-local", "trust"])
            .args(["--auth-host", "scram-sha-256", "--no-instructions"])
            .args(locale())
            .arg("--pwfile")
            .arg(&password_file);
        if self.durability == Durability::ThrownAway {
            command.arg("--no-sync");
        }
        let result = self.run("initdb", command);
        let _ = fs::remove_file(&password_file);
        match result {
            Ok(()) => fs::rename(&unfinished, self.data).map_err(file("name", self.data)),
            Err(error) => {
                let _ = fs::remove_dir_all(&unfinished);
                Err(error)
            }
        }
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self, search: &Search, timeout: Duration) -> Result<Guardian, Error> {
        let log = File::create(self.log).map_err(file("create", self.log))?;
        fs::set_permissions(self.log, fs::Permissions::from_mode(0o600))
            .map_err(file("protect", self.log))?;
        let stop_signal = match self.durability {
            Durability::Kept => StopSignal::Interrupt,
            Durability::ThrownAway => StopSignal::Quit,
        };
        let server = Server {
            program: self.binaries.program("postgres"),
            arguments: self.arguments(),
            run_as: self.run_as.clone(),
            log,
            stop_signal,
        };
        let guardian = Guardian::start(server, search)?;
        let deadline = Instant::now() + timeout;
        while !self.is_ready(guardian.pid) {
            if let Some(status) = guardian.ended() {
                return Err(self.ended(&status.to_string()));
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady { server: "PostgreSQL", waited: timeout, log: tail(self.log) });
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(guardian)
    }

    /// Stops a server that outlived its owner, if one still runs over these data.
    pub(crate) fn stop_leftover(&self) {
        if !self.data.join("postmaster.pid").exists() {
            return;
        }
        let mut command = Command::new(self.binaries.program("pg_ctl"));
        command.arg("--pgdata").arg(self.data).args(["--mode", "fast", "--wait", "--timeout", "10", "stop"]);
        // It fails where the pid file is stale, and then there is nothing to stop.
        let _ = self.run("pg_ctl", command);
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.data.into()];
        let mut set = |setting: String| arguments.extend([OsString::from("-c"), setting.into()]);
        set(format!("unix_socket_directories={}", self.socket.display()));
        set("unix_socket_permissions=0700".to_owned());
        set("max_connections=200".to_owned());
        set("shared_buffers=128MB".to_owned());
        set("log_line_prefix=%m [%p] %q%a ".to_owned());
        match self.port {
            Some(port) => {
                set("listen_addresses=127.0.0.1".to_owned());
                set(format!("port={port}"));
            }
            None => set("listen_addresses=".to_owned()),
        }
        if self.durability == Durability::ThrownAway {
            for setting in [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "wal_level=minimal",
                "max_wal_senders=0",
            ] {
                set(setting.to_owned());
            }
        }
        arguments
    }

    /// The eighth line of `postmaster.pid` says "ready"; `pg_ctl` waits for the same.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid")) else { return false };
        let mut lines = text.lines();
        lines.next().is_some_and(|first| first.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    fn ended(&self, status: &str) -> Error {
        let log = tail(self.log);
        match self.port {
            Some(port) if log.contains("Address already in use") => Error::PortTaken { port },
            _ => Error::Ended { server: "PostgreSQL", status: status.to_owned(), log },
        }
    }

    fn run(&self, program: &'static str, mut command: Command) -> Result<(), Error> {
        self.run_as.apply(&mut command);
        let path = PathBuf::from(command.get_program());
        let output = command
            .stdin(Stdio::null())
            .current_dir("/")
            .output()
            .map_err(|source| Error::Spawn { program: path, source })?;
        if output.status.success() {
            return Ok(());
        }
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Err(Error::Failed { program, status: output.status.to_string(), output: last_lines(&text) })
    }
}

/// A password that nobody has to type.
pub(crate) fn new_password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect()
}

/// A URL over the socket; it holds no secret.
pub(crate) fn socket_url(socket: &Path, port: Option<u16>) -> String {
    let port = port.map(|port| format!("&port={port}")).unwrap_or_default();
    format!("postgresql:///postgres?host={}&user={SUPERUSER}{port}", escape(&socket.display().to_string()))
}

/// A URL over TCP, with the password.
pub(crate) fn tcp_url(password: &str, port: u16) -> String {
    format!("postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres")
}

/// Percent-encodes what a query string cannot hold.
fn escape(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Sorts by bytes, and knows letters of every language: results do not change with the machine's language.
fn locale() -> &'static [&'static str] {
    if cfg!(target_os = "linux") { &["--lc-collate", "C", "--lc-ctype", "C.UTF-8"] } else { &["--no-locale"] }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", folder)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// The end of a server's log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    last_lines(&fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::{escape, last_lines, socket_url};
    use std::path::Path;

    #[test]
    fn a_socket_url_survives_any_folder() {
        assert_eq!(escape("/tmp/a b&c"), "/tmp/a%20b%26c");
        assert_eq!(socket_url(Path::new("/tmp/x"), None), "postgresql:///postgres?host=/tmp/x&user=cairn");
        assert!(socket_url(Path::new("/tmp/x"), Some(7)).ends_with("&port=7"));
    }

    #[test]
    fn an_error_shows_the_end_of_the_log() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        let shown = last_lines(&text);
        assert!(shown.starts_with("80\n") && shown.ends_with("\n99"), "{shown}");
        assert_eq!(last_lines(""), "");
    }
}
