//! What was told a moment ago, so that a busy service that is only observed does not flood its log. Pure: time comes in.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// The same is told once in this time.
const INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// Different things that are remembered; of more in one interval none is told.
const MAX_KINDS: usize = 1024;

/// Who has done what against the rules, and when that was told.
#[derive(Debug, Default)]
pub(super) struct Recent {
    told: HashMap<(String, String), DateTime<Utc>>,
}

impl Recent {
    /// Whether it is to be told now; from here on it counts as told.
    pub(super) fn is_due(&mut self, role: &str, why: &str, now: DateTime<Utc>) -> bool {
        let is_recent = |at: &DateTime<Utc>| (now - *at).abs() < INTERVAL;
        let key = (role.to_owned(), why.to_owned());
        if self.told.get(&key).is_some_and(is_recent) {
            return false;
        }
        if self.told.len() >= MAX_KINDS {
            self.told.retain(|_, at| is_recent(at));
            if self.told.len() >= MAX_KINDS {
                return false;
            }
        }
        self.told.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERVAL, MAX_KINDS, Recent};
    use chrono::DateTime;

    #[test]
    fn the_same_is_told_once_in_a_while() {
        let mut recent = Recent::default();
        let now = DateTime::UNIX_EPOCH;
        assert!(recent.is_due("a", "x", now));
        assert!(!recent.is_due("a", "x", now));
        assert!(recent.is_due("b", "x", now) && recent.is_due("a", "y", now));
        assert!(!recent.is_due("a", "x", now + INTERVAL / 2));
        assert!(recent.is_due("a", "x", now + INTERVAL));
        // A clock that was moved back holds nothing up.
        assert!(recent.is_due("a", "x", now - INTERVAL));
    }

    #[test]
    fn so_many_different_things_are_remembered_and_no_more() {
        let mut recent = Recent::default();
        let now = DateTime::UNIX_EPOCH;
        let told = (0..MAX_KINDS * 2).filter(|n| recent.is_due("a", &n.to_string(), now)).count();
        assert_eq!((told, recent.told.len()), (MAX_KINDS, MAX_KINDS));
        assert!(recent.is_due("a", "later", now + INTERVAL));
        assert_eq!(recent.told.len(), 1);
    }
}
