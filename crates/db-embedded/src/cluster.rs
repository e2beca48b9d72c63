//! A private PostgreSQL cluster: made by initdb, started in the foreground, ready when its pid file says so.

use crate::{
    Error,
    account::RunAs,
    binaries::{Binaries, Search},
    guardian::{Guardian, Server, StopSignal},
    leftover::{self, Holder},
    private,
};
use rand::{Rng, distr::Alphanumeric};
use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
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
    /// Where the programs are that help to run others.
    pub(crate) search: &'a Search,
    /// A port of 127.0.0.1 to listen on besides the socket.
    pub(crate) port: Option<u16>,
}

impl Cluster<'_> {
    /// Makes the data folder. It has its name only when it is whole, so a crash leaves nothing half-made under it.
    pub(crate) fn init(&self, password: &str) -> Result<(), Error> {
        self.clear_unfinished()?;
        let (unfinished, password_file) = self.unfinished();
        fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(file("create", &unfinished))?;
        private::create(&password_file)
            .and_then(|mut file| file.write_all(password.as_bytes()))
            .map_err(file("write", &password_file))?;
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
        let result = self.run("initdb", &command);
        let _ = fs::remove_file(&password_file);
        match result {
            Ok(()) => fs::rename(&unfinished, self.data).map_err(file("name", self.data)),
            Err(error) => {
                let _ = fs::remove_dir_all(&unfinished);
                Err(error)
            }
        }
    }

    /// Removes what an initdb that was killed has left behind.
    pub(crate) fn clear_unfinished(&self) -> Result<(), Error> {
        let (folder, password_file) = self.unfinished();
        let _ = fs::remove_file(password_file);
        remove(&folder)
    }

    /// The folder that initdb fills and the file that it reads the password from.
    fn unfinished(&self) -> (PathBuf, PathBuf) {
        (self.data.with_extension("unfinished"), self.data.with_extension("password"))
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self, timeout: Duration) -> Result<Guardian, Error> {
        let log = private::create(self.log).map_err(file("create", self.log))?;
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
        let guardian = Guardian::start(server, self.search)?;
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
        let path = self.data.join("postmaster.pid");
        let Ok(pid_file) = fs::read_to_string(&path) else { return };
        match leftover::holder(self.data, &pid_file) {
            Holder::Server => {}
            // PostgreSQL takes any process of its own user for a server, and would not start.
            Holder::Foreign => {
                let _ = fs::remove_file(&path);
                return;
            }
            Holder::Unknown => return,
        }
        let mut command = Command::new(self.binaries.program("pg_ctl"));
        command.arg("--pgdata").arg(self.data).args(["--mode", "fast", "--wait", "--timeout", "10", "stop"]);
        // It fails where the server has just ended by itself, and then there is nothing to stop.
        let _ = self.run("pg_ctl", &command);
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

    /// Runs a program to its end; it dies with the calling thread, which waits for it.
    fn run(&self, program: &'static str, command: &Command) -> Result<(), Error> {
        let mut command = dying_with_us(command, self.search.program("setpriv").as_deref());
        self.run_as.apply(&mut command);
        let output = command
            .stdin(Stdio::null())
            .current_dir("/")
            // The texts that are looked for below, and in the server's log, are English.
            .env("LC_ALL", "C")
            .output()
            .map_err(|source| Error::Spawn { program: self.binaries.program(program), source })?;
        if output.status.success() {
            return Ok(());
        }
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if text.contains("could not look up effective user ID") {
            return Err(Error::NoUserName { uid: self.run_as.account().uid });
        }
        Err(Error::Failed { program, status: output.status.to_string(), output: last_lines(&text) })
    }
}

/// The same command under a parent-death signal (see `guardian`), where there is `setpriv`.
fn dying_with_us(command: &Command, setpriv: Option<&Path>) -> Command {
    let mut whole = match setpriv {
        Some(setpriv) => {
            let mut whole = Command::new(setpriv);
            whole.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
            whole
        }
        None => Command::new(command.get_program()),
    };
    whole.args(command.get_args());
    whole
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
    use super::{Cluster, Durability, dying_with_us, escape, last_lines, socket_url};
    use crate::{Error, Search, account::RunAs, binaries::Binaries, scratch::Scratch};
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        path::Path,
        process::Command,
        thread,
        time::{Duration, Instant},
    };

    fn check(binaries: &Binaries, test: impl FnOnce(&Cluster<'_>)) {
        let (run_as, search) = (RunAs::detect().expect("an account"), Search::system());
        let folder = Scratch::new(&run_as).expect("a folder");
        test(&Cluster {
            binaries,
            run_as: &run_as,
            data: &folder.path().join("data"),
            socket: folder.path(),
            log: &folder.path().join("postgres.log"),
            durability: Durability::ThrownAway,
            search: &search,
            port: None,
        });
    }

    #[test]
    fn a_server_that_outlived_its_owner_is_stopped() {
        let found = Search::system().postgres();
        check(found.first().expect("install PostgreSQL"), |cluster| {
            cluster.init("x").expect("initdb");
            let guardian = cluster.start(Duration::from_secs(30)).expect("started");
            assert!(guardian.ended().is_none());
            cluster.stop_leftover();
            let deadline = Instant::now() + Duration::from_secs(10);
            while guardian.ended().is_none() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
            assert!(guardian.ended().is_some());
        });
    }

    #[test]
    fn a_user_without_a_name_is_told_the_remedy() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let initdb = folder.path().join("initdb");
        let said = "initdb: error: could not look up effective user ID 54321: user does not exist";
        fs::write(&initdb, format!("#!/bin/sh\necho '{said}' >&2\nexit 1\n")).expect("written");
        fs::set_permissions(&initdb, fs::Permissions::from_mode(0o755)).expect("chmod");
        check(&Binaries { folder: folder.path().to_owned(), major: 15 }, |cluster| {
            let error = cluster.init("x").expect_err("it fails");
            assert!(matches!(error, Error::NoUserName { .. }), "{error}");
            assert!(error.to_string().contains("DATABASE_URL"), "{error}");
            assert!(!cluster.unfinished().0.exists() && !cluster.unfinished().1.exists());
        });
    }

    #[test]
    fn a_program_dies_with_us_where_setpriv_is() {
        let mut command = Command::new("initdb");
        command.arg("-D");
        for (setpriv, expected) in [
            (None, "\"initdb\" \"-D\""),
            (Some(Path::new("setpriv")), "\"setpriv\" \"--pdeathsig\" \"KILL\" \"--\" \"initdb\" \"-D\""),
        ] {
            assert_eq!(format!("{:?}", dying_with_us(&command, setpriv)), expected);
        }
    }

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
