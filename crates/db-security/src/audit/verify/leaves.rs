//! Events against the leaves that the tree has of them. Pure.

use super::{
    flaw::{Flaw, Flaws},
    row::Row,
};
use crate::audit::{
    Hash,
    tree::{Frontier, TILE},
};
use std::collections::HashMap;
use uuid::Uuid;

/// A stretch of the log, compared.
#[derive(Debug)]
pub(super) struct Compared {
    /// The hash of each leaf that is believed, in order.
    pub(super) leaves: Vec<Hash>,
    /// Events that are not what their leaf says: where they stand, and what they hash to.
    pub(super) odd: Vec<Odd>,
    /// Leaves without an event.
    pub(super) absent: Vec<u64>,
    /// Leaves whose hash is not the event's, and the node over them agrees with the event.
    pub(super) wrong_leaves: Vec<u64>,
    /// Stored hashes of the leaves that have odd or no events.
    pub(super) stored: Vec<(u64, Hash)>,
}

/// An event that is not what the leaf at its place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) leaf: u64,
    pub(super) id: Uuid,
    pub(super) hash: Hash,
    /// There is another event at this place, and that is the one.
    pub(super) is_second: bool,
}

/// Compares the events of leaves from `from` on with the stored hashes of these leaves, of which a place may be empty where the tile is
/// cut. `nodes` are the stored hashes over each full 256 of them, as far as there are any; the first may begin behind `from`.
pub(super) fn compare(from: u64, stored: &[Option<Hash>], nodes: &[Option<Hash>], rows: &[Row]) -> Compared {
    let mut compared = Compared {
        leaves: Vec::with_capacity(stored.len()),
        odd: Vec::new(),
        absent: Vec::new(),
        wrong_leaves: Vec::new(),
        stored: Vec::new(),
    };
    let mut rows = rows.iter().peekable();
    let mut found: Vec<Option<Hash>> = Vec::with_capacity(stored.len());
    for (leaf, stored) in (from..).zip(stored) {
        let mut hash = None;
        let mut odd = Vec::new();
        while let Some(row) = rows.next_if(|row| row.leaf <= leaf) {
            if Some(row.hash) == *stored && hash.is_none() {
                hash = Some(row.hash);
            } else {
                odd.push(Odd { leaf, id: row.id, hash: row.hash, is_second: false });
            }
        }
        match (hash, stored) {
            (Some(_), _) => odd.iter_mut().for_each(|odd| odd.is_second = true),
            (None, stored) => {
                compared.stored.extend(stored.map(|stored| (leaf, stored)));
                hash = odd.first().map(|odd| odd.hash);
                if odd.is_empty() {
                    compared.absent.push(leaf);
                }
            }
        }
        compared.odd.extend(odd);
        found.push(hash);
    }
    believe(from, stored, nodes, &found, &mut compared);
    compared
}

/// Which of the two hashes of a leaf is believed: the stored one, unless the node above agrees with the event's only.
fn believe(
    from: u64,
    stored: &[Option<Hash>],
    nodes: &[Option<Hash>],
    found: &[Option<Hash>],
    compared: &mut Compared,
) {
    let width = usize::try_from(TILE).unwrap_or(usize::MAX);
    let cut = usize::try_from(from.next_multiple_of(TILE) - from).unwrap_or(usize::MAX).min(stored.len());
    let parts = std::iter::once((&stored[..cut], &found[..cut]))
        .chain(stored[cut..].chunks(width).zip(found[cut..].chunks(width)));
    for (part, (stored, found)) in parts.enumerate() {
        let believed: Vec<Hash> = stored
            .iter()
            .zip(found)
            .map(|(stored, found)| stored.or(*found).unwrap_or_else(Hash::of_nothing))
            .collect();
        let node = part.checked_sub(1).and_then(|place| *nodes.get(place)?).filter(|_| stored.len() == width);
        let is_as_stored = stored == found;
        if let (Some(node), false) = (node, is_as_stored)
            && root_of(&believed) != node
        {
            let events: Option<Vec<Hash>> = found.iter().copied().collect();
            if let Some(events) = events.filter(|events| root_of(events) == node) {
                let first = from + (cut + (part - 1) * width) as u64;
                let differs = |place: &usize| stored[*place] != found[*place];
                let wrong: Vec<u64> = (0..width).filter(differs).map(|place| first + place as u64).collect();
                compared.odd.retain(|odd| odd.is_second || !wrong.contains(&odd.leaf));
                compared.stored.retain(|(leaf, _)| !wrong.contains(leaf));
                compared.wrong_leaves.extend(wrong);
                compared.leaves.extend(events);
                continue;
            }
        }
        compared.leaves.extend(believed);
    }
}

