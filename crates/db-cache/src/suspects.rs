//! Keys under which the shared store may have something untrue: it was to be removed, and did not answer yet.

use db_core::{KeyValue, KeyValueError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// With more than these, all keys are under suspicion.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Whether there are any, without a lock.
    any: AtomicBool,
    state: Mutex<State>,
}

/// When suspicion fell: what was removed clears only of suspicion from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

#[derive(Debug, Default)]
struct State {
    last: Stamp,
    keys: HashMap<Box<str>, Stamp>,
    all: Option<Stamp>,
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
        self.state.lock().all.is_some()
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        let state = self.state.lock();
        state.all.is_some() || state.keys.contains_key(key)
    }

    pub(crate) fn add<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Stamp {
        let mut state = self.state.lock();
        let stamp = state.next();
        state.keys.extend(keys.map(|key| (Box::from(key), stamp)));
        if state.keys.len() > MOST {
            state.keys.clear();
            state.all = Some(stamp);
        }
        self.any.store(true, SeqCst);
        stamp
    }

    pub(crate) fn add_all(&self) -> Stamp {
        let mut state = self.state.lock();
        let stamp = state.next();
        state.all = Some(stamp);
        self.any.store(true, SeqCst);
        stamp
    }

    /// These were removed after this stamp was given.
    pub(crate) fn clear<'k>(&self, keys: impl Iterator<Item = &'k str>, stamp: Stamp) {
        if self.is_empty() {
            return;
        }
        let mut state = self.state.lock();
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
        state.all = state.all.filter(|since| *since > stamp);
        self.any.store(state.any(), SeqCst);
    }
}

impl State {
    fn next(&mut self) -> Stamp {
        self.last.0 += 1;
        self.last
    }

    fn any(&self) -> bool {
        self.all.is_some() || !self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Suspects};

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
        let stamp = suspects.add(many.iter().map(String::as_str));
        assert!(suspects.are_all() && suspects.contains("a"));
        suspects.clear(many.iter().map(String::as_str), stamp);
        assert!(suspects.are_all(), "one of them may be another");
        suspects.clear_all(stamp);
        assert!(suspects.is_empty() && !suspects.are_all());
    }
}
