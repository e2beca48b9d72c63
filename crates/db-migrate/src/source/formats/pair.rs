//! Two files of one version, the way there and the way back, as sqlx and golang-migrate have them.

use super::builder::Builder;
use super::tree::File;
use crate::SourceProblem;
use std::collections::BTreeMap;

/// A file whose name was understood.
pub(super) struct Half<'f> {
    pub(super) direction: Direction,
    /// What it is called.
    pub(super) name: String,
    /// Its name without the suffixes.
    pub(super) label: String,
    pub(super) file: &'f File,
}

/// Which way a file leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// The files of one version.
#[derive(Default)]
pub(super) struct Pair<'f> {
    pub(super) up: Option<Half<'f>>,
    pub(super) down: Option<Half<'f>>,
}

/// The files of each version, in order; a second one for the same way is a problem.
pub(super) fn pairs<'f, V: Ord>(
    halves: impl IntoIterator<Item = (V, Half<'f>)>,
    builder: &mut Builder<'_>,
) -> BTreeMap<V, Pair<'f>> {
    let mut pairs = BTreeMap::<V, Pair<'f>>::new();
    for (version, half) in halves {
        let pair = pairs.entry(version).or_default();
        let place = match half.direction {
            Direction::Up => &mut pair.up,
            Direction::Down => &mut pair.down,
        };
        match place {
            Some(first) => {
                let (first, second) = (first.file.path.clone(), half.file.path.clone());
                builder.problem(SourceProblem::Duplicate { first, second });
            }
            None => *place = Some(half),
        }
    }
    pairs
}
