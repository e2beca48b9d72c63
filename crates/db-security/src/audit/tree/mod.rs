//! The tree of hashes over the log (RFC 6962, section 2.1), kept in tiles of 256 neighbours. Pure: it is handed tiles and
//! hands back tiles.
//!
//! A tile of level 0 holds hashes of leaves; a tile of level n holds the roots of full tiles of level n - 1, which are the
//! tree's nodes at height 8n. Nodes in between are worked out from the tile below them. The idea is Cox's (Transparent Logs
//! for Skeptical Clients, 2019).

mod frontier;
mod proof;
mod tiles;

pub(crate) use frontier::Frontier;
pub use proof::{Consistency, Inclusion};
pub(crate) use proof::{consistency, inclusion, needs};
pub(crate) use tiles::{Missing, Place, TILE, Tiles, needed_for_growth};

/// A subtree that is full: `2^height` leaves, the `index`th of its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

/// The full subtrees that a tree of so many leaves consists of, from left to right.
pub(crate) fn peaks(size: u64) -> impl Iterator<Item = Node> {
    (0..u64::BITS).rev().filter(move |height| size >> height & 1 == 1).map(move |height| Node {
        height,
        // Those to the left of it are bigger: their leaves are whole numbers of its own.
        index: (size >> height) - 1,
    })
}

/// The largest power of two that is less than this, which is 2 or more: where a tree of so many leaves divides.
pub(crate) fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
