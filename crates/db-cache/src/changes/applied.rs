//! Which changes whoever made them has removed from the shared store, so that nobody does it again.

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// What does not fit is removed from the shared store once more, which costs a load.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Applied {
    tell: Mutex<Option<mpsc::Sender<i64>>>,
}

impl Applied {
    /// For the task that follows; the one before hears no more.
    pub(crate) fn listen(&self) -> mpsc::Receiver<i64> {
        let (tell, listen) = mpsc::channel(MOST);
        *self.tell.lock() = Some(tell);
        listen
    }

    pub(crate) fn is_applied(&self, row: i64) {
        if let Some(tell) = &*self.tell.lock() {
            let _ = tell.try_send(row);
        }
    }
}
