//! Who listens loses nothing by looking away, hears of what it was too slow for, and holds up nobody.

use super::{Subscriber, Suite};
use db_core::Heard;
use futures_util::FutureExt;

/// More than waits for a subscriber in most stores.
const MANY: u64 = 3_000;

pub(super) async fn check(suite: &Suite<'_>) {
    loses_nothing_by_a_dropped_wait(suite).await;
    hears_of_what_it_was_too_slow_for(suite).await;
    leaves_others_alone(suite).await;
    publishes_for_nobody(suite).await;
}

async fn loses_nothing_by_a_dropped_wait(suite: &Suite<'_>) {
    let mut subscriber = suite.subscribe("dropped").await;
    let mut heard = Vec::new();
    for number in 0..50 {
        // Each is dropped at once, whether it was about to be ready or not.
        heard.extend(subscriber.0.next().now_or_never());
        suite.publish("dropped", number.to_string()).await;
        heard.extend(subscriber.0.next().now_or_never());
        tokio::task::yield_now().await;
    }
    while heard.len() < 50 {
        heard.push(subscriber.next("what was waited for in vain").await);
    }
    let expected: Vec<_> =
        (0..50).map(|number: u32| Heard::Message(number.to_string().into_bytes())).collect();
    assert_eq!(heard, expected, "a wait that is dropped loses nothing and repeats nothing");
}

async fn hears_of_what_it_was_too_slow_for(suite: &Suite<'_>) {
    let mut slow = suite.subscribe("slow").await;
    for number in 0..MANY {
        suite.publish("slow", number.to_string()).await;
    }
    let (mut next, mut is_unsure) = (0, false);
    while next < MANY {
        match slow.next("a slow subscriber").await {
            Heard::Message(message) => {
                let text = String::from_utf8(message).expect("text");
                let number: u64 = text.parse().expect("a number");
                assert!(number == next || is_unsure && number > next, "{number} where {next} is due");
                (next, is_unsure) = (number + 1, false);
            }
            Heard::Gap { missed: Some(missed) } => next += missed,
            Heard::Gap { missed: None } => is_unsure = true,
        }
    }
    assert_eq!(next, MANY, "no more is missed than was published");
    suite.publish("slow", "after").await;
    slow.hears("after", "one that was slow goes on").await;
}

async fn leaves_others_alone(suite: &Suite<'_>) {
    let mut one = suite.subscribe("others").await;
    let other = suite.subscribe("others").await;
    suite.publish("others", "first").await;
    drop(other);
    suite.publish("others", "second").await;
    one.hears("first", "one that goes takes nothing with it").await;
    one.hears("second", "one that goes takes nothing with it").await;
    drop(one);
    let mut again: Subscriber = suite.subscribe("others").await;
    suite.publish("others", "third").await;
    again.hears("third", "who comes again hears what comes then").await;
}

async fn publishes_for_nobody(suite: &Suite<'_>) {
    for _ in 0..3 {
        suite.publish("nobody", "is lost").await;
    }
}
