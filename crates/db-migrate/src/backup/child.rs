//! Runs a program of PostgreSQL's: with the server's address, without a word of its errors lost, and never longer than
//! it is waited for.

use super::BackupError;
use super::temporary::Temporary;
use super::tools::Tool;
use crate::Server;
use rustix::process::{Pid, Signal, kill_process_group};
use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Of its errors the first ones tell most.
const MOST_LINES: usize = 30;
const MOST_LINE_BYTES: usize = 1024;

/// What our sessions read of the environment as well, unless the server's URL or configuration says it.
const AS_SESSIONS: [&str; 4] = ["PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];
/// libpq refuses a key that others can read.
const OURS_ONLY: u32 = 0o600;

/// Runs it to its end. `tick` is told now and then how many objects it says it is done with.
///
/// # Cancel safety
/// When the future is dropped, the program and all its workers are killed.
pub(crate) async fn run(
    tool: &Tool,
    server: &Server,
    arguments: &[OsString],
    tick: &mut (dyn FnMut(u64) + Send),
) -> Result<(), BackupError> {
    let failed = || BackupError::file("run", &tool.path);
    let pems = pem_files(server)?;
    let mut command = command(tool, server);
    command.envs(pems.iter().flat_map(|(_, files)| files).map(|(name, path)| (name, path)));
    let mut child = command.args(arguments).spawn().map_err(failed())?;
    let mut group = Group::of(&child);
    let mut told = Told::default();
    if let Some(mut stderr) = child.stderr.take() {
        let (mut buffer, mut next) = (vec![0; 8192], Instant::now() + TICK);
        loop {
            match timeout(TICK, stderr.read(&mut buffer)).await {
                Ok(read) => match read.map_err(failed())? {
                    0 => break,
                    count => told.add(&buffer[..count]),
                },
                Err(_elapsed) => {}
            }
            if Instant::now() >= next {
                tick(told.items);
                next = Instant::now() + TICK;
            }
        }
    }
    let status = child.wait().await.map_err(failed())?;
    group.0 = None;
    if status.success() { Ok(()) } else { Err(failure(tool, server, status, told)) }
}

fn command(tool: &Tool, server: &Server) -> Command {
    let mut command = Command::new(&tool.path);
    // Whatever else is set for libpq would come before or beside what the server's URL says.
    let is_theirs = |name: &str| name.starts_with("PG") && !AS_SESSIONS.contains(&name);
    for (name, _) in env::vars_os().filter(|(name, _)| is_theirs(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    // Its messages are read here.
    command.env_remove("LC_ALL").env_remove("LANGUAGE").env("LC_MESSAGES", "C");
    command.envs(server.environment()).arg("--no-password");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}

/// Certificates and keys that are in no file, in files that only we can read for as long as the folder is.
type PemFiles = Option<(Temporary, Vec<(&'static str, PathBuf)>)>;

fn pem_files(server: &Server) -> Result<PemFiles, BackupError> {
    let texts: Vec<_> = server.pem_texts().collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let (folder, mut files) = (Temporary::create()?, Vec::new());
    for (name, text) in texts {
        let path = folder.path().join(name.to_lowercase());
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(OURS_ONLY).open(&path)?;
            file.write_all(text.expose().as_bytes())
        };
        write().map_err(BackupError::file("write", &path))?;
        files.push((name, path));
    }
    Ok(Some((folder, files)))
}

/// The program and the workers that it starts; killed when dropped before they have ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // What has ended already cannot be killed; there is nothing else to be done about it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What it wrote to its standard error, as far as it matters.
#[derive(Default)]
struct Told {
    line: Vec<u8>,
    /// Objects it is done with; a worker's count when it finishes them, others when it begins.
    items: u64,
    errors: Vec<String>,
}

impl Told {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < MOST_LINE_BYTES => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.contains(": finished item ") || line.contains(": processing item ") {
            self.items += 1;
        } else if tells_an_error(&line) && self.errors.len() < MOST_LINES {
            self.errors.push(line);
        }
    }
}

/// Not `DETAIL` and `CONTEXT`, which repeat values of rows, nor what it says it is doing.
fn tells_an_error(line: &str) -> bool {
    ["error: ", "from TOC entry ", "fatal: ", "hint: ", "FATAL: ", "HINT: "]
        .iter()
        .any(|word| line.contains(word))
        && !["DETAIL: ", "detail: Key", "CONTEXT: "].iter().any(|word| line.contains(word))
}

fn failure(tool: &Tool, server: &Server, status: ExitStatus, mut told: Told) -> BackupError {
    if !told.line.is_empty() {
        told.end_line();
    }
    let stderr = told.errors.iter().map(|line| masked(line, server)).collect();
    BackupError::Tool { tool: tool.name, status: status.to_string(), stderr }
}

/// No program of PostgreSQL's writes passwords into its errors; should one, it stops here.
fn masked(line: &str, server: &Server) -> String {
    let environment = server.environment();
    let password =
        environment.iter().find(|(name, _)| *name == "PGPASSWORD").map(|(_, value)| value.to_string_lossy());
    match password {
        Some(password) if !password.is_empty() => line.replace(password.as_ref(), "***"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINES, Told, pem_files};
    use crate::{PemSource, Server};
    use db_core::Secret;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[test]
    fn a_key_that_is_in_no_file_gets_one_that_others_cannot_read() {
        let server = Server::from_url("postgres://u@h/d").expect("a URL");
        assert!(pem_files(&server).expect("nothing to write").is_none());
        let (file, text) = (PathBuf::from("/me.pem"), Secret::new("the key".to_owned()));
        let server = server.client_certificate(file, PemSource::Text(text));
        let (folder, files) = pem_files(&server).expect("written").expect("one file");
        let [("PGSSLKEY", path)] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(fs::read_to_string(path).expect("readable"), "the key");
        assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn keeps_errors_without_rows_and_counts_items() {
        let mut told = Told::default();
        told.add(
            b"pg_restore: processing item 3 TABLE t\npg_restore: launching item 4 TABLE DATA t\npg_rest",
        );
        told.add(
            b"ore: finished item 4 TABLE DATA t\npg_restore: error: could not x: ERROR:  duplicate key\n",
        );
        told.add(b"DETAIL:  Key (email)=(a@example.com) is duplicated.\nCONTEXT:  COPY t, line 1: \"a\"\n");
        assert_eq!(told.items, 2);
        assert_eq!(told.errors, ["pg_restore: error: could not x: ERROR:  duplicate key"]);
    }

    #[test]
    fn is_bounded() {
        let mut told = Told::default();
        for _ in 0..100 {
            told.add(&[b"pg_dump: error: ".as_slice(), &[b'x'; 5000], b"\n"].concat());
        }
        assert_eq!(told.errors.len(), MOST_LINES);
        assert!(told.errors.iter().all(|line| line.len() <= 1024));
    }
}
