//! Turns away those who have waited past their deadline: one timer for all of them, instead of one each, which would be set and
//! taken back with every wait.

use crate::shared::Shared;
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::sleep};

/// Between two looks while anybody waits; a deadline is kept this late at most.
const LOOK: Duration = Duration::from_millis(25);

/// A wait shorter than this is worth a timer of its own.
pub(crate) const OWN_TIMER: Duration = Duration::from_secs(1);

/// Whether somebody looks after the deadlines.
#[derive(Default)]
pub(crate) struct Sweeper {
    state: AtomicU8,
    woken: Arc<Notify>,
}

/// Nobody does: not yet, or not any more.
const GONE: u8 = 0;
/// It sleeps until somebody waits.
const ASLEEP: u8 = 1;
/// It looks every so often.
const AWAKE: u8 = 2;

impl Sweeper {
    /// Called by everybody who joins the queue, after joining. Says whether the deadline is looked after.
    pub(crate) fn watches(&self) -> bool {
        match self.state.load(SeqCst) {
            AWAKE => true,
            ASLEEP => {
                self.woken.notify_one();
                true
            }
            _ => false,
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.woken.notify_one();
    }
}

/// Starts it; it ends with the pool.
pub(crate) fn start(shared: &Arc<Shared>) {
    shared.sweeper.state.store(ASLEEP, SeqCst);
    let woken = Arc::clone(&shared.sweeper.woken);
    shared.runtime.spawn(sweep(End(Arc::downgrade(shared)), woken));
}

/// The pool, not held. Dropped before the pool, because its runtime has ended, it turns away those who relied on the sweeper.
struct End(Weak<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.sweeper.state.store(GONE, SeqCst);
        let (mut after, _) = shared.gate.expire(None);
        after.wake_all();
    }
}

async fn sweep(end: End, woken: Arc<Notify>) {
    loop {
        woken.notified().await;
        loop {
            let Some(shared) = end.0.upgrade() else { return };
            if shared.gate.is_closed() {
                return;
            }
            shared.sweeper.state.store(AWAKE, SeqCst);
            if !look(&shared) {
                // Who joins from here on wakes it; who joined before that is seen by one more look.
                shared.sweeper.state.store(ASLEEP, SeqCst);
                if !look(&shared) {
                    break;
                }
            }
            drop(shared);
            sleep(LOOK).await;
        }
    }
}

/// Says whether anybody waits still.
fn look(shared: &Arc<Shared>) -> bool {
    let (after, waiting) = shared.gate.expire(Some(Instant::now()));
    shared.settle(after);
    waiting
}
