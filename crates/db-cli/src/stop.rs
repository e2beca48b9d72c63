//! Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.

use crate::{Exit, Failed};
use std::future::Future;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

/// Listens from now on.
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
    _listener: JoinSet<()>,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, Failed> {
        let listen =
            |kind| signal(kind).map_err(|error| Failed::new(format!("cannot listen for signals: {error}")));
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (tell, asked) = watch::channel(false);
        let mut listener = JoinSet::new();
        listener.spawn(relay(interrupt, terminate, tell));
        Ok(Self { asked, _listener: listener })
    }

    /// Ready once an end was asked for; it may be waited for several times.
    pub(crate) fn requested(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut asked = self.asked.clone();
        async move {
            if asked.wait_for(|&asked| asked).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn relay(mut interrupt: Signal, mut terminate: Signal, tell: watch::Sender<bool>) {
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    eprintln!("\nstopping when what runs is done; once more to stop at once");
    let _ = tell.send(true);
    next().await;
    // The servers we started get the kernel's signal when this process ends.
    std::process::exit(i32::from(Exit::Interrupted.number()));
}
