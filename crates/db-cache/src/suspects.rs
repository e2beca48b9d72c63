//! Keys under which the shared store may have something untrue: it was to be removed, and did not answer yet.

use db_core::{KeyValue, KeyValueError};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// With more than these, all keys are under suspicion.
const MOST: usize = 10_000;
/// Times that all keys are under suspicion that are told apart.
const MOST_OF_ALL: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Whether there are any, without a lock.
    any: AtomicBool,
    /// Somebody removes all; others need not.
    clearing: AtomicBool,
    state: Mutex<State>,
}

/// When suspicion fell: what was removed clears only of suspicion from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

#[derive(Debug, Default)]
struct State {
    last: Stamp,
    keys: HashMap<Box<str>, Stamp>,
    /// All keys are, since each of these.
    all: BTreeSet<Stamp>,
}

impl Suspects {
    /// Does what is to remove these, or to put others there. Until it is known to be done they are under suspicion; a dropped
    /// future leaves it so.
    pub(crate) async fn while_removing<T>(
        &self,
        keys: &[&str],
        removing: impl Future<Output = Result<T, KeyValueError>>,
    ) -> Result<T, KeyValueError> {
        let stamp = self.add(keys.iter().copied());
        let removed = removing.await?;
        self.clear(keys.iter().copied(), stamp);
        Ok(removed)
    }

    /// Removes those of these keys that are under suspicion, or all that begin so where all are.
    pub(crate) async fn remove_among(
        &self,
        store: &dyn KeyValue,
        keys: &[&str],
        prefix: &str,
    ) -> Result<(), KeyValueError> {
        if self.is_empty() {
            return Ok(());
        }
        let stamp = self.now();
        if self.are_all() {
            let Some(_clearing) = Clearing::begin(&self.clearing) else {
                let reason = "what may be untrue is being removed".to_owned();
                return Err(KeyValueError::Refused { store: store.name().to_owned(), reason });
            };
            store.clear(&format!("{prefix}:")).await?;
            self.clear_all(stamp);
            return Ok(());
        }
        let among: Vec<&str> = keys.iter().copied().filter(|key| self.contains(key)).collect();
        if !among.is_empty() {
            store.delete_multi(&among).await?;
            self.clear(among.into_iter(), stamp);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(SeqCst)
    }

    /// Now, for what is to be removed from here on.
    pub(crate) fn now(&self) -> Stamp {
        self.state.lock().last
    }

    pub(crate) fn are_all(&self) -> bool {
        !self.state.lock().all.is_empty()
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        let state = self.state.lock();
        !state.all.is_empty() || state.keys.contains_key(key)
    }

    pub(crate) fn add<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Stamp {
        let mut state = self.state.lock();
        let stamp = state.next();
        let keys: Vec<&str> = keys.collect();
        if state.keys.len() + keys.len() > MOST {
            state.suspect_all(stamp);
        } else {
            state.keys.extend(keys.into_iter().map(|key| (Box::from(key), stamp)));
        }
        self.any.store(true, SeqCst);
        stamp
    }

    pub(crate) fn add_all(&self) -> Stamp {
        let mut state = self.state.lock();
        let stamp = state.next();
        state.suspect_all(stamp);
        self.any.store(true, SeqCst);
        stamp
    }

    /// These were removed after this stamp was given.
    pub(crate) fn clear<'k>(&self, keys: impl Iterator<Item = &'k str>, stamp: Stamp) {
        if self.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        // Where they were too many to be told apart, it was all because of them.
        state.all.remove(&stamp);
        for key in keys {
            if state.keys.get(key).is_some_and(|since| *since <= stamp) {
                state.keys.remove(key);
            }
        }
        self.any.store(state.any(), SeqCst);
    }

    /// All were.
    pub(crate) fn clear_all(&self, stamp: Stamp) {
        let mut state = self.state.lock();
        state.keys.retain(|_, since| *since > stamp);
        state.all.retain(|since| *since > stamp);
        self.any.store(state.any(), SeqCst);
    }
}

/// Whoever removes all.
struct Clearing<'s>(&'s AtomicBool);

impl<'s> Clearing<'s> {
    fn begin(is_under_way: &'s AtomicBool) -> Option<Self> {
        (!is_under_way.swap(true, SeqCst)).then(|| Self(is_under_way))
    }
}

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl State {
    fn next(&mut self) -> Stamp {
        self.last.0 += 1;
        self.last
    }

    fn suspect_all(&mut self, stamp: Stamp) {
        self.all.insert(stamp);
        if self.all.len() > MOST_OF_ALL {
            // Nobody knows this one, so nothing but the removal of all ends it.
            let nobodys = self.next();
            self.all = BTreeSet::from([nobodys]);
        }
    }

    fn any(&self) -> bool {
        !self.all.is_empty() || !self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, MOST_OF_ALL, Suspects};

    #[test]
    fn what_was_removed_is_cleared() {
        let suspects = Suspects::default();
        assert!(suspects.is_empty() && !suspects.contains("a"));
        let stamp = suspects.add(["a", "b"].into_iter());
        suspects.clear(["a"].into_iter(), stamp);
        assert!(!suspects.contains("a") && suspects.contains("b") && !suspects.are_all());
        suspects.clear(["b"].into_iter(), stamp);
        assert!(suspects.is_empty());
    }

    #[test]
    fn but_not_of_what_came_after() {
        let suspects = Suspects::default();
        let first = suspects.add(["a"].into_iter());
        let second = suspects.add(["a"].into_iter());
        suspects.clear(["a"].into_iter(), first);
        assert!(suspects.contains("a"), "the second may have come after the removal");
        let all = suspects.add_all();
        suspects.clear_all(second);
        assert!(suspects.are_all());
        suspects.clear_all(all);
        assert!(suspects.is_empty());
    }

    #[test]
    fn too_many_are_all() {
        let suspects = Suspects::default();
        let many: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        let before = suspects.add(["before"].into_iter());
        let stamp = suspects.add(many.iter().map(String::as_str));
        let other = suspects.add(many.iter().map(String::as_str));
        assert!(suspects.are_all() && suspects.contains("a"));
        suspects.clear(many.iter().map(String::as_str), stamp);
        assert!(suspects.are_all(), "the others are there still");
        suspects.clear(many.iter().map(String::as_str), other);
        assert!(!suspects.are_all() && suspects.contains("before") && !suspects.contains("a"));
        suspects.clear_all(before);
        assert!(suspects.is_empty());
    }

    #[test]
    fn so_many_times_all_end_only_with_all() {
        let suspects = Suspects::default();
        let stamps: Vec<_> = (0..=MOST_OF_ALL).map(|_| suspects.add_all()).collect();
        for stamp in stamps {
            suspects.clear(std::iter::empty(), stamp);
        }
        assert!(suspects.are_all());
        suspects.clear_all(suspects.now());
        assert!(suspects.is_empty());
    }
}
