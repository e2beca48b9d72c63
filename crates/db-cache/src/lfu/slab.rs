//! Entries in numbered slots, each in one of three lists that are ordered by use. Pure.

use std::time::Instant;

/// No slot.
const NONE: u32 = u32::MAX;

/// Which list an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// New ones, whatever they are worth.
    Window,
    /// Admitted, and not asked for since.
    Probation,
    /// Admitted, and asked for since.
    Protected,
}

#[derive(Debug)]
pub(super) struct Entry<V> {
    pub(super) hash: u64,
    pub(super) key: Box<str>,
    pub(super) value: V,
    pub(super) weight: usize,
    pub(super) expires_at: Instant,
    /// How often it was read since somebody looked.
    pub(super) asked: u8,
}

impl<V> Entry<V> {
    pub(super) fn new(hash: u64, key: &str, value: V, weight: usize, expires_at: Instant) -> Self {
        // What weighs nothing would be without a limit.
        Self { hash, key: key.into(), value, weight: weight.max(1), expires_at, asked: 0 }
    }
}

#[derive(Debug)]
enum Slot<V> {
    Taken { entry: Entry<V>, region: Region, newer: u32, older: u32 },
    Free { next: u32 },
}

#[derive(Clone, Copy, Debug)]
struct List {
    newest: u32,
    oldest: u32,
    weight: usize,
}

#[derive(Debug)]
pub(super) struct Slab<V> {
    slots: Vec<Slot<V>>,
    first_free: u32,
    len: usize,
    lists: [List; 3],
}

impl<V> Slab<V> {
    pub(super) fn new() -> Self {
        let empty = List { newest: NONE, oldest: NONE, weight: 0 };
        Self { slots: Vec::new(), first_free: NONE, len: 0, lists: [empty; 3] }
    }

    /// Puts it first in a list; gives it back when every number is taken.
    pub(super) fn insert(&mut self, entry: Entry<V>, region: Region) -> Result<u32, Entry<V>> {
        let taken = |entry| Slot::Taken { entry, region, newer: NONE, older: NONE };
        let at = if let Some(Slot::Free { next }) = self.slots.get(self.first_free as usize) {
            let at = std::mem::replace(&mut self.first_free, *next);
            self.slots[at as usize] = taken(entry);
            at
        } else {
            match u32::try_from(self.slots.len()) {
                Ok(at) if at != NONE => {
                    self.slots.push(taken(entry));
                    at
                }
                _ => return Err(entry),
            }
        };
        self.len += 1;
        self.link(at, region);
        Ok(at)
    }

    pub(super) fn remove(&mut self, at: u32) -> Entry<V> {
        self.unlink(at);
        let free = Slot::Free { next: std::mem::replace(&mut self.first_free, at) };
        self.len -= 1;
        match std::mem::replace(&mut self.slots[at as usize], free) {
            Slot::Taken { entry, .. } => entry,
            Slot::Free { .. } => unreachable!("only slots that are taken are named"),
        }
    }

    pub(super) fn entry(&self, at: u32) -> &Entry<V> {
        match &self.slots[at as usize] {
            Slot::Taken { entry, .. } => entry,
            Slot::Free { .. } => unreachable!("only slots that are taken are named"),
        }
    }

    /// What is in a slot, if anything is.
    pub(super) fn get(&self, at: u32) -> Option<&Entry<V>> {
        match self.slots.get(at as usize) {
            Some(Slot::Taken { entry, .. }) => Some(entry),
            _ => None,
        }
    }

    /// Puts another value in place of the one that is there; tells the one that was.
    pub(super) fn replace(&mut self, at: u32, value: V, weight: usize, expires_at: Instant) -> V {
        let list = self.list_of(at);
        let entry = self.entry_mut(at);
        let old = std::mem::replace(&mut entry.weight, weight);
        entry.expires_at = expires_at;
        let value = std::mem::replace(&mut entry.value, value);
        let list = &mut self.lists[list];
        list.weight = list.weight - old + weight;
        value
    }

    /// Puts it first in a list, whichever it was in.
    pub(super) fn move_to(&mut self, at: u32, region: Region) {
        let first = self.lists[region as usize].newest == at;
        if !first {
            self.unlink(at);
            self.link(at, region);
        }
    }

    pub(super) fn region(&self, at: u32) -> Region {
        self.links(at).0
    }

    /// The one that was used longest ago.
    pub(super) fn oldest(&self, region: Region) -> Option<u32> {
        some(self.lists[region as usize].oldest)
    }

    /// The next that was used after it, of the same list.
    pub(super) fn newer(&self, at: u32) -> Option<u32> {
        some(self.links(at).1)
    }

