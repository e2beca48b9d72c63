//! A command under way: what its end says of its connection and of the server.

use super::{fault::Fault, node::Node};
use redis::{RedisResult, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// A command under way.
pub(super) struct Pending<'a> {
    node: &'a Arc<Node>,
    place: usize,
    link: u64,
    sent: Instant,
    /// Answers that its connection had had by then.
    answers: u64,
    ended: bool,
}

impl<'a> Pending<'a> {
    pub(super) fn new(node: &'a Arc<Node>, place: usize, link: u64, sent: Instant) -> Self {
        let answers = node.lanes[place].begin();
        Self { node, place, link, sent, answers, ended: false }
    }

    pub(super) fn end(mut self, answer: Option<Option<RedisResult<Value>>>) -> Result<Value, Fault> {
        self.ended = true;
        let node = self.node;
        match answer {
            Some(Some(Ok(answer))) => {
                if node.judge(&answer) {
                    node.lanes[self.place].answered();
                }
                Ok(answer)
            }
            Some(broken) => {
                let reason = match broken {
                    Some(Err(error)) => error.to_string(),
                    _ => "it has ended".to_owned(),
                };
                let fault = Fault::Unavailable(format!("the connection broke: {reason}"));
                // Of all that were under way on it one tells, as it is one failure.
                if node.lanes[self.place].remove(self.link) {
                    node.failed(&fault);
                    self.replace();
                }
                Err(fault)
            }
            None => {
                node.counts.timeouts.add(1);
                let fault = Fault::Unavailable(format!("no answer within {:?}", node.command_timeout));
                // One that has answered others since is slow; one that has not may be dead, and nothing would tell.
                let silent = node.lanes[self.place].answers() == self.answers;
                if silent && self.has_waited(node.command_timeout / 2) {
                    node.lanes[self.place].remove(self.link);
                }
                node.failed(&fault);
                self.replace();
                Err(fault)
            }
        }
    }

    /// Since it was sent: its time may have gone by while a connection was made.
    fn has_waited(&self, time: Duration) -> bool {
        Instant::now().saturating_duration_since(self.sent) >= time
    }

    fn replace(&self) {
        if !self.node.open.load(Relaxed) && !self.node.lanes[self.place].is_connected() {
            self.node.connect(self.place);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.node.lanes[self.place].end();
        // A caller that gives up sooner than we would must not keep the breaker from learning that nothing comes.
        if !self.ended && self.has_waited(self.node.command_timeout / 4) {
            self.node.failed(&Fault::Unavailable("no answer before its caller gave up".to_owned()));
        }
    }
}
