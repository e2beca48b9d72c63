//! How often keys were asked for lately, in four bits each. Pure.
//!
//! A count-min sketch: each key has four counters, which it shares with others, and the least of them is the estimate. When
//! as many were counted as make a sample, all counters are halved, so that what was popular long ago is not for ever
//! (Einziger, Friedman, Manes: `TinyLFU`, 2017). The four counters of a key lie in one line of the processor's cache.

/// A line of the processor's cache is so many words.
const BLOCK: usize = 8;
const ROWS: u32 = 4;
const HIGHEST: u64 = 15;
/// So many accesses an entry are a sample.
const SAMPLE: usize = 10;
const LOW_BITS: u64 = 0x7777_7777_7777_7777;

#[derive(Debug)]
pub(super) struct Sketch {
    /// Sixteen counters each; a power of two, and a block at least.
    words: Vec<u64>,
    counted: usize,
}

impl Sketch {
    pub(super) fn new() -> Self {
        Self { words: vec![0; BLOCK * 8], counted: 0 }
    }

    /// Makes room for so many keys, keeping what is known.
    pub(super) fn grow_to(&mut self, keys: usize) {
        while self.words.len() < keys {
            // A key's block is named by its hash's last bits; with one more of them it is in either half, so both are alike.
            self.words.extend_from_within(..);
        }
    }

    /// Counts so many accesses.
    pub(super) fn add(&mut self, hash: u64, times: u8) {
        let spread = spread(hash);
        let block = self.block(spread);
        for row in 0..ROWS {
            let (word, shift) = place(spread, row);
            let word = &mut self.words[block + word];
            let room = HIGHEST - ((*word >> shift) & HIGHEST);
            *word += room.min(times.into()) << shift;
        }
        self.counted += usize::from(times);
        if self.counted >= SAMPLE * self.words.len() {
            self.age();
        }
    }

    /// How often it was asked for lately; rather too high than too low.
    pub(super) fn estimate(&self, hash: u64) -> u32 {
        let spread = spread(hash);
        let block = self.block(spread);
        let counters = (0..ROWS).map(|row| {
            let (word, shift) = place(spread, row);
            (self.words[block + word] >> shift) & HIGHEST
        });
        counters.min().map_or(0, |least| u32::try_from(least).unwrap_or(u32::MAX))
    }

    fn age(&mut self) {
        for word in &mut self.words {
            *word = (*word >> 1) & LOW_BITS;
        }
        self.counted /= 2;
    }

    /// Where the key's block begins.
    fn block(&self, spread: u64) -> usize {
        // Blocks are fewer than 2^32: a word for each entry, which are numbered by 32 bits.
        ((spread >> 32) as usize & (self.words.len() / BLOCK - 1)) * BLOCK
    }
}

/// The map and the choice of a shard take bits of the hash as they are; these are to be others.
fn spread(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The word within the block, and where in it the counter begins: each row has two words of its own.
fn place(spread: u64, row: u32) -> (usize, u32) {
    let bits = (spread >> (row * 8)) & 0xff;
    let word = row as usize * 2 + (bits & 1) as usize;
    let counter = (bits >> 1) & 15;
    (word, counter as u32 * 4)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLE, Sketch};
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    fn hash(key: u32) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
    }

    #[test]
    fn what_is_asked_for_more_often_counts_more() {
        let mut sketch = Sketch::new();
        for (key, times) in [(1, 1), (2, 5), (3, 40)] {
            for _ in 0..times {
                sketch.add(hash(key), 1);
            }
        }
        let estimates = [1, 2, 3, 4].map(|key| sketch.estimate(hash(key)));
        assert_eq!(estimates, [1, 5, 15, 0], "four bits hold 15");
    }

    #[test]
    fn what_was_popular_is_forgotten_by_halves() {
        let mut sketch = Sketch::new();
        for _ in 0..20 {
            sketch.add(hash(0), 1);
        }
        let mut key = 1;
        while sketch.estimate(hash(0)) == 15 {
            sketch.add(hash(key), 1);
            key += 1;
            assert!((key as usize) < 2 * SAMPLE * sketch.words.len(), "never halved");
        }
        assert_eq!(sketch.estimate(hash(0)), 7);
        assert!(sketch.counted < SAMPLE * sketch.words.len());
    }

    #[test]
    fn it_grows_without_forgetting() {
        let mut sketch = Sketch::new();
        for key in 0..20 {
            for _ in 0..=key % 7 {
                sketch.add(hash(key), 1);
            }
        }
        let before: Vec<u32> = (0..20).map(|key| sketch.estimate(hash(key))).collect();
        sketch.grow_to(1_000);
        assert_eq!(sketch.words.len(), 1_024);
        let after: Vec<u32> = (0..20).map(|key| sketch.estimate(hash(key))).collect();
        assert_eq!(before, after);
    }
}