/// The root over some leaves.
pub(super) fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::empty();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// Says what has become of events that are not at their place: what hashes to another leaf has moved, what hashes to none was
/// altered, and places that are still empty were emptied.
pub(super) fn explain(odd: &[Odd], absent: &[u64], stored: &[(u64, Hash)], flaws: &mut Flaws) {
    let places: HashMap<Hash, u64> = stored.iter().map(|(leaf, hash)| (*hash, *leaf)).collect();
    for odd in odd {
        let (leaf, id) = (odd.leaf, odd.id);
        flaws.add(match places.get(&odd.hash) {
            Some(was) if *was != leaf => Flaw::Reordered { leaf, was: *was, id },
            _ if odd.is_second => Flaw::Inserted { leaf, id },
            _ => Flaw::Altered { leaf, id },
        });
    }
    let mut absent = absent.iter().copied().peekable();
    while let Some(leaf) = absent.next() {
        let mut through_leaf = leaf;
        while let Some(next) = absent.next_if(|next| *next == through_leaf + 1) {
            through_leaf = next;
        }
        flaws.add(Flaw::Removed { leaf, through_leaf });
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Flaws, Hash, Row, Uuid, compare, explain, root_of};

    fn hash(number: u64) -> Hash {
        Hash::of_leaf(&number.to_be_bytes())
    }

    fn row(leaf: u64, content: u64) -> Row {
        Row {
            leaf,
            hash: hash(content),
            id: Uuid::from_u128(content.into()),
            sequenced_at: 0,
            personal: None,
            erased: Vec::new(),
        }
    }

    /// A log of 300 leaves, event n of which holds n, with these changes to its rows and to its stored hashes.
    fn check(
        rows: impl FnOnce(&mut Vec<Row>),
        stored: impl FnOnce(&mut Vec<Option<Hash>>),
        expected: &[Flaw],
    ) {
        let mut events: Vec<Row> = (0..300).map(|leaf| row(leaf, leaf)).collect();
        let mut hashes: Vec<Option<Hash>> = (0..300).map(|leaf| Some(hash(leaf))).collect();
        let node = root_of(&(0..256).map(hash).collect::<Vec<_>>());
        rows(&mut events);
        stored(&mut hashes);
        events.sort_by_key(|row| row.leaf);
        let compared = compare(0, &hashes, &[Some(node)], &events);
        let mut flaws = Flaws::default();
        compared.wrong_leaves.iter().for_each(|leaf| flaws.add(Flaw::LeafAltered { leaf: *leaf }));
        explain(&compared.odd, &compared.absent, &compared.stored, &mut flaws);
        assert_eq!(flaws.into_parts().0, expected);
        assert_eq!(compared.leaves.len(), 300);
    }

    fn id(content: u64) -> Uuid {
        Uuid::from_u128(content.into())
    }

    #[test]
    fn what_is_as_it_was_has_no_flaw() {
        check(|_| {}, |_| {}, &[]);
    }

    #[test]
    fn each_kind_of_change_is_named() {
        check(|rows| rows[7] = row(7, 999), |_| {}, &[Flaw::Altered { leaf: 7, id: id(999) }]);
        check(|rows| drop(rows.remove(7)), |_| {}, &[Flaw::Removed { leaf: 7, through_leaf: 7 }]);
        check(|rows| drop(rows.drain(7..=9)), |_| {}, &[Flaw::Removed { leaf: 7, through_leaf: 9 }]);
        check(|rows| rows.push(row(7, 999)), |_| {}, &[Flaw::Inserted { leaf: 7, id: id(999) }]);
        let swap = |rows: &mut Vec<Row>| {
            rows[7] = row(7, 8);
            rows[8] = row(8, 7);
        };
        let moved =
            [Flaw::Reordered { leaf: 7, was: 8, id: id(8) }, Flaw::Reordered { leaf: 8, was: 7, id: id(7) }];
        check(swap, |_| {}, &moved);
        check(|_| {}, |hashes| hashes[7] = Some(hash(999)), &[Flaw::LeafAltered { leaf: 7 }]);
        // Behind the last full tile nothing says which of the two it was.
        check(|_| {}, |hashes| hashes[280] = Some(hash(999)), &[Flaw::Altered { leaf: 280, id: id(280) }]);
    }
}
