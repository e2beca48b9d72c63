//! Messages come as they were published, in order and once, to all who listen on their channel.

use super::Suite;
use futures_util::future::join_all;

const PUBLISHERS: usize = 4;
const EACH: usize = 40;

pub(super) async fn check(suite: &Suite<'_>) {
    tells_its_name(suite);
    keeps_every_byte(suite).await;
    keeps_every_channel_apart(suite).await;
    reaches_all_in_order(suite).await;
    keeps_the_order_of_each_publisher(suite).await;
    sends_the_same_as_often_as_it_is_published(suite).await;
}

fn tells_its_name(suite: &Suite<'_>) {
    let store = suite.store;
    assert!(!store.name().is_empty(), "a store has a name");
    assert_eq!((store.name(), store.limits()), (store.name(), store.limits()), "both are stable");
}

async fn keeps_every_byte(suite: &Suite<'_>) {
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    let mut subscriber = suite.subscribe("bytes").await;
    for (what, message) in [
        ("an empty message", &b""[..]),
        ("one zero", b"\0"),
        ("line ends", b"\r\n\r\n"),
        ("quotes", br#"'"$$\"#),
        ("every byte", &all),
    ] {
        suite.publish("bytes", message).await;
        subscriber.hears(message, what).await;
    }
}

async fn keeps_every_channel_apart(suite: &Suite<'_>) {
    let names = [
        "plain",
        "Plain",
        "plain ",
        "",
        "ключ",
        "🔑",
        "e\u{301}",
        "é",
        "new\nline",
        "nul\0",
        "nul",
        "quote'\"",
        "back\\slash",
        "{slot}",
        "a:b",
        "%00",
        "*",
        "[a-z]",
    ];
    let mut subscribers = Vec::new();
    for name in names {
        subscribers.push(suite.subscribe(name).await);
    }
    for name in names.iter().rev() {
        suite.publish(name, format!("on {name}")).await;
    }
    for (name, subscriber) in names.iter().zip(&mut subscribers) {
        subscriber.hears(format!("on {name}"), "channels of any text are told apart").await;
        suite.publish(name, "last").await;
        subscriber.hears("last", "each message is heard on its channel only").await;
    }
}

async fn reaches_all_in_order(suite: &Suite<'_>) {
    suite.publish("all", "before anybody listens").await;
    let mut first = suite.subscribe("all").await;
    for number in 0..100 {
        suite.publish("all", number.to_string()).await;
    }
    let mut second = suite.subscribe("all").await;
    for number in 100..200 {
        suite.publish("all", number.to_string()).await;
    }
    for number in 0..200 {
        first.hears(number.to_string(), "a subscriber hears all, in order").await;
    }
    for number in 100..200 {
        second.hears(number.to_string(), "and nothing that was published before it listened").await;
    }
}

async fn keeps_the_order_of_each_publisher(suite: &Suite<'_>) {
    let (mut one, mut other) = (suite.subscribe("several").await, suite.subscribe("several").await);
    let publishers = (0..PUBLISHERS).map(async |publisher| {
        for number in 0..EACH {
            suite.publish("several", format!("{publisher} {number}")).await;
        }
    });
    join_all(publishers).await;
    let mut next = [0; PUBLISHERS];
    for _ in 0..PUBLISHERS * EACH {
        let heard = one.next("of several publishers").await;
        assert_eq!(other.next("of several publishers").await, heard, "all hear them in one order");
        let db_core::Heard::Message(message) = heard else { panic!("a message is due, not {heard:?}") };
        let text = String::from_utf8(message).expect("text");
        let (publisher, number) = text.split_once(' ').expect("two numbers");
        let expected = &mut next[publisher.parse::<usize>().expect("a number")];
        assert_eq!(number.parse(), Ok(*expected), "publisher {publisher}");
        *expected += 1;
    }
    assert_eq!(next, [EACH; PUBLISHERS], "each message once");
}

async fn sends_the_same_as_often_as_it_is_published(suite: &Suite<'_>) {
    let mut subscriber = suite.subscribe("same").await;
    for _ in 0..3 {
        suite.publish("same", "same").await;
    }
    suite.publish("same", "last").await;
    for _ in 0..3 {
        subscriber.hears("same", "as often as it was published").await;
    }
    subscriber.hears("last", "and no oftener").await;
}
