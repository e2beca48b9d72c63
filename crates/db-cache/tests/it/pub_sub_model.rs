//! Whatever happens to the connection and to the streams: what a subscriber hears, and what it hears to have missed,
//! is all that was published.

use crate::pub_sub::{Listener, listen, narrow, publish};
use crate::pub_sub_redis::{SOON, behind_proxy, streams};
use crate::redis_server::Server;
use db_core::Heard;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What one subscriber has heard of so far.
struct Account {
    listener: Listener,
    next: u64,
    is_unsure: bool,
    unknown_gaps: u64,
}

impl Account {
    fn new(listener: Listener, next: u64) -> Self {
        Self { listener, next, is_unsure: false, unknown_gaps: 0 }
    }

    fn hears(&mut self, heard: Heard, seed: u64) {
        match heard {
            Heard::Message(message) => {
                let number: u64 = String::from_utf8(message).expect("text").parse().expect("a number");
                let is_due = number == self.next || self.is_unsure && number > self.next;
                assert!(is_due, "seed {seed}: {number} where {} is due", self.next);
                (self.next, self.is_unsure) = (number + 1, false);
            }
            Heard::Gap { missed: Some(missed) } => {
                assert!(missed > 0, "seed {seed}: a gap of nothing");
                self.next += missed;
            }
            Heard::Gap { missed: None } => {
                self.is_unsure = true;
                self.unknown_gaps += 1;
            }
        }
    }
}

#[tokio::test]
async fn all_that_was_published_is_heard_or_known_to_be_missing() {
    let server = Server::start(&["--stream-node-max-entries", "4"]);
    for seed in 0..12 {
        // Half of them never lose the stream, and must know every number.
        play(&server, seed, seed % 2 == 0).await;
    }
}

async fn play(server: &Server, seed: u64, flushes: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let (proxy, away) = behind_proxy(server).await;
    let (away, here) = (away.look_every(SOON).room(narrow(40)), streams(server));
    let channel = format!("model {seed}");
    let mut published = 0;
    let mut accounts = vec![Account::new(listen(&away, &channel).await, 0)];
    for _ in 0..150 {
        match random.random_range(0..100) {
            0..60 => {
                for _ in 0..random.random_range(1..12) {
                    publish(&here, &channel, &published.to_string()).await;
                    published += 1;
                }
            }
            60..80 => {
                let which = random.random_range(0..accounts.len());
                while let Some(heard) = accounts[which].listener.at_once() {
                    accounts[which].hears(heard, seed);
                }
            }
            80..86 => proxy.reset(),
            86..90 => {
                proxy.refuse();
                proxy.reset();
            }
            90..94 => proxy.pass(),
            94..97 => {
                let key = server.cli(&["KEYS", &format!("cairn-channel*:{channel}")]);
                let keep: u32 = random.random_range(1..9);
                server.cli(&["XTRIM", &key, "MAXLEN", "=", &keep.to_string()]);
            }
            97..99 if accounts.len() < 4 => {
                proxy.pass();
                let late = listen_at_last(&away, &channel).await;
                accounts.push(Account::new(late, published));
            }
            _ if flushes => drop(server.cli(&["FLUSHALL"])),
            _ => tokio::task::yield_now().await,
        }
    }
    proxy.pass();
    publish(&here, &channel, &published.to_string()).await;
    for account in &mut accounts {
        while account.next <= published {
            let heard = account.listener.next().await;
            account.hears(heard, seed);
        }
        assert_eq!(account.next, published + 1, "seed {seed}: no more is missed than was published");
        assert!(flushes || account.unknown_gaps == 0, "seed {seed}: every number is known");
    }
}

/// What the proxy cut may have been the store's own connection.
async fn listen_at_last(store: &db_cache::RedisStreams, channel: &str) -> Listener {
    db_testkit::eventually("it subscribes", || async {
        db_core::PubSub::subscribe(store, channel).await.is_ok()
    })
    .await;
    listen(store, channel).await
}
