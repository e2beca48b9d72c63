//! Finds out when a server that was given up answers again, so that no caller has to.

use super::{dial::Link, fault::Fault, node::Node};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Tries until there is an answer. Holds the node only while it tries, so that one that nobody uses any more goes.
pub(super) async fn probe(node: Weak<Node>, mut pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(node) = node.upgrade() else { return };
        if !node.breaker.lock().begin_probe(Instant::now()) {
            return;
        }
        let mut probing = Probing { node, ended: false };
        let dialed = probing.node.dial().await;
        pause = match probing.end(dialed) {
            Some(pause) => pause,
            None => return,
        };
    }
}

/// A probe under way: one that is dropped has failed, so that the next may begin.
struct Probing {
    node: Arc<Node>,
    ended: bool,
}

impl Probing {
    /// The pause until the next, if there is to be one.
    fn end(&mut self, dialed: Result<Link, Fault>) -> Option<Duration> {
        self.ended = true;
        match dialed {
            Ok(link) => {
                self.node.closed(link);
                None
            }
            Err(fault) => {
                *self.node.reason.lock() = fault;
                self.node.probe_failed()
            }
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        if !self.ended {
            self.node.probe_failed();
        }
    }
}
