//! Trees against the definitions of RFC 6962, and against what other programs make of the same leaves.

use super::{Frontier, Place, TILE, Tiles, consistency, inclusion, needed_for_growth, needs, peaks, split};
use crate::audit::Hash;
use std::collections::BTreeSet;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|leaf| Hash::of_leaf(&leaf.to_be_bytes())).collect()
}

/// MTH of RFC 6962, word for word.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [only] => *only,
        more => {
            let at = usize::try_from(split(more.len() as u64)).expect("small");
            Hash::of_node(root(&more[..at]), root(&more[at..]))
        }
    }
}

fn grown(count: u64) -> Tiles {
    let mut tiles = Tiles::default();
    assert_eq!(tiles.grow(0, leaves(count)), Ok(count));
    tiles
}

fn only(tiles: &Tiles, places: &BTreeSet<Place>) -> Tiles {
    let mut some = Tiles::default();
    for (place, hashes) in tiles.iter().filter(|(place, _)| places.contains(place)) {
        some.insert(place, hashes.to_vec());
    }
    some
}

/// The leaves of Certificate Transparency's own test (reference implementation, `merkletree`), and its roots.
#[test]
fn roots_are_those_of_the_reference_implementation() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::empty();
    assert_eq!(
        frontier.root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (input, root) in inputs.iter().zip(roots) {
        frontier.push(Hash::of_leaf(input));
        assert_eq!(frontier.root().to_string(), root, "{} leaves", frontier.size());
    }
}

#[test]
fn a_tree_that_grows_by_any_steps_has_the_same_tiles() {
    let all = leaves(70_000);
    let whole = grown(70_000);
    for step in [1_usize, 7, 255, 256, 257, 4_096, 65_535] {
        let mut stored = Tiles::default();
        let mut size = 0;
        for some in all.chunks(step).take(if step == 1 { 3_000 } else { usize::MAX }) {
            let mut batch = only(&stored, &needed_for_growth(size).collect());
            size = batch.grow(size, some.iter().copied()).expect("what it needs is there");
            for (place, hashes) in batch.iter() {
                stored.insert(place, hashes.to_vec());
            }
        }
        for (place, hashes) in stored.iter().filter(|_| size == 70_000) {
            assert_eq!(whole.get(place), Some(hashes), "{place:?} by steps of {step}");
        }
        let frontier = stored.frontier(size).expect("all is there");
        assert_eq!(
            frontier.root(),
            root(&all[..usize::try_from(size).expect("small")]),
            "by steps of {step}"
        );
    }
}

#[test]
fn growth_without_the_tiles_that_it_changes_is_refused() {
    let mut nothing = Tiles::default();
    assert!(nothing.grow(300, leaves(1)).is_err());
    let mut short = Tiles::default();
    short.insert(Place { level: 0, tile: 1 }, leaves(43));
    short.insert(Place { level: 1, tile: 0 }, leaves(1));
    assert!(short.grow(300, leaves(1)).is_err(), "44 leaves belong into that tile");
}

#[test]
fn peaks_are_the_ones_of_the_number() {
    let of = |size| peaks(size).map(|node| (node.height, node.index)).collect::<Vec<_>>();
    assert_eq!(of(0), []);
    assert_eq!(of(1), [(0, 0)]);
    assert_eq!(of(6), [(2, 0), (1, 2)]);
    assert_eq!(of(7), [(2, 0), (1, 2), (0, 6)]);
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
    let all = leaves(70);
    let tiles = grown(70);
    for size in 1..=70_u64 {
        let root = root(&all[..usize::try_from(size).expect("small")]);
        for leaf in 0..size {
            let proof =
                inclusion(leaf, size, &only(&tiles, &needs::for_inclusion(leaf, size))).expect("tiles");
            let hash = all[usize::try_from(leaf).expect("small")];
            assert!(proof.proves(hash, root), "{leaf} of {size}");
            assert!(!proof.proves(all[usize::try_from((leaf + 1) % 70).expect("small")], root));
            assert!(!proof.proves(hash, Hash::of_nothing()));
            let mut shorter = proof.clone();
            if shorter.path.pop().is_some() {
                assert!(!shorter.proves(hash, root));
            }
            let mut longer = proof.clone();
            longer.path.push(hash);
            assert!(!longer.proves(hash, root));
            let elsewhere = super::Inclusion { leaf: leaf + 1, ..proof };
            assert!(!elsewhere.proves(hash, root), "{leaf} of {size} as its neighbour");
        }
    }
}

#[test]
fn every_small_tree_has_grown_out_of_those_before_it_and_no_other() {
    let all = leaves(70);
    let tiles = grown(70);
    let roots: Vec<Hash> = (0..=70).map(|size| root(&all[..size])).collect();
    for to in 0..=70_u64 {
        for from in 0..=to {
            let proof =
                consistency(from, to, &only(&tiles, &needs::for_consistency(from, to))).expect("tiles");
            let (from_root, to_root) =
                (roots[usize::try_from(from).expect("small")], roots[usize::try_from(to).expect("small")]);
            assert!(proof.proves(from_root, to_root), "{from} to {to}");
            if from != to {
                assert!(!proof.proves(to_root, from_root), "{from} to {to}");
                assert!(!proof.proves(Hash::of_leaf(b"x"), to_root), "{from} to {to}");
            }
            if from > 0 {
                assert!(!proof.proves(from_root, Hash::of_leaf(b"x")) || to == from, "{from} to {to}");
            }
            if !proof.path.is_empty() {
                let mut shorter = proof.clone();
                shorter.path.pop();
                assert!(!shorter.proves(from_root, to_root), "{from} to {to}");
            }
        }
    }
}

#[test]
fn a_proof_in_a_big_tree_needs_few_tiles() {
    let size = 3 * TILE * TILE + 5 * TILE + 17;
    let all = leaves(size);
    let tiles = grown(size);
    let top = root(&all);
    for leaf in [0, 1, 255, 256, TILE * TILE - 1, TILE * TILE, 2 * TILE * TILE + 3, size - 1] {
        let needed = needs::for_inclusion(leaf, size);
        assert!(needed.len() <= 6, "{needed:?}");
        let proof = inclusion(leaf, size, &only(&tiles, &needed)).expect("tiles");
        assert!(proof.proves(all[usize::try_from(leaf).expect("small")], top), "{leaf}");
        let from = leaf + 1;
        let proof =
            consistency(from, size, &only(&tiles, &needs::for_consistency(from, size))).expect("tiles");
        assert!(proof.proves(root(&all[..usize::try_from(from).expect("small")]), top), "{from}");
    }
    assert_eq!(only(&tiles, &needs::for_root(size)).frontier(size).expect("tiles").root(), top);
}
