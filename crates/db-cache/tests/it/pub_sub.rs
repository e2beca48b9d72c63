//! Every store of channels keeps the promises of the seam, and what tests ask of a subscriber.

use db_cache::{MemoryChannels, Room};
use db_core::{Heard, PubSub, PubSubError, Subscription};
use db_testkit::pub_sub_conforms;
use futures_util::FutureExt;
use std::time::Duration;
use tokio::time::timeout;

/// A subscriber that does not wait for ever.
pub(crate) struct Listener(Box<dyn Subscription>);

pub(crate) async fn listen(store: &dyn PubSub, channel: &str) -> Listener {
    Listener(store.subscribe(channel).await.unwrap_or_else(|error| panic!("subscribe: {error:?}")))
}

pub(crate) async fn publish(store: &dyn PubSub, channel: &str, message: &str) {
    let published = store.publish(channel, message.as_bytes()).await;
    published.unwrap_or_else(|error| panic!("publish {message:?}: {error:?}"));
}

/// A message.
pub(crate) fn said(text: &str) -> Heard {
    Heard::Message(text.as_bytes().to_vec())
}

impl Listener {
    pub(crate) async fn next(&mut self) -> Heard {
        timeout(Duration::from_secs(20), self.0.next()).await.expect("something is heard within 20 s")
    }

    pub(crate) async fn hears(&mut self, expected: &[&str]) {
        for text in expected {
            assert_eq!(self.next().await, said(text));
        }
    }

    pub(crate) async fn hears_a_gap(&mut self, expected: Option<u64>) {
        assert_eq!(self.next().await, Heard::Gap { missed: expected });
    }

    /// What is there already.
    pub(crate) fn at_once(&mut self) -> Option<Heard> {
        self.0.next().now_or_never()
    }
}

/// Room for a few messages.
pub(crate) fn narrow(messages: usize) -> Room {
    let mut room = Room::default();
    room.messages = messages;
    room
}

#[tokio::test]
async fn memory_keeps_the_promises_of_the_seam() {
    let channels = MemoryChannels::new(Room::default());
    pub_sub_conforms(&channels).await;
    let stats = channels.stats();
    assert_eq!((stats.subscriptions, stats.reconnects), (0, 0), "{stats:?}");
    assert!(stats.published > 3_000 && stats.heard > 1_000, "{stats:?}");
    assert!(stats.dropped > 0 && stats.gaps == 1, "one was too slow: {stats:?}");
}

#[tokio::test]
async fn one_that_is_too_slow_hears_how_many_it_missed() {
    let channels = MemoryChannels::new(narrow(3));
    let mut slow = listen(&channels, "c").await;
    let mut quick = listen(&channels, "c").await;
    for number in 0..10 {
        publish(&channels, "c", &number.to_string()).await;
        quick.hears(&[&number.to_string()]).await;
    }
    slow.hears_a_gap(Some(7)).await;
    slow.hears(&["7", "8", "9"]).await;
    assert_eq!((slow.at_once(), quick.at_once()), (None, None));
    assert_eq!(channels.stats().dropped, 7);
}

#[tokio::test]
async fn subscriptions_are_bounded() {
    let mut room = Room::default();
    room.subscriptions = 2;
    let channels = MemoryChannels::new(room);
    let (one, _other) = (listen(&channels, "a").await, listen(&channels, "b").await);
    let refused = channels.subscribe("a").await.map(drop);
    assert!(matches!(&refused, Err(PubSubError::TooMany { most: 2, .. })), "{refused:?}");
    drop(one);
    listen(&channels, "c").await;
    assert_eq!(channels.stats().subscriptions, 1);
}

#[tokio::test]
async fn a_subscriber_that_waits_is_woken() {
    let channels = std::sync::Arc::new(MemoryChannels::new(Room::default()));
    let mut waits = listen(&*channels, "c").await;
    let waiting = tokio::spawn(async move { waits.next().await });
    tokio::task::yield_now().await;
    publish(&*channels, "c", "wakes").await;
    assert_eq!(waiting.await.expect("no panic"), said("wakes"));
}
