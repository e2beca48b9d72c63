//! The suite of the seam `KeyValue` passes a store that is right, and notices each way in which one may be wrong.

use async_trait::async_trait;
use db_core::{Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Stored};
use db_testkit::key_value_conforms;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::task::yield_now;

const LIMITS: KeyValueLimits = KeyValueLimits { key_bytes: 500, value_bytes: 10_000 };

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    LeavesOutMissing,
    KeepsOldVersion,
    FirstOfTwoStays,
    EndsAtZero,
    FoldsCase,
    CountsKeysThatWereNotThere,
    LooksBeforeItSets,
    AbsentIsAlways,
    AnyVersionWill,
    ReplacesNumbers,
    LooksBeforeItAdds,
    WrapsAround,
    ReadsValuesAsNumbers,
    ReadsNumbersAsValues,
    LaterAdditionCuts,
    LosesLongTimes,
    RefusesTheLongest,
    WritesSomeOfTooMany,
    HasNoLimit,
    PercentIsAnything,
    UnderscoreIsAnyLetter,
    ClearsOnePage,
    ClearsValuesOnly,
    ClearsTooMuch,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::LeavesOutMissing, "an answer for each key"),
    (Flaw::KeepsOldVersion, "value and version"),
    (Flaw::FirstOfTwoStays, "the last is there"),
    (Flaw::EndsAtZero, "zero"),
    (Flaw::FoldsCase, "told apart"),
    (Flaw::CountsKeysThatWereNotThere, "each once"),
    (Flaw::LooksBeforeItSets, "one gets it"),
    (Flaw::AbsentIsAlways, "is not absent"),
    (Flaw::AnyVersionWill, "was there before is not there"),
    (Flaw::ReplacesNumbers, "a number is neither"),
    (Flaw::LooksBeforeItAdds, "a sum of its own"),
    (Flaw::WrapsAround, "no such number"),
    (Flaw::ReadsValuesAsNumbers, "a value is no number"),
    (Flaw::ReadsNumbersAsValues, "a number is no value"),
    (Flaw::LaterAdditionCuts, "does not shorten"),
    (Flaw::LosesLongTimes, "is there"),
    (Flaw::RefusesTheLongest, "set"),
    (Flaw::WritesSomeOfTooMany, "writes nothing"),
    (Flaw::HasNoLimit, "long key"),
    (Flaw::PercentIsAnything, "like%"),
    (Flaw::UnderscoreIsAnyLetter, "under_"),
    (Flaw::ClearsOnePage, "as many as there are"),
    (Flaw::ClearsValuesOnly, "is cleared"),
    (Flaw::ClearsTooMuch, "counts what it removes"),
];

#[derive(Clone, Debug)]
enum Held {
    Value(Stored),
    Number(i64),
}

struct Model {
    held: Mutex<HashMap<String, (Held, Instant)>>,
    flaw: Flaw,
}

impl Model {
    fn new(flaw: Flaw) -> Self {
        Self { held: Mutex::default(), flaw }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn name_of(&self, key: &str) -> String {
        if self.is(Flaw::FoldsCase) { key.to_lowercase() } else { key.to_owned() }
    }

    fn held(&self, key: &str) -> Option<(Held, Instant)> {
        let held = self.held.lock().expect("unpoisoned").get(&self.name_of(key)).cloned();
        held.filter(|(_, until)| *until > Instant::now())
    }

    fn put(&self, put: &Put<'_>) {
        let mut stored = Stored { version: put.version, value: put.value.to_vec() };
        if self.is(Flaw::EndsAtZero) {
            stored.value = put.value.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        }
        if let (true, Some((Held::Value(old), _))) = (self.is(Flaw::KeepsOldVersion), self.held(put.key)) {
            stored.version = old.version;
        }
        self.write(put.key, Held::Value(stored), self.until(put.ttl));
    }

    fn write(&self, key: &str, held: Held, until: Instant) {
        self.held.lock().expect("unpoisoned").insert(self.name_of(key), (held, until));
    }

    fn until(&self, ttl: Duration) -> Instant {
        let most = Duration::from_secs(3_000_000_000);
        let lost = self.is(Flaw::LosesLongTimes) && ttl > most;
        let ttl = if lost { Duration::ZERO } else { ttl.clamp(Duration::from_millis(1), most) };
        Instant::now() + ttl
    }

    fn fits(&self, key: &str, value: &[u8]) -> Result<(), KeyValueError> {
        let refused = usize::from(self.is(Flaw::RefusesTheLongest));
        let parts = [("a key", key.len(), LIMITS.key_bytes), ("a value", value.len(), LIMITS.value_bytes)];
        for (what, bytes, most) in parts {
            if bytes + refused > most && !self.is(Flaw::HasNoLimit) {
                let (store, key) = (self.name().to_owned(), key.to_owned());
                return Err(KeyValueError::TooLarge { store, what, key, bytes, most });
            }
        }
        Ok(())
    }

    fn begins(&self, key: &str, prefix: &str) -> bool {
        if self.is(Flaw::PercentIsAnything) && prefix.ends_with('%') {
            return key.starts_with(&prefix[..prefix.len() - 1]);
        }
        let mut letters = key.chars();
        let same = |letter: char, found: Option<char>| {
            found == Some(letter)
                || (letter == '_' && found.is_some() && self.is(Flaw::UnderscoreIsAnyLetter))
        };
        let prefix = if self.is(Flaw::ClearsTooMuch) { prefix.trim_end_matches('n') } else { prefix };
        prefix.chars().all(|letter| same(letter, letters.next()))
    }
}

fn wrong_kind(key: &str, found: &'static str) -> KeyValueError {
    KeyValueError::WrongKind { key: key.to_owned(), found }
}

#[async_trait]
impl KeyValue for Model {
    fn name(&self) -> &str {
        "model"
    }

