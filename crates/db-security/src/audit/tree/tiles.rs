//! Tiles, and what a tree is made of that one has them of.

use super::{Frontier, Node, peaks};
use crate::audit::Hash;
use std::collections::BTreeMap;

/// Hashes in a full tile.
pub(crate) const TILE: u64 = 1 << TILE_HEIGHT;
/// Heights that a tile spans.
const TILE_HEIGHT: u32 = 8;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) level: u16,
    pub(crate) tile: u64,
}

/// A tile that would be needed and is not at hand, or is shorter than the tree that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) Place);

/// Some tiles of a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tiles {
    held: BTreeMap<Place, Vec<Hash>>,
}

impl Tiles {
    pub(crate) fn insert(&mut self, place: Place, hashes: Vec<Hash>) {
        self.held.insert(place, hashes);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &[Hash])> {
        self.held.iter().map(|(place, hashes)| (*place, hashes.as_slice()))
    }

    pub(crate) fn get(&self, place: Place) -> Option<&[Hash]> {
        self.held.get(&place).map(Vec::as_slice)
    }

    /// Appends leaves to a tree of so many, whose unfinished tiles ([`needed_for_growth`]) are at hand. What it has held
    /// besides, and those that are full already, are let go: what is left is what has changed.
    pub(crate) fn grow(&mut self, size: u64, leaves: impl IntoIterator<Item = Hash>) -> Result<u64, Missing> {
        let mut grown = size;
        for place in needed_for_growth(size) {
            let expected = usize::try_from((size >> (u32::from(place.level) * TILE_HEIGHT)) % TILE);
            if self.held.get(&place).map(Vec::len) != expected.ok() {
                return Err(Missing(place));
            }
        }
        for leaf in leaves {
            self.push(0, grown, leaf);
            grown += 1;
        }
        Ok(grown)
    }

    /// Puts a hash at the end of a level, and the root of its tile at the end of the next where it was the last of it.
    fn push(&mut self, level: u16, index: u64, hash: Hash) {
        let place = Place { level, tile: index / TILE };
        let hashes = self.held.entry(place).or_default();
        hashes.push(hash);
        if hashes.len() as u64 == TILE {
            let root = root_of_full(hashes);
            self.push(level + 1, index / TILE, root);
        }
    }

    /// A full subtree's root.
    pub(crate) fn node(&self, node: Node) -> Result<Hash, Missing> {
        let (place, range) = Self::beneath(node);
        let hashes = self.get(place).and_then(|hashes| hashes.get(range)).ok_or(Missing(place))?;
        Ok(root_of_full(hashes))
    }

    /// The tile that a node is worked out from, and which of its hashes.
    pub(crate) fn beneath(node: Node) -> (Place, std::ops::Range<usize>) {
        let level = node.height / TILE_HEIGHT;
        let width = 1_u64 << (node.height % TILE_HEIGHT);
        let first = node.index * width;
        let start = usize::try_from(first % TILE).unwrap_or(usize::MAX);
        let place = Place { level: u16::try_from(level).unwrap_or(u16::MAX), tile: first / TILE };
        (place, start..start + usize::try_from(width).unwrap_or(usize::MAX))
    }

    /// The frontier of the tree when it had so many leaves.
    pub(crate) fn frontier(&self, size: u64) -> Result<Frontier, Missing> {
        let peaks: Result<Vec<Hash>, Missing> = peaks(size).map(|peak| self.node(peak)).collect();
        Ok(Frontier::new(size, peaks?))
    }
}

/// The unfinished tiles of a tree of so many leaves, which growing it changes.
pub(crate) fn needed_for_growth(size: u64) -> impl Iterator<Item = Place> {
    (0_u16..8)
        .map_while(move |level| size.checked_shr(u32::from(level) * TILE_HEIGHT).map(|at| (level, at)))
        .filter(|(_, at)| at % TILE != 0)
        .map(|(level, at)| Place { level, tile: at / TILE })
}

/// The root over hashes whose number is a power of two.
fn root_of_full(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of_nothing(),
        [only] => *only,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Hash::of_node(root_of_full(left), root_of_full(right))
        }
    }
}
