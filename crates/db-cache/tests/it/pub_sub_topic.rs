//! What is published is a value, and what cannot be read is an event.

use crate::pub_sub::{narrow, publish};
use db_cache::{Encoding, Event, MemoryChannels, PublishError, Room, Subscriber, Topic, Topics};
use db_core::{Classify, PubSub, PubSubError, Retry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Paid {
    order: u64,
    note: String,
}

fn paid(order: u64) -> Paid {
    Paid { order, note: "ü".repeat(usize::try_from(order).expect("few")) }
}

fn channels(room: Room) -> (Arc<MemoryChannels>, Topics) {
    let channels = Arc::new(MemoryChannels::new(room));
    let topics = Topics::new("shop", Arc::clone(&channels) as Arc<dyn PubSub>).expect("a name");
    (channels, topics)
}

async fn next<T: DeserializeOwned>(subscriber: &mut Subscriber<T>) -> Event<T> {
    timeout(Duration::from_secs(20), subscriber.next()).await.expect("something is heard")
}

#[tokio::test]
async fn values_come_as_they_were_in_either_encoding() {
    let (_, topics) = channels(Room::default());
    let json: Topic<Paid> = topics.topic("order.paid").expect("a name");
    let packed = topics.topic::<Paid>("order.paid").expect("a name").encoding(Encoding::MessagePack);
    let mut subscriber = json.subscribe().await.expect("subscribed");
    for order in [0, 7, 2_000] {
        json.publish(&paid(order)).await.expect("published");
        packed.publish(&paid(order)).await.expect("published");
        assert_eq!(next(&mut subscriber).await, Event::Message(paid(order)));
        assert_eq!(next(&mut subscriber).await, Event::Message(paid(order)));
    }
    let stats = json.stats();
    assert_eq!((stats.published, stats.heard, stats.unreadable), (3, 6, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_event_and_what_comes_after_is_heard() {
    let (channels, topics) = channels(Room::default());
    let topic: Topic<Paid> = topics.topic("order.paid").expect("a name");
    let newer = topics.topic::<Paid>("order.paid").expect("a name").schema(2);
    let other: Topic<String> = topics.topic("order.paid").expect("a name");
    let mut subscriber = topic.subscribe().await.expect("subscribed");
    publish(&*channels, "shop:order.paid", "").await;
    publish(&*channels, "shop:order.paid", "no record of ours, though it is long enough for one").await;
    newer.publish(&paid(1)).await.expect("published");
    other.publish(&"another type".to_owned()).await.expect("published");
    topic.publish(&paid(2)).await.expect("published");
    for _ in 0..4 {
        let heard = next(&mut subscriber).await;
        assert!(matches!(heard, Event::Unreadable { .. }), "{heard:?}");
    }
    assert_eq!(next(&mut subscriber).await, Event::Message(paid(2)));
    assert_eq!((topic.stats().unreadable, topic.stats().heard), (4, 1));
}

#[tokio::test]
async fn a_gap_is_an_event_with_its_number() {
    let (_, topics) = channels(narrow(2));
    let topic: Topic<u64> = topics.topic("n").expect("a name");
    let mut subscriber = topic.subscribe().await.expect("subscribed");
    for number in 0..5 {
        topic.publish(&number).await.expect("published");
    }
    assert_eq!(next(&mut subscriber).await, Event::Gap { missed: Some(3) });
    assert_eq!(next(&mut subscriber).await, Event::Message(3));
    assert_eq!((topic.stats().gaps, topic.stats().missed), (1, 3));
}

#[tokio::test]
async fn what_is_not_published_is_told() {
    let (_, topics) = channels(Room::default());
    let topic: Topic<Paid> = topics.topic("t").expect("a name");
    let mut long = paid(1);
    // So that it does not become shorter by compression.
    long.note = (0..2_000_000_u32).map(|_| char::from(rand_letter())).collect();
    let error = topic.publish(&long).await.expect_err("too long");
    assert!(matches!(&error, PublishError::Store(PubSubError::TooLarge { .. })), "{error}");
    assert_eq!((error.retry(), topic.stats().published), (Retry::Never, 0));
    for name in ["", "two words", "a:b"] {
        assert!(topics.topic::<Paid>(name).is_err(), "{name:?}");
        assert!(Topics::new(name, Arc::new(MemoryChannels::new(Room::default()))).is_err(), "{name:?}");
    }
}

fn rand_letter() -> u8 {
    rand::random_range(b'0'..=b'z')
}