    fn limits(&self) -> KeyValueLimits {
        LIMITS
    }

    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError> {
        let mut found = Vec::new();
        for key in keys {
            self.fits(key, &[])?;
            found.push(match self.held(key) {
                None if self.is(Flaw::LeavesOutMissing) => continue,
                None => None,
                Some((Held::Value(stored), _)) => Some(stored),
                Some((Held::Number(_), _)) if self.is(Flaw::ReadsNumbersAsValues) => None,
                Some((Held::Number(_), _)) => return Err(wrong_kind(key, "number")),
            });
        }
        Ok(found)
    }

    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        for put in puts {
            self.fits(put.key, put.value)?;
            if self.is(Flaw::WritesSomeOfTooMany) {
                self.put(put);
            }
        }
        let last_first = self.is(Flaw::FirstOfTwoStays);
        for at in 0..puts.len() {
            self.put(&puts[if last_first { puts.len() - 1 - at } else { at }]);
        }
        Ok(())
    }

    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError> {
        keys.iter().try_for_each(|key| self.fits(key, &[]))?;
        let there = keys.iter().map(|key| {
            let live = self.held(key).is_some();
            self.held.lock().expect("unpoisoned").remove(&self.name_of(key));
            u64::from(live || self.is(Flaw::CountsKeysThatWereNotThere))
        });
        Ok(there.sum())
    }

    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError> {
        self.fits(put.key, put.value)?;
        let done = match (expected, self.held(put.key)) {
            (Expected::Absent, None) => true,
            (Expected::Absent, Some((Held::Value(_), _))) => self.is(Flaw::AbsentIsAlways),
            (Expected::Version(expected), Some((Held::Value(stored), _))) => {
                stored.version == expected || self.is(Flaw::AnyVersionWill)
            }
            (_, Some((Held::Number(_), _))) => self.is(Flaw::ReplacesNumbers),
            (Expected::Version(_), None) => false,
        };
        if self.is(Flaw::LooksBeforeItSets) {
            yield_now().await;
        }
        if done {
            self.put(&put);
        }
        Ok(done)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        self.fits(key, &[])?;
        let (number, until) = match self.held(key) {
            None => (0, self.until(ttl)),
            Some((Held::Number(number), until)) if self.is(Flaw::LaterAdditionCuts) => {
                (number, until.min(self.until(ttl)))
            }
            Some((Held::Number(number), until)) => (number, until),
            Some((Held::Value(_), until)) if self.is(Flaw::ReadsValuesAsNumbers) => (0, until),
            Some((Held::Value(_), _)) => return Err(wrong_kind(key, "value")),
        };
        if self.is(Flaw::LooksBeforeItAdds) {
            yield_now().await;
        }
        let sum = match number.checked_add(by) {
            Some(sum) => sum,
            None if self.is(Flaw::WrapsAround) => number.wrapping_add(by),
            None => return Err(KeyValueError::Overflow { key: key.to_owned() }),
        };
        self.write(key, Held::Number(sum), until);
        Ok(sum)
    }

    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError> {
        let mut left = if self.is(Flaw::ClearsOnePage) { 1_000 } else { usize::MAX };
        let (mut removed, now) = (0, Instant::now());
        self.held.lock().expect("unpoisoned").retain(|key, (held, until)| {
            let spared = matches!(held, Held::Number(_)) && self.is(Flaw::ClearsValuesOnly);
            if !self.begins(key, prefix) || spared || left == 0 {
                return true;
            }
            left -= 1;
            removed += u64::from(*until > now);
            false
        });
        Ok(removed)
    }
}

#[tokio::test]
async fn a_store_that_is_right_passes() {
    key_value_conforms(&Model::new(Flaw::None)).await;
}

#[tokio::test]
async fn every_flaw_is_noticed_for_what_it_is() {
    for (flaw, told) in FLAWS {
        let model = Model::new(*flaw);
        let panic = AssertUnwindSafe(key_value_conforms(&model)).catch_unwind().await;
        let panic = panic.expect_err(&format!("{flaw:?} goes unnoticed"));
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        assert!(text.contains(told), "{flaw:?} is told by {told:?}, not as {text}");
    }
}
