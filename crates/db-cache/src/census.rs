//! Sums entries up by the namespace that their keys tell. Pure.

use db_core::Share;
use std::collections::HashMap;

/// Names that are told apart; more than any program has.
pub(crate) const MOST_NAMES: usize = 1_000;

/// What entries take whose keys begin so.
pub(crate) struct Shares<'p> {
    prefix: &'p str,
    by_name: HashMap<String, Share>,
    further: Share,
    entries: u64,
}

impl<'p> Shares<'p> {
    pub(crate) fn new(prefix: &'p str) -> Self {
        Self { prefix, by_name: HashMap::new(), further: Share::default(), entries: 0 }
    }

    /// One entry, unless its key begins otherwise.
    pub(crate) fn count(&mut self, key: &str, value_bytes: usize) {
        let Some(rest) = key.strip_prefix(self.prefix) else { return };
        let name = rest.split(':').next().unwrap_or_default();
        if !self.by_name.contains_key(name) && self.by_name.len() < MOST_NAMES {
            let share = Share { name: Some(name.to_owned()), ..Share::default() };
            self.by_name.insert(name.to_owned(), share);
        }
        let share = self.by_name.get_mut(name).unwrap_or(&mut self.further);
        share.entries += 1;
        share.bytes += u64::try_from(key.len() + value_bytes).unwrap_or(u64::MAX);
        self.entries += 1;
    }

    /// How many were counted.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The largest first.
    pub(crate) fn finish(self) -> Vec<Share> {
        let mut shares: Vec<Share> = self.by_name.into_values().collect();
        if self.further.entries > 0 {
            shares.push(self.further);
        }
        shares.sort_unstable_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_NAMES, Shares};
    use db_core::Share;

    #[test]
    fn entries_are_summed_up_by_the_name_behind_the_prefix() {
        let mut shares = Shares::new("app:");
        for (key, bytes) in
            [("app:a:1", 10), ("app:b:1:2", 100), ("app:a:2", 20), ("apple:a:1", 5), ("app:c", 1)]
        {
            shares.count(key, bytes);
        }
        assert_eq!(shares.entries(), 4);
        let share = |name: &str, entries, bytes| Share { name: Some(name.to_owned()), entries, bytes };
        assert_eq!(shares.finish(), [share("b", 1, 109), share("a", 2, 44), share("c", 1, 6)]);
    }

    #[test]
    fn there_are_only_so_many_names() {
        let mut shares = Shares::new("");
        for name in 0..MOST_NAMES + 7 {
            shares.count(&format!("{name}:key"), 1);
            shares.count("0:key", 1);
        }
        let shares = shares.finish();
        assert_eq!(shares.len(), MOST_NAMES + 1);
        assert_eq!(shares.iter().find(|share| share.name.is_none()).map(|share| share.entries), Some(7));
    }
}
