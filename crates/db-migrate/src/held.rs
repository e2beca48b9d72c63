//! A scratch database that goes when whoever holds it does, cancelled or not.

use crate::{Error, Scratch, Server, Template};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What makes and drops scratch databases for futures that may be gone already.
static AT_WORK: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// A scratch database, dropped when this is.
pub(crate) struct Held {
    server: Server,
    /// `None` once it is being dropped.
    scratch: Option<Scratch>,
}

impl Held {
    /// Makes one.
    ///
    /// # Cancel safety
    /// One that was being made is dropped once it is there.
    pub(crate) async fn create(server: &Server, template: Template<'_>) -> Result<Self, Error> {
        let server = server.clone();
        let from = match template {
            Template::Empty => None,
            Template::CopyOf(name) => Some(name.to_owned()),
        };
        Self::made(async move {
            let template = from.as_deref().map_or(Template::Empty, Template::CopyOf);
            Scratch::create(&server, template).await
        })
        .await
    }

    /// Holds what this makes.
    ///
    /// # Cancel safety
    /// That of [`create`](Self::create).
    pub(crate) async fn made(
        making: impl Future<Output = Result<Scratch, Error>> + Send + 'static,
    ) -> Result<Self, Error> {
        let held = |scratch: Scratch| Self { server: scratch.server().clone(), scratch: Some(scratch) };
        to_the_end("create a scratch database", async move { making.await.map(held) }).await
    }

    /// Where it is.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Drops it, and says then what came of the work in it.
    pub(crate) async fn end<T, E: From<Error>>(mut self, outcome: Result<T, E>) -> Result<T, E> {
        let dropping = self.scratch.take().map(going);
        let dropped = match dropping {
            Some(dropping) => dropping.await.unwrap_or(Ok(())),
            None => Ok(()),
        };
        let value = outcome?;
        dropped?;
        Ok(value)
    }

    /// It is none that goes any more.
    #[cfg(feature = "backup")]
    pub(crate) fn keep(mut self) {
        self.scratch = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Without a runtime it is left to `Scratch::sweep`.
        if let Some(scratch) = self.scratch.take()
            && Handle::try_current().is_ok()
        {
            drop(going(scratch));
        }
    }
}

impl Scratch {
    /// Ready once every scratch database is gone whose user was cancelled: for a program that is about to end.
    ///
    /// # Cancel safety
    /// What is under way goes on; what it does not finish is for [`sweep`](Self::sweep).
    pub async fn settled() {
        loop {
            let next = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                // One that could not be dropped is for the next sweep.
                Some(task) => drop(task.await),
                None => return,
            }
        }
    }
}

/// Does this whether or not anybody waits for it; where nobody does any more, what comes of it is dropped at once.
/// [`Scratch::settled`] waits for it.
pub(crate) async fn to_the_end<T: Send + 'static, E: From<Error> + Send + 'static>(
    action: &str,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    let (tell, told) = oneshot::channel();
    remember(tokio::spawn(async move {
        let _ = tell.send(work.await);
    }));
    told.await.unwrap_or_else(|_| Err(Error::during(action)(sqlx::Error::WorkerCrashed).into()))
}

/// Drops it whether or not anybody waits for that.
fn going(scratch: Scratch) -> oneshot::Receiver<Result<(), Error>> {
    let (tell, told) = oneshot::channel();
    remember(tokio::spawn(async move {
        let _ = tell.send(scratch.drop().await);
    }));
    told
}

/// Those that have finished are forgotten here, so there are never more than are at work.
fn remember(task: JoinHandle<()>) {
    let mut tasks = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.retain(|task| !task.is_finished());
    tasks.push(task);
}
