//! The suite of the seam `PubSub` passes a store that is right, and notices each way in which one may be wrong.

use async_trait::async_trait;
use db_core::{Heard, PubSub, PubSubError, PubSubLimits, Subscription};
use db_testkit::pub_sub_conforms;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::task::yield_now;

const LIMITS: PubSubLimits = PubSubLimits { channel_bytes: 300, message_bytes: 10_000 };
/// What waits for a subscriber.
const ROOM: usize = 1_000;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    TellsWhatWasBefore,
    FoldsCase,
    LosesEmptyOnes,
    EndsAtZero,
    PutsTheLastFirst,
    TellsOneOnly,
    SendsTheSameOnce,
    LosesWhatWasAboutToCome,
    IsSilentForTheSlow,
    CountsTooFew,
    CountsTooMany,
    OneTakesAll,
    HasNoLimit,
    RefusesTheLongest,
    SendsWhatItRefuses,
    TellsOfGapsThatAreNone,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::TellsWhatWasBefore, "a subscriber hears all, in order"),
    (Flaw::FoldsCase, "told apart"),
    (Flaw::LosesEmptyOnes, "an empty message"),
    (Flaw::EndsAtZero, "one zero"),
    (Flaw::PutsTheLastFirst, "in order"),
    (Flaw::TellsOneOnly, "nothing is heard"),
    (Flaw::SendsTheSameOnce, "as often as it was published"),
    (Flaw::LosesWhatWasAboutToCome, "waited for in vain"),
    (Flaw::IsSilentForTheSlow, "is due"),
    (Flaw::CountsTooFew, "is due"),
    (Flaw::CountsTooMany, "is due"),
    (Flaw::OneTakesAll, "takes nothing with it"),
    (Flaw::HasNoLimit, "publish of a long message"),
    (Flaw::RefusesTheLongest, "publish on"),
    (Flaw::SendsWhatItRefuses, "what is refused goes to nobody"),
    (Flaw::TellsOfGapsThatAreNone, "every"),
];

#[derive(Default)]
struct Channel {
    log: Vec<Vec<u8>>,
    taken: usize,
    is_closed: bool,
}

#[derive(Clone)]
struct Model {
    flaw: Flaw,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
    bell: Arc<Notify>,
}

impl Model {
    fn new(flaw: Flaw) -> Self {
        Self { flaw, channels: Arc::default(), bell: Arc::default() }
    }

    fn with<T>(&self, channel: &str, act: impl FnOnce(&mut Channel) -> T) -> T {
        let name = if self.flaw == Flaw::FoldsCase { channel.to_lowercase() } else { channel.to_owned() };
        act(self.channels.lock().expect("no panic").entry(name).or_default())
    }

    fn takes(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        let most = match self.flaw {
            Flaw::HasNoLimit => usize::MAX,
            Flaw::RefusesTheLongest => LIMITS.message_bytes - 1,
            _ => LIMITS.message_bytes,
        };
        let fits = |what, bytes, most| {
            let (store, channel) = ("model".to_owned(), channel.to_owned());
            if bytes <= most {
                Ok(())
            } else {
                Err(PubSubError::TooLarge { store, what, channel, bytes, most })
            }
        };
        fits("a name", channel.len(), LIMITS.channel_bytes)?;
        fits("a message", message.len(), most)
    }

    fn send(&self, channel: &str, message: &[u8]) {
        let flaw = self.flaw;
        let length = message.iter().position(|byte| *byte == 0 && flaw == Flaw::EndsAtZero);
        let message = message[..length.unwrap_or(message.len())].to_vec();
        self.with(channel, |channel| match flaw {
            Flaw::LosesEmptyOnes if message.is_empty() => {}
            Flaw::SendsTheSameOnce if channel.log.last() == Some(&message) => {}
            Flaw::PutsTheLastFirst if channel.log.len() > 5 => {
                let at = channel.log.len() - 1;
                channel.log.insert(at, message);
            }
            _ => channel.log.push(message),
        });
        self.bell.notify_waiters();
    }
}

#[async_trait]
impl PubSub for Model {
    fn name(&self) -> &str {
        "model"
    }

    fn limits(&self) -> PubSubLimits {
        LIMITS
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        let taken = self.takes(channel, message);
        if taken.is_ok() || self.flaw == Flaw::SendsWhatItRefuses {
            self.send(channel, message);
        }
        taken
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, PubSubError> {
        self.takes(channel, &[])?;
        let end = self.with(channel, |channel| {
            channel.is_closed = false;
            channel.log.len()
        });
        let at = if self.flaw == Flaw::TellsWhatWasBefore { 0 } else { end };
        Ok(Box::new(Reader { model: self.clone(), channel: channel.to_owned(), at }))
    }
}

struct Reader {
    model: Model,
    channel: String,
    at: usize,
}

impl Reader {
    fn look(&mut self) -> Option<Heard> {
        let flaw = self.model.flaw;
        let at = &mut self.at;
        self.model.with(&self.channel, |channel| {
            if channel.is_closed {
                return None;
            }
            let missed = channel.log.len().saturating_sub(*at + ROOM);
            if missed > 0 {
                *at += missed;
                let told = match flaw {
                    Flaw::CountsTooFew => missed - 1,
                    Flaw::CountsTooMany => missed + 1,
                    _ => missed,
                };
                if flaw != Flaw::IsSilentForTheSlow {
                    return Some(Heard::Gap { missed: u64::try_from(told).ok() });
                }
            }
            if flaw == Flaw::TellsOneOnly {
                *at = channel.taken.max(*at);
            }
            let message = channel.log.get(*at)?.clone();
            *at += 1;
            channel.taken = *at;
            if flaw == Flaw::TellsOfGapsThatAreNone && message.len() > 300 {
                return Some(Heard::Gap { missed: None });
            }
            Some(Heard::Message(message))
        })
    }
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Heard {
        loop {
            let bell = Arc::clone(&self.model.bell);
            let rung = bell.notified();
            if let Some(heard) = self.look() {
                if self.model.flaw == Flaw::LosesWhatWasAboutToCome {
                    yield_now().await;
                }
                return heard;
            }
            rung.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let flaw = self.model.flaw;
        self.model.with(&self.channel, |channel| channel.is_closed = flaw == Flaw::OneTakesAll);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_right_passes() {
    pub_sub_conforms(&Model::new(Flaw::None)).await;
}

#[tokio::test(start_paused = true)]
async fn each_flaw_is_noticed() {
    for (flaw, expected) in FLAWS {
        let model = Model::new(*flaw);
        let panic = AssertUnwindSafe(pub_sub_conforms(&model)).catch_unwind().await;
        let panic = panic.err().unwrap_or_else(|| panic!("{flaw:?} is not noticed"));
        let told = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        assert!(told.contains(expected), "{flaw:?}: {told}");
    }
}
