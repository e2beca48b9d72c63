//! The one table of keys: parsing, unknown names, `explain` and the reference all follow from it.

mod reference;
mod row;
mod table;

use crate::hint;
use crate::span::{Bare, Window};
pub use reference::reference;
pub(crate) use table::keys;

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Canonical name, the path in a file and in [`Loader::set`](crate::Loader::set).
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Environment variables, the preferred one first.
    pub(crate) variables: &'static [Name],
    /// Paths in a file beside the canonical one.
    pub(crate) paths: &'static [Name],
    pub(crate) doc: &'static str,
}

/// A name under which a key may be given, with the unit that a bare number has there.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: &'static str,
    pub(crate) bare: Bare,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Secret,
    Word(&'static [&'static [&'static str]]),
    Flag,
    Count {
        least: u32,
        most: u32,
    },
    Span {
        zero: Zero,
        window: Window,
    },
    Addresses,
    Ports,
    Path,
    Pem,
    Command,
    Replicas,
    RedisUrl,
    /// Stands for several keys.
    PostgresUrl,
    /// `SQLAlchemy`'s pair, which stands for the pool's minimum and maximum.
    PoolSize,
    MaxOverflow,
}

/// What a span of zero means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zero {
    /// No limit, written `0` or `off`.
    Off,
    /// An error.
    Refused,
}

impl Key {
    /// Whether it stands for other keys and so never holds a value of its own.
    pub(crate) fn is_compound(&self) -> bool {
        matches!(self.kind, Kind::PostgresUrl | Kind::PoolSize | Kind::MaxOverflow)
    }

    /// The canonical name and its aliases in a file, with the unit of a bare number under each.
    fn all_paths(&self) -> impl Iterator<Item = (&'static str, Bare)> {
        // The block that the older programs call `database` counts in seconds; our own names want the unit written.
        let bare = if self.name.starts_with("database.") { Bare::Seconds } else { Bare::Refused };
        std::iter::once((self.name, bare)).chain(self.paths.iter().map(|name| (name.text, name.bare)))
    }
}

/// The key of a canonical name. The name is one of ours.
pub(crate) fn key(name: &str) -> &'static Key {
    keys().find(|key| key.name == name).expect("the schema holds every key that the code names")
}

/// The key behind an environment variable.
pub(crate) fn of_variable(name: &str) -> Option<(&'static Key, Bare)> {
    keys().find_map(|key| Some((key, key.variables.iter().find(|variable| variable.text == name)?.bare)))
}

/// The key behind a path in a file or in code.
pub(crate) fn of_path(path: &str) -> Option<(&'static Key, Bare)> {
    keys().find_map(|key| Some((key, key.all_paths().find(|(name, _)| *name == path)?.1)))
}

/// Whether some path starts with this section.
#[cfg(feature = "file")]
pub(crate) fn is_section(path: &str) -> bool {
    paths().any(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Every path that a file may hold.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    keys().flat_map(|key| key.all_paths().map(|(name, _)| name))
}

/// The path nearest to an unknown one: in the same section, else one that ends in the same word.
pub(crate) fn nearest_path(path: &str) -> Option<&'static str> {
    let (section, last) = split(path);
    let beside = paths().filter(|known| split(known).0 == section);
    let near = hint::nearest(last, beside.map(|known| split(known).1));
    paths()
        .find(|known| split(known).0 == section && Some(split(known).1) == near)
        .or_else(|| paths().find(|known| split(known).1 == last))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Every environment variable that is looked at.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    keys().flat_map(|key| key.variables.iter().map(|name| name.text))
}

#[cfg(test)]
mod tests {
    use super::{nearest_path, paths, variables};
    use std::collections::BTreeSet;

    #[test]
    fn no_name_stands_for_two_keys() {
        for names in [paths().collect::<Vec<_>>(), variables().collect()] {
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn the_nearest_path_is_of_the_same_section() {
        for (path, expected) in [
            ("database.pool_sise", Some("database.pool_size")),
            ("pool.maxsize", Some("pool.max_size")),
            ("profil", Some("profile")),
            ("host", Some("database.host")),
            ("redis.host", Some("database.host")),
            ("database.hunter2", None),
        ] {
            assert_eq!(nearest_path(path), expected, "{path}");
        }
    }
}
