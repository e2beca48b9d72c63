//! What is within the limits is taken, and what is longer is refused and goes to nobody.

use super::Suite;
use db_core::PubSubError;
use rand::Rng;

pub(super) async fn check(suite: &Suite<'_>) {
    takes_the_longest(suite).await;
    refuses_a_longer_message(suite).await;
    refuses_a_longer_name(suite).await;
}

async fn takes_the_longest(suite: &Suite<'_>) {
    let limits = suite.store.limits();
    let room = limits.channel_bytes - suite.prefix.len();
    let name = "ü".repeat(room / 2) + &"x".repeat(room % 2);
    let mut message = vec![0; limits.message_bytes];
    rand::rng().fill(&mut message[..]);
    let mut subscriber = suite.subscribe(&name).await;
    suite.publish(&name, &message).await;
    subscriber.hears(&message, "the longest message on the longest name").await;
}

async fn refuses_a_longer_message(suite: &Suite<'_>) {
    let most = suite.store.limits().message_bytes;
    let mut subscriber = suite.subscribe("long message").await;
    let channel = suite.channel("long message");
    let refused = suite.store.publish(&channel, &vec![0; most + 1]).await;
    told(suite, "publish of a long message", refused, ("a message", &channel, most + 1, most));
    suite.publish("long message", "short").await;
    subscriber.hears("short", "what is refused goes to nobody").await;
}

async fn refuses_a_longer_name(suite: &Suite<'_>) {
    let most = suite.store.limits().channel_bytes;
    let long = "ü".repeat(most / 2 + 1);
    let expected = ("a name", long.as_str(), long.len(), most);
    told(suite, "publish on a long name", suite.store.publish(&long, b"m").await, expected);
    told(suite, "subscribe to a long name", suite.store.subscribe(&long).await.map(drop), expected);
}

fn told(
    suite: &Suite<'_>,
    call: &str,
    result: Result<(), PubSubError>,
    (what, channel, bytes, most): (&str, &str, usize, usize),
) {
    let error = result.expect_err(call);
    let PubSubError::TooLarge { store, what: which, channel: shown, bytes: of, most: least } = &error else {
        panic!("{call}: TooLarge is due, not {error:?}");
    };
    let right = (*which, *of, *least, store.as_str()) == (what, bytes, most, suite.store.name());
    assert!(
        right && channel.starts_with(shown.as_str()),
        "{call}: which, of which length, and how long: {error:?}"
    );
}
