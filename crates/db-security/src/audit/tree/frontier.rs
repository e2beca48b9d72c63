//! The right edge of a tree, which is all that one needs of it to go on.

use crate::audit::Hash;

/// The roots of the full subtrees that a tree consists of, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of a tree without leaves.
    pub(crate) const fn empty() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Of a tree of so many leaves, with as many peaks as that number has ones.
    pub(crate) fn new(size: u64, peaks: Vec<Hash>) -> Self {
        debug_assert_eq!(size.count_ones() as usize, peaks.len());
        Self { size, peaks }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub(crate) fn push(&mut self, leaf: Hash) {
        self.push_full(0, leaf);
    }

    /// Appends a full subtree of this height; the tree is a whole number of such.
    pub(crate) fn push_full(&mut self, height: u32, root: Hash) {
        debug_assert!(
            self.size.trailing_zeros() >= height,
            "{} leaves before a subtree of height {height}",
            self.size
        );
        let mut hash = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = Hash::of_node(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1 << height;
    }

    /// The tree's root.
    pub(crate) fn root(&self) -> Hash {
        let mut from_the_right = self.peaks.iter().rev().copied();
        match from_the_right.next() {
            None => Hash::of_nothing(),
            Some(last) => from_the_right.fold(last, |right, left| Hash::of_node(left, right)),
        }
    }
}
