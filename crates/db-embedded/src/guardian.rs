//! A thread that starts a server process, and is its parent for as long as it lives.
//!
//! The kernel's parent-death signal goes out when the *thread* that started the child ends, so the child must not be
//! started from a runtime's thread, which may end at any time. When this process is killed, its threads end with it,
//! and the server gets the signal. `setpriv` (util-linux) sets it, since setting it needs code between fork and exec.
//! Where there is no `setpriv`, a server that outlives its owner is stopped at the next start (see `home`).

use crate::{Error, account::RunAs, binaries::Search};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    ffi::OsString,
    fs::File,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// What to run, and how it is to be stopped.
pub(crate) struct Server {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) run_as: RunAs,
    pub(crate) log: File,
    /// Sent to stop it, and by the kernel when its owner dies.
    pub(crate) stop_signal: StopSignal,
}

/// How a server is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// PostgreSQL: end sessions, write a checkpoint, leave.
    Interrupt,
    /// PostgreSQL: leave at once; for data that are thrown away.
    Quit,
    /// Redis: leave.
    Terminate,
}

impl StopSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Terminate => Signal::TERM,
        }
    }
}

enum Ask {
    /// Has it ended?
    Status(SyncSender<Option<ExitStatus>>),
    /// Stop it; answered when it has ended.
    Stop(Duration, SyncSender<()>),
}

/// A running server. Dropping it stops the server and waits for that.
pub(crate) struct Guardian {
    asks: SyncSender<Ask>,
    pub(crate) pid: u32,
}

/// How long a server may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);

impl Guardian {
    pub(crate) fn start(server: Server, search: &Search) -> Result<Self, Error> {
        let program = server.program.clone();
        let setpriv = search.program("setpriv");
        let (started, start) = sync_channel(1);
        let (asks, inbox) = sync_channel(1);
        thread::Builder::new()
            .name("server-guardian".to_owned())
            .spawn(move || {
                let stop_signal = server.stop_signal;
                let child = spawn(server, setpriv);
                match child {
                    Ok(child) => {
                        let _ = started.send(Ok(child.id()));
                        guard(child, stop_signal, &inbox);
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            })
            .map_err(|source| Error::Spawn { program: program.clone(), source })?;
        let pid = match start.recv() {
            Ok(Ok(pid)) => pid,
            Ok(Err(source)) => return Err(Error::Spawn { program, source }),
            Err(_) => {
                return Err(Error::Spawn { program, source: std::io::Error::other("its guardian ended") });
            }
        };
        Ok(Self { asks, pid })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let (reply, answer) = sync_channel(1);
        self.asks.send(Ask::Status(reply)).ok()?;
        answer.recv().ok().flatten()
    }

    fn stop(&self) {
        let (reply, answer) = sync_channel(1);
        if self.asks.send(Ask::Stop(STOP_GRACE, reply)).is_ok() {
            let _ = answer.recv();
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(server: Server, setpriv: Option<PathBuf>) -> std::io::Result<Child> {
    let mut command = match setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.arg("--pdeathsig").arg(server.stop_signal.name()).arg("--").arg(&server.program);
            command
        }
        None => Command::new(&server.program),
    };
    server.run_as.apply(&mut command);
    let errors = server.log.try_clone()?;
    command
        .args(&server.arguments)
        // A group of its own: Ctrl-C at the terminal is for us, and we stop the server when we are done with it.
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(server.log)
        .stderr(errors)
        .spawn()
}

/// Answers until the handle is gone or the server is stopped.
fn guard(mut child: Child, stop_signal: StopSignal, inbox: &Receiver<Ask>) {
    loop {
        match inbox.recv() {
            Ok(Ask::Status(reply)) => {
                let _ = reply.send(child.try_wait().ok().flatten());
            }
            Ok(Ask::Stop(grace, reply)) => {
                stop(&mut child, stop_signal, grace);
                let _ = reply.send(());
                return;
            }
            Err(_) => {
                stop(&mut child, stop_signal, STOP_GRACE);
                return;
            }
        }
    }
}

fn stop(child: &mut Child, stop_signal: StopSignal, grace: Duration) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    let _ = kill_process(pid, stop_signal.signal());
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = child.wait();
}
