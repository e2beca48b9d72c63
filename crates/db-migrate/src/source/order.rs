//! In which order migrations are applied: each after what it needs, and one that stands for others in their place.

use super::SourceProblem;
use super::draft::{Draft, Kind};
use super::graph;
use super::meta::Meta;
use crate::MigrationId;
use crate::id::VersionKey;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The drafts by their versions, however somebody writes those.
pub(super) struct Known {
    places: HashMap<VersionKey, usize>,
    ids: Vec<Option<MigrationId>>,
    keys: Vec<VersionKey>,
}

impl Known {
    pub(super) fn new(drafts: &[Draft]) -> Self {
        let keys: Vec<_> = drafts.iter().map(|draft| VersionKey::of(&draft.version)).collect();
        let others = |at: &usize| drafts[*at].kind != Kind::Baseline;
        Self {
            places: (0..drafts.len()).filter(others).map(|at| (keys[at].clone(), at)).collect(),
            ids: drafts.iter().map(|draft| MigrationId::new(&draft.version)).collect(),
            keys,
        }
    }

    /// The version that is meant: of a file that is there as that has it, else as it would be written.
    pub(super) fn resolve(&self, version: &str, padded: Padding) -> Option<MigrationId> {
        let found = self.places.get(&VersionKey::of(version)).and_then(|at| self.ids[*at].clone());
        found.or_else(|| match (padded, version.parse()) {
            (Padding::Own, Ok(number)) => Some(MigrationId::numbered(number)),
            _ => MigrationId::new(version),
        })
    }
}

/// How numbers of files that are not there any more were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// With four digits, as in our own format.
    Own,
    /// As they are referred to.
    AsWritten,
}

/// The places of the drafts in the order in which they are applied; none where they wait for each other.
pub(super) fn order(
    drafts: &[Draft],
    metas: &[Meta],
    known: &Known,
    problems: &mut Vec<SourceProblem>,
) -> Vec<usize> {
    if metas.iter().all(|meta| meta.depends_on.is_empty() && meta.replaces.is_empty()) {
        return (0..drafts.len()).collect();
    }
    let mut needs = vec![Vec::new(); drafts.len()];
    for (at, meta) in metas.iter().enumerate() {
        for version in &meta.depends_on {
            match known.places.get(&VersionKey::of(version)) {
                Some(other) => needs[at].push(*other),
                None => problems.push(SourceProblem::UnknownDependency {
                    label: drafts[at].label.clone(),
                    depends_on: version.clone(),
                }),
            }
        }
        for other in after_replaced(at, &meta.replaces, known, drafts) {
            needs[other].push(at);
        }
    }
    graph::order(&needs).unwrap_or_else(|cycle| {
        let labels = cycle.into_iter().map(|at| drafts[at].label.clone()).collect();
        problems.push(SourceProblem::Cycle { labels });
        Vec::new()
    })
}

/// The versions that others stand for, as numbers of our own format.
pub(super) fn replaced_numbers(metas: &[Meta]) -> BTreeSet<u32> {
    metas.iter().flat_map(|meta| &meta.replaces).filter_map(|version| version.parse().ok()).collect()
}

/// What comes after the last of those that `squash` stands for, and would without this be applied before it.
fn after_replaced(squash: usize, replaces: &[String], known: &Known, drafts: &[Draft]) -> Vec<usize> {
    let replaced: HashSet<VersionKey> = replaces.iter().map(|version| VersionKey::of(version)).collect();
    let Some(last) = replaced.iter().max() else { return Vec::new() };
    let later = |at: &usize| drafts[*at].kind == Kind::Versioned && known.keys[*at] > *last;
    (0..squash).filter(later).collect()
}
