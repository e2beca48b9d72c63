//! A password that a program prints: `pass`, `vault`, `aws rds generate-db-auth-token`.

use super::{LONGEST, from_output};
use crate::Error;
use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};
use std::fmt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

/// Longest wait for a command that was given no other.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs a program for every new connection and takes what it prints on standard output.
///
/// No shell is involved. The program gets no standard input, its error output is thrown away (it may hold the secret), and
/// its output is bounded at 64 KiB. It runs in a process group of its own, and that group is killed when the deadline
/// passes or the future is dropped.
#[derive(Clone)]
pub struct CommandPassword {
    program: Secret,
    arguments: Vec<Secret>,
    deadline: Duration,
}

impl CommandPassword {
    /// Program and arguments; `None` when there is no program.
    pub fn new<W: Into<Secret>>(words: impl IntoIterator<Item = W>) -> Option<Self> {
        let mut words = words.into_iter().map(Into::into);
        let program = words.next().filter(|program| !program.is_empty())?;
        Some(Self { program, arguments: words.collect(), deadline: DEADLINE })
    }

    /// Waits this long instead of ten seconds.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// # Cancel safety
    /// Dropping the future kills the process group.
    async fn run(&self) -> Result<Secret, Error> {
        let mut running = Running::start(&self.program, &self.arguments)?;
        let finished = tokio::time::timeout(self.deadline, running.finish()).await;
        finished.unwrap_or(Err(Error::PasswordCommandTimeout { waited: self.deadline }))
    }
}

impl fmt::Debug for CommandPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandPassword").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[async_trait]
impl PasswordProvider for CommandPassword {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        Ok(Some(self.run().await?))
    }
}

/// A started program; dropped before its end, it is killed with everything it started.
struct Running {
    child: Child,
    output: Option<ChildStdout>,
}

impl Running {
    fn start(program: &Secret, arguments: &[Secret]) -> Result<Self, Error> {
        let mut command = Command::new(program.expose());
        command.args(arguments.iter().map(Secret::expose)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|source| failed("cannot be started", Some(source)))?;
        let output = child.stdout.take();
        Ok(Self { child, output })
    }

    async fn finish(&mut self) -> Result<Secret, Error> {
        let mut bytes = Vec::new();
        if let Some(output) = self.output.take() {
            let read = output.take(LONGEST as u64 + 1).read_to_end(&mut bytes).await;
            read.map_err(|source| failed("its output cannot be read", Some(source)))?;
        }
        if bytes.len() <= LONGEST {
            let status =
                self.child.wait().await.map_err(|source| failed("cannot be waited for", Some(source)))?;
            if !status.success() {
                return Err(failed(&format!("ended with {status}"), None));
            }
        }
        from_output(bytes).map_err(|why| failed(&format!("its output is {why}"), None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `id` is `None` once the child was waited for, and only then could the number belong to somebody else.
        #[cfg(unix)]
        if let Some(group) =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended by itself just now.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

fn failed(why: &str, source: Option<std::io::Error>) -> Error {
    Error::PasswordCommand { why: why.to_owned(), source }
}
