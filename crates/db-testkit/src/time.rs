//! Waiting in tests: for a state, never for a time.

use std::{future::Future, time::Duration};

const PATIENCE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until the state is reached, on the real clock.
///
/// # Panics
/// Naming the state, when it is not reached within 20 s.
pub async fn eventually<F: Future<Output = bool>>(state: &str, reached: impl Fn() -> F) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !reached().await {
        assert!(std::time::Instant::now() < deadline, "not reached within {PATIENCE:?}: {state}");
        // On the blocking pool, so that a paused clock does not turn this into a busy loop.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(INTERVAL)).await;
    }
}

/// Lets time pass on a paused clock, for `#[tokio::test(start_paused = true)]`: every task first comes to rest, then the
/// clock moves, then what was due runs.
///
/// A paused clock moves by itself when nothing is left to run, also while a socket is waited for: pause it in tests
/// that do no I/O, or pause it only around the wait.
pub async fn elapse(time: Duration) {
    tokio::task::yield_now().await;
    tokio::time::advance(time).await;
    tokio::task::yield_now().await;
}

#[cfg(test)]
mod tests {
    use super::{elapse, eventually};
    use std::{
        sync::atomic::{AtomicU32, Ordering::Relaxed},
        time::Duration,
    };

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_fires_what_is_due() {
        let timer = tokio::spawn(tokio::time::sleep(Duration::from_secs(60)));
        elapse(Duration::from_secs(59)).await;
        assert!(!timer.is_finished());
        elapse(Duration::from_secs(2)).await;
        timer.await.expect("fired");
    }

    #[tokio::test]
    async fn a_state_is_waited_for() {
        let looks = AtomicU32::new(0);
        eventually("three looks", || async { looks.fetch_add(1, Relaxed) >= 2 }).await;
        assert_eq!(looks.load(Relaxed), 3);
    }
}
