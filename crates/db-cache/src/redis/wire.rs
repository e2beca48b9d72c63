//! A connection, and what puts together commands that are sent at the same time.
//!
//! The driver writes as soon as it has one command, which is often before those who could run next have added theirs. So
//! under load commands are gathered first: whoever can run adds its own, and then all go out in one write, as
//! databases commit in groups. That halves the wake-ups, which are what a command costs.

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

/// Commands that wait to be gathered; more callers than that wait for a place, not for long.
const QUEUED: usize = 1_024;
/// Of one write; more is no cheaper.
const GATHERED: usize = 256;
/// Commands under way from which on they are gathered: fewer are answered sooner one by one.
const FEW: usize = 4;

/// Many commands share it.
pub(crate) struct Wire {
    connection: MultiplexedConnection,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    command: Cmd,
    answer: oneshot::Sender<RedisResult<Value>>,
}

impl Wire {
    pub(crate) fn new(connection: MultiplexedConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUED);
        tokio::spawn(gather(connection.clone(), waiting));
        Self { connection, queue }
    }

    /// The answer, or nothing where the connection has ended; `under_way` is how many commands are.
    pub(crate) async fn one(&self, command: Cmd, under_way: usize) -> Option<RedisResult<Value>> {
        if under_way <= FEW {
            return Some(self.connection.clone().send_packed_command(&command).await);
        }
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { command, answer }).await.ok()?;
        answered.await.ok()
    }

    pub(crate) async fn several(&self, pipeline: &Pipeline, count: usize) -> RedisResult<Value> {
        self.connection.clone().send_packed_commands(pipeline, 0, count).await.map(Value::Array)
    }
}

/// Ends when the wire has, after the last answer.
async fn gather(connection: MultiplexedConnection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut under_way = FuturesUnordered::new();
    let mut gathered = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            taken = waiting.recv_many(&mut gathered, GATHERED) => {
                if taken == 0 {
                    break;
                }
                yield_now().await;
                while gathered.len() < GATHERED && let Ok(more) = waiting.try_recv() {
                    gathered.push(more);
                }
                under_way.push(send(connection.clone(), std::mem::take(&mut gathered)));
            }
        }
    }
    while under_way.next().await.is_some() {}
}

async fn send(mut connection: MultiplexedConnection, gathered: Vec<Waiting>) {
    let mut pipeline = Pipeline::with_capacity(gathered.len());
    let mut answers = Vec::with_capacity(gathered.len());
    // Nobody waits for some of them any more.
    for Waiting { command, answer } in gathered.into_iter().filter(|waiting| !waiting.answer.is_closed()) {
        pipeline.add_command(command);
        answers.push(answer);
    }
    if answers.is_empty() {
        return;
    }
    match connection.send_packed_commands(&pipeline, 0, answers.len()).await {
        Ok(values) => {
            for (answer, value) in answers.into_iter().zip(values) {
                let _ = answer.send(Ok(value));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
