//! What every `PubSub` must do, as one suite that each implementation runs.

mod limits;
mod listening;
mod messages;

use db_core::{Heard, PubSub, Subscription};
use std::time::Duration;
use tokio::time::timeout;

/// Longer than any message takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the whole suite. Its channels begin with text that no other run has, so it may share a server with others. The store
/// must not be cut off meanwhile: a gap that has no cause is refused.
///
/// # Panics
/// With the first promise that the store does not keep.
pub async fn pub_sub_conforms(store: &dyn PubSub) {
    let suite = Suite { store, prefix: format!("suite-{:016x}/", rand::random::<u64>()) };
    messages::check(&suite).await;
    listening::check(&suite).await;
    limits::check(&suite).await;
}

/// The store with words for what the checks do to it; channels are given without the prefix.
struct Suite<'a> {
    store: &'a dyn PubSub,
    prefix: String,
}

impl Suite<'_> {
    fn channel(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn publish(&self, name: &str, message: impl AsRef<[u8]>) {
        let published = self.store.publish(&self.channel(name), message.as_ref()).await;
        published.unwrap_or_else(|error| panic!("publish on {name:?}: {error:?}"));
    }

    async fn subscribe(&self, name: &str) -> Subscriber {
        let subscribed = self.store.subscribe(&self.channel(name)).await;
        Subscriber(subscribed.unwrap_or_else(|error| panic!("subscribe to {name:?}: {error:?}")))
    }
}

struct Subscriber(Box<dyn Subscription>);

impl Subscriber {
    async fn next(&mut self, what: &str) -> Heard {
        let next = timeout(PATIENCE, self.0.next()).await;
        next.unwrap_or_else(|_| panic!("{what}: nothing is heard within {PATIENCE:?}"))
    }

    async fn hears(&mut self, expected: impl AsRef<[u8]>, what: &str) {
        let expected = expected.as_ref();
        match self.next(what).await {
            Heard::Message(message) if message == expected => {}
            other => panic!("{what}: {expected:?} is due, not {other:?}"),
        }
    }
}
