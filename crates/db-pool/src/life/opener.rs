//! Opens connections in the background: for those who wait, to keep the minimum, to replace what expires.
//!
//! A connection is opened by a task of the pool, not by the caller's future. A caller that gives up does not throw away
//! the work, a connection that comes back meanwhile serves it sooner, and the new one serves whoever is next.

use super::{
    ages::expiry,
    backoff::Backoff,
    breaker::{Admit, Breaker},
};
use crate::{
    ConnectError, Error, Fault,
    conn::{Conn, PlansOf},
    session,
    shared::Shared,
    stats::tally,
};
use std::{
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// Between two attempts at a server that refuses at once.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(25), max: Duration::from_secs(1) };

/// Starts as many openings as the gate has counted.
pub(crate) fn start(shared: &Arc<Shared>, openings: u32) {
    for _ in 0..openings {
        let opening = Opening { shared: Arc::clone(shared), settled: false };
        shared.runtime.spawn(opening.run());
    }
}

/// One connection that the gate counts as being opened; dropped on the way, it is counted no more.
struct Opening {
    shared: Arc<Shared>,
    settled: bool,
}

impl Opening {
    async fn run(mut self) {
        let result = connect(&self.shared).await;
        self.settled = true;
        let after = match result {
            Ok(conn) => self.shared.gate.opened(conn, Instant::now()),
            Err(error) => self.shared.gate.open_failed(error),
        };
        self.shared.settle(after);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.settled {
            self.shared.gate.open_abandoned();
        }
    }
}

/// Opens one connection: within the budget of connects, as the breaker allows, and again while that may help.
///
/// # Cancel safety
/// A dropped future leaves no connection behind and gives a probe's place back to the breaker.
pub(crate) async fn connect(shared: &Arc<Shared>) -> Result<Box<Conn>, Error> {
    let started = Instant::now();
    let mut attempts = 0;
    loop {
        within_budget(shared).await;
        let attempt = Attempt::admitted(shared)?;
        attempts += 1;
        match open_once(shared).await {
            Ok(conn) => {
                attempt.succeeded();
                return Ok(conn);
            }
            Err(error) => {
                // A server that says that it starts up is there, and does not need to be left alone.
                if error.fault == Fault::NotReady {
                    attempt.put_off();
                } else {
                    attempt.failed();
                }
                let error = ConnectError { attempts, elapsed: started.elapsed(), ..error };
                shared.failed_to_connect(error.clone());
                if !again(&error, shared) {
                    return Err(Error::Connect(error));
                }
            }
        }
        sleep(BACKOFF.delay(attempts, rand::random())).await;
    }
}

/// Whether another attempt may help now. A server that says that it is not ready yet is worth the callers' whole
/// patience; one that refuses is asked a few times; what took long already, or needs a person, is not tried again.
fn again(error: &ConnectError, shared: &Shared) -> bool {
    match error.fault {
        Fault::NotReady => error.elapsed < shared.config.acquire_timeout,
        Fault::Refused | Fault::Unreachable | Fault::TooManyConnections | Fault::Provider => {
            error.attempts < shared.config.connect_attempts.get()
        }
        _ => false,
    }
}

async fn within_budget(shared: &Shared) {
    loop {
        let taken = shared.budget.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        match taken {
            Ok(()) => return,
            Err(wait) => sleep(wait).await,
        }
    }
}

async fn open_once(shared: &Shared) -> Result<Box<Conn>, ConnectError> {
    let started = Instant::now();
    // Before the connection is opened: a plan made under an older schema must not pass for one of this.
    let epoch = shared.epoch.load(Relaxed);
    let broken = |elapsed| ConnectError::new(Fault::Unreachable, shared.server(), elapsed);
    // The store keeps the connect timeout, and is the one to say what happened; one that does not keep it, must not keep
    // a place in the pool for ever either.
    let limit = shared.config.attempt_timeout().mul_f64(1.25);
    let Ok(opened) = timeout(limit, shared.store.open()).await else {
        return Err(ConnectError { fault: Fault::TimedOut, ..broken(started.elapsed()) });
    };
    let mut live = opened?;
    let greeting = match timeout(shared.config.check_timeout, session::greet(&mut live)).await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => {
            return Err(ConnectError { source: Some(Arc::new(error)), ..broken(started.elapsed()) });
        }
        Err(_) => return Err(ConnectError { fault: Fault::TimedOut, ..broken(started.elapsed()) }),
    };
    if let Some(greeting) = greeting {
        shared.server_connections.store(greeting.server_connections, Relaxed);
    }
    tally(&shared.counters.opens);
    let open_took = started.elapsed();
    if let Some(recorder) = &shared.config.recorder {
        recorder.timing("db.client.connection.create_time", &[shared.label()], open_took);
    }
    let now = Instant::now();
    Ok(Box::new(Conn {
        live,
        identity: greeting.map(|greeting| greeting.identity),
        opened: now,
        open_took,
        expires: expiry(now, shared.config.max_lifetime, rand::random()),
        idle_since: now,
        epoch,
        plans_of: PlansOf::Nobody,
    }))
}

/// One attempt that the breaker let through.
struct Attempt<'a> {
    shared: &'a Shared,
    admitted: Option<Admit>,
}

impl<'a> Attempt<'a> {
    fn admitted(shared: &'a Shared) -> Result<Self, Error> {
        match breaker(shared).admit(Instant::now()) {
            Admit::No { retry_in } => {
                Err(Error::BreakerOpen { retry_in, last_failure: shared.last_failure().map(Box::new) })
            }
            admitted => Ok(Self { shared, admitted: Some(admitted) }),
        }
    }

    fn succeeded(mut self) {
        if let Some(admitted) = self.admitted.take() {
            breaker(self.shared).succeeded(admitted);
        }
    }

    /// It failed in a way that says nothing against the server.
    fn put_off(self) {
        tally(&self.shared.counters.open_failures);
    }

    fn failed(mut self) {
        tally(&self.shared.counters.open_failures);
        if let Some(admitted) = self.admitted.take() {
            breaker(self.shared).failed(admitted, Instant::now());
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            breaker(self.shared).abandoned(admitted);
        }
    }
}

fn breaker(shared: &Shared) -> MutexGuard<'_, Breaker> {
    shared.breaker.lock().unwrap_or_else(PoisonError::into_inner)
}
