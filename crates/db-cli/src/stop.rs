//! Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.

use crate::{Exit, Failed, output};
use db_migrate::Scratch;
use rustix::process::{Pid, kill_process};
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

/// Listens from now on.
pub(crate) struct Stop {
    asked: watch::Receiver<Option<Asked>>,
    child: Arc<Mutex<Option<Pid>>>,
    _listener: JoinSet<()>,
}

/// Who asked for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C, which reaches every process of the terminal.
    Interrupt,
    /// SIGTERM, which reaches us alone.
    Terminate,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, Failed> {
        let listen =
            |kind| signal(kind).map_err(|error| Failed::new(format!("cannot listen for signals: {error}")));
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (tell, asked) = watch::channel(None);
        let child = Arc::new(Mutex::new(None));
        let mut listener = JoinSet::new();
        listener.spawn(relay(interrupt, terminate, tell, Arc::clone(&child)));
        Ok(Self { asked, child, _listener: listener })
    }

    /// Ready once an end was asked for; it may be waited for several times.
    pub(crate) fn requested(&self) -> impl Future<Output = ()> + Send + 'static {
        let asked = self.asked();
        async move {
            asked.await;
        }
    }

    /// The same, and tells by whom.
    pub(crate) fn asked(&self) -> impl Future<Output = Asked> + Send + 'static {
        let mut asked = self.asked.clone();
        async move {
            let by = asked.wait_for(Option::is_some).await.ok().and_then(|by| *by);
            match by {
                Some(by) => by,
                None => std::future::pending().await,
            }
        }
    }

    /// Does the work, or `None` once an end was asked for: it is dropped then, what it was at in scratch databases is cleared
    /// away, and what is `left` of it told.
    pub(crate) async fn unless_requested<T>(&self, left: &str, work: impl Future<Output = T>) -> Option<T> {
        let outcome = tokio::select! {
            outcome = work => Some(outcome),
            () = self.requested() => None,
        };
        if outcome.is_none() {
            Scratch::settled().await;
            output::tell(&format!("stopped before the end; {left}"));
        }
        outcome
    }

    /// Takes this process along when the end is at once; `None` when there is none any more.
    pub(crate) fn take_along(&self, child: Option<Pid>) {
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
    }
}

/// The same for a command that does one thing: it listens from here on, after all questions that it asks.
pub(crate) async fn unless_stopped<T>(
    left: &str,
    work: impl Future<Output = T>,
) -> Result<Option<T>, Failed> {
    Ok(Stop::listen()?.unless_requested(left, work).await)
}

async fn relay(
    mut interrupt: Signal,
    mut terminate: Signal,
    tell: watch::Sender<Option<Asked>>,
    child: Arc<Mutex<Option<Pid>>>,
) {
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => Asked::Interrupt,
            _ = terminate.recv() => Asked::Terminate,
        }
    };
    let by = next().await;
    output::tell("\nstopping when what runs is done; once more to stop at once");
    let _ = tell.send(Some(by));
    next().await;
    let along = *child.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(child) = along {
        let _ = kill_process(child, rustix::process::Signal::KILL);
    }
    // The servers we started get the kernel's signal when this process ends.
    std::process::exit(i32::from(Exit::Interrupted.number()));
}