    pub(super) fn weight_of(&self, region: Region) -> usize {
        self.lists[region as usize].weight
    }

    pub(super) fn weight(&self) -> usize {
        self.lists.iter().map(|list| list.weight).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Every slot has a lower number.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(NONE)
    }

    fn link(&mut self, at: u32, region: Region) {
        let weight = self.entry(at).weight;
        let list = &mut self.lists[region as usize];
        list.weight += weight;
        let second = std::mem::replace(&mut list.newest, at);
        if second == NONE {
            list.oldest = at;
        }
        self.set_links(at, region, NONE, second);
        self.change_newer(second, at);
    }

    fn unlink(&mut self, at: u32) {
        let (region, newer, older) = self.links(at);
        let weight = self.entry(at).weight;
        let list = &mut self.lists[region as usize];
        list.weight -= weight;
        if newer == NONE {
            list.newest = older;
        }
        if older == NONE {
            list.oldest = newer;
        }
        self.change_newer(older, newer);
        self.change_older(newer, older);
    }

    fn links(&self, at: u32) -> (Region, u32, u32) {
        match self.slots[at as usize] {
            Slot::Taken { region, newer, older, .. } => (region, newer, older),
            Slot::Free { .. } => unreachable!("only slots that are taken are named"),
        }
    }

    fn set_links(&mut self, at: u32, to: Region, to_newer: u32, to_older: u32) {
        if let Slot::Taken { region, newer, older, .. } = &mut self.slots[at as usize] {
            (*region, *newer, *older) = (to, to_newer, to_older);
        }
    }

    fn change_newer(&mut self, at: u32, to: u32) {
        if let Some(Slot::Taken { newer, .. }) = self.slots.get_mut(at as usize) {
            *newer = to;
        }
    }

    fn change_older(&mut self, at: u32, to: u32) {
        if let Some(Slot::Taken { older, .. }) = self.slots.get_mut(at as usize) {
            *older = to;
        }
    }

    fn list_of(&self, at: u32) -> usize {
        self.region(at) as usize
    }

    pub(super) fn entry_mut(&mut self, at: u32) -> &mut Entry<V> {
        match &mut self.slots[at as usize] {
            Slot::Taken { entry, .. } => entry,
            Slot::Free { .. } => unreachable!("only slots that are taken are named"),
        }
    }
}

fn some(at: u32) -> Option<u32> {
    (at != NONE).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Region, Slab};
    use std::time::Instant;

    fn entry(weight: usize) -> Entry<usize> {
        Entry::new(0, "", weight, weight, Instant::now())
    }

    /// From the one used longest ago.
    fn values(slab: &Slab<usize>, region: Region) -> Vec<usize> {
        let mut at = slab.oldest(region);
        let mut values = Vec::new();
        while let Some(found) = at {
            values.push(slab.entry(found).value);
            at = slab.newer(found);
        }
        values
    }

    #[test]
    fn lists_are_ordered_by_use_and_weighed() {
        let mut slab = Slab::new();
        let [one, two, three] =
            [1, 2, 3].map(|value| slab.insert(entry(value), Region::Window).expect("room"));
        assert_eq!(values(&slab, Region::Window), [1, 2, 3]);
        slab.move_to(one, Region::Window);
        slab.move_to(one, Region::Window);
        assert_eq!(values(&slab, Region::Window), [2, 3, 1]);
        slab.move_to(three, Region::Protected);
        slab.move_to(two, Region::Protected);
        assert_eq!(values(&slab, Region::Protected), [3, 2]);
        assert_eq!([Region::Window, Region::Protected].map(|region| slab.weight_of(region)), [1, 5]);
        assert_eq!(slab.replace(two, 20, 20, Instant::now()), 2);
        assert_eq!((slab.weight_of(Region::Protected), slab.weight(), slab.len()), (23, 24, 3));
    }

    #[test]
    fn slots_are_used_again() {
        let mut slab = Slab::new();
        let [one, two] = [1, 2].map(|value| slab.insert(entry(value), Region::Probation).expect("room"));
        assert_eq!((slab.remove(one).value, slab.remove(two).value), (1, 2));
        assert_eq!((slab.weight(), slab.len(), slab.oldest(Region::Probation)), (0, 0, None));
        assert!(slab.get(one).is_none() && slab.get(7).is_none());
        for value in [3, 4, 5] {
            slab.insert(entry(value), Region::Probation).expect("room");
        }
        assert_eq!(slab.end(), 3, "two old slots and a new one");
        assert_eq!(values(&slab, Region::Probation), [3, 4, 5]);
    }
}
