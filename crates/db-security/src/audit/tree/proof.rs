//! Proofs that a leaf is in a tree, and that a tree has grown out of an earlier one (RFC 6962, 2.1.1 and 2.1.2; RFC 9162 has
//! how they are checked).

use super::{Frontier, Missing, Node, Tiles, peaks, split};
use crate::audit::Hash;
use serde::{Deserialize, Serialize};

/// That a leaf is at its place in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inclusion {
    /// The leaf's place, from 0.
    pub leaf: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// The hashes beside the way from the leaf to the root, from below.
    #[serde(with = "base64_hashes")]
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// The root of the tree that has a leaf of this hash there. `None` where no tree of that size has such a path.
    #[must_use]
    pub fn root(&self, leaf_hash: Hash) -> Option<Hash> {
        if self.leaf >= self.size {
            return None;
        }
        let (mut index, mut last) = (self.leaf, self.size - 1);
        let mut hash = leaf_hash;
        for beside in &self.path {
            if last == 0 {
                return None;
            }
            if index % 2 == 1 || index == last {
                hash = Hash::of_node(*beside, hash);
                // A node that has no right neighbour goes up as it is.
                while index % 2 == 0 && index != 0 {
                    index /= 2;
                    last /= 2;
                }
            } else {
                hash = Hash::of_node(hash, *beside);
            }
            index /= 2;
            last /= 2;
        }
        (last == 0).then_some(hash)
    }

    /// Whether a leaf of this hash is there in the tree with this root.
    #[must_use]
    pub fn proves(&self, leaf_hash: Hash, root: Hash) -> bool {
        self.root(leaf_hash) == Some(root)
    }
}

/// That a tree holds an earlier one as its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// Leaves of the earlier tree.
    pub from: u64,
    /// Leaves of the later one.
    pub to: u64,
    /// Nodes that both roots can be worked out from.
    #[serde(with = "base64_hashes")]
    pub path: Vec<Hash>,
}

impl Consistency {
    /// Whether the later tree, with its root, begins with the earlier one, with its own.
    #[must_use]
    pub fn proves(&self, from_root: Hash, to_root: Hash) -> bool {
        self.check(from_root, to_root).unwrap_or(false)
    }

    fn check(&self, from_root: Hash, to_root: Hash) -> Option<bool> {
        if self.from > self.to {
            return None;
        }
        if self.from == self.to {
            return Some(self.path.is_empty() && from_root == to_root);
        }
        if self.from == 0 {
            // Everything begins with nothing.
            return Some(self.path.is_empty() && from_root == Hash::of_nothing());
        }
        let mut path = self.path.iter().copied();
        // The earlier tree is a full subtree of the later one: its root is known.
        let first = if self.from.is_power_of_two() { from_root } else { path.next()? };
        let (mut index, mut last) = (self.from - 1, self.to - 1);
        while index % 2 == 1 {
            index /= 2;
            last /= 2;
        }
        let (mut before, mut after) = (first, first);
        for beside in path {
            if last == 0 {
                return None;
            }
            if index % 2 == 1 || index == last {
                before = Hash::of_node(beside, before);
                after = Hash::of_node(beside, after);
                while index % 2 == 0 && index != 0 {
                    index /= 2;
                    last /= 2;
                }
            } else {
                after = Hash::of_node(after, beside);
            }
            index /= 2;
            last /= 2;
        }
        Some(last == 0 && before == from_root && after == to_root)
    }
}

/// A part of a tree: the leaves from `start`, so many.
#[derive(Clone, Copy)]
struct Part {
    start: u64,
    size: u64,
}

/// A step of a proof: the root of a part.
fn root_of(part: Part, tiles: &Tiles) -> Result<Hash, Missing> {
    let nodes: Result<Vec<Hash>, Missing> = nodes_of(part).map(|node| tiles.node(node)).collect();
    Ok(Frontier::new(part.size, nodes?).root())
}

/// The full subtrees of a part, which begins where a subtree of its size does.
fn nodes_of(part: Part) -> impl Iterator<Item = Node> {
    peaks(part.size).map(move |peak| Node { index: peak.index + (part.start >> peak.height), ..peak })
}

/// The parts whose roots make the path of an inclusion proof, from below.
fn inclusion_parts(leaf: u64, size: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part { start: 0, size };
    while part.size > 1 {
        let at = split(part.size);
        let (left, right) =
            (Part { start: part.start, size: at }, Part { start: part.start + at, size: part.size - at });
        let (inside, beside) = if leaf < right.start { (left, right) } else { (right, left) };
        parts.push(beside);
        part = inside;
    }
    parts.reverse();
    parts
}

/// Those of a consistency proof.
fn consistency_parts(from: u64, to: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut part, mut inner) = (Part { start: 0, size: to }, from);
    // Whether the earlier tree ends where this part does, and has always begun there.
    let mut is_whole = true;
    while inner != part.size {
        let at = split(part.size);
        let (left, right) =
            (Part { start: part.start, size: at }, Part { start: part.start + at, size: part.size - at });
        if inner <= at {
            parts.push(right);
            part = left;
        } else {
            parts.push(left);
            part = right;
            inner -= at;
            is_whole = false;
        }
    }
    if !is_whole {
        parts.push(part);
    }
    parts.reverse();
    parts
}

/// The path of a leaf that is in the tree.
pub(crate) fn inclusion(leaf: u64, size: u64, tiles: &Tiles) -> Result<Inclusion, Missing> {
    let path: Result<Vec<Hash>, Missing> =
        inclusion_parts(leaf, size).into_iter().map(|part| root_of(part, tiles)).collect();
    Ok(Inclusion { leaf, size, path: path? })
}

/// The proof that a tree of `to` leaves begins with its first `from`.
pub(crate) fn consistency(from: u64, to: u64, tiles: &Tiles) -> Result<Consistency, Missing> {
    let parts = if from == 0 { Vec::new() } else { consistency_parts(from, to) };
    let path: Result<Vec<Hash>, Missing> = parts.into_iter().map(|part| root_of(part, tiles)).collect();
    Ok(Consistency { from, to, path: path? })
}

/// The tiles that a proof is made from.
pub(crate) mod needs {
    use super::{Part, consistency_parts, inclusion_parts, nodes_of};
    use crate::audit::tree::{Place, Tiles, peaks};
    use std::collections::BTreeSet;

    pub(crate) fn for_inclusion(leaf: u64, size: u64) -> BTreeSet<Place> {
        of_parts(inclusion_parts(leaf, size))
    }

    pub(crate) fn for_consistency(from: u64, to: u64) -> BTreeSet<Place> {
        if from == 0 { BTreeSet::new() } else { of_parts(consistency_parts(from, to)) }
    }

    pub(crate) fn for_root(size: u64) -> BTreeSet<Place> {
        peaks(size).map(|peak| Tiles::beneath(peak).0).collect()
    }

    fn of_parts(parts: Vec<Part>) -> BTreeSet<Place> {
        parts.into_iter().flat_map(nodes_of).map(|node| Tiles::beneath(node).0).collect()
    }
}

/// Hashes as a list of texts in base64.
mod base64_hashes {
    use crate::audit::Hash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::SerializeSeq as _};

    pub(super) fn serialize<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(hashes.len()))?;
        hashes.iter().try_for_each(|hash| list.serialize_element(&hash.to_base64()))?;
        list.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parsed = texts.iter().map(|text| {
            Hash::from_base64(text).ok_or_else(|| D::Error::custom("a hash is not 32 bytes in base64"))
        });
        parsed.collect()
    }
}
