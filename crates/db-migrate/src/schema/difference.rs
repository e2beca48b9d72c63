//! In what two snapshots differ.

use super::{Object, Snapshot};
use std::collections::BTreeSet;
use std::fmt;

/// Longest piece of a value in a line.
const EXCERPT_CHARS: usize = 100;

/// One thing in which two snapshots differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// It was there, and is not any more; the parts of a table are not listed then.
    Missing(Object),
    /// It was not there, and is now; the parts of a table are not listed then.
    Extra(Object),
    /// It was there and still is, but otherwise.
    Changed {
        /// As it was.
        object: Object,
        /// Name of the property that changed.
        property: String,
        /// What it was, unless it was as usual.
        before: Option<String>,
        /// What it is, unless it is as usual.
        after: Option<String>,
    },
}

/// In what `after` differs from `before`, by object.
#[must_use]
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let mut differences: Vec<_> = without_parts(only_in(before, after)).map(Difference::Missing).collect();
    differences.extend(without_parts(only_in(after, before)).map(Difference::Extra));
    for object in before.objects() {
        if let Some(now) = after.object(object.kind, &object.name) {
            differences.extend(changes(object, now));
        }
    }
    differences.sort_by(|one, other| one.object().cmp(other.object()));
    differences
}

impl Difference {
    /// What differs.
    #[must_use]
    pub fn object(&self) -> &Object {
        match self {
            Self::Missing(object) | Self::Extra(object) | Self::Changed { object, .. } => object,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(object) => write!(f, "{object} is missing"),
            Self::Extra(object) => write!(f, "{object} is extra"),
            Self::Changed { object, property, before, after } => {
                let (before, after) = (before.as_deref(), after.as_deref());
                write!(
                    f,
                    "{object}: {property} was {}, is {}",
                    excerpt(before, after),
                    excerpt(after, before)
                )
            }
        }
    }
}

fn only_in(one: &Snapshot, other: &Snapshot) -> Vec<Object> {
    let absent = |object: &&Object| other.object(object.kind, &object.name).is_none();
    one.objects().iter().filter(absent).cloned().collect()
}

/// Whoever reads that a table is missing need not read that its columns are.
fn without_parts(objects: Vec<Object>) -> impl Iterator<Item = Object> {
    let wholes = objects.clone();
    objects.into_iter().filter(move |object| !wholes.iter().any(|whole| object.is_part_of(whole)))
}

fn changes(before: &Object, after: &Object) -> Vec<Difference> {
    let names: BTreeSet<&String> =
        before.properties.iter().chain(&after.properties).map(|(name, _)| name).collect();
    let changed = names.into_iter().filter(|name| before.property(name) != after.property(name));
    changed
        .map(|name| Difference::Changed {
            object: before.clone(),
            property: name.clone(),
            before: before.property(name).map(str::to_owned),
            after: after.property(name).map(str::to_owned),
        })
        .collect()
}

/// The first line that is not the same in the other value, shortened: a function's body may be long.
fn excerpt(value: Option<&str>, other: Option<&str>) -> String {
    let Some(value) = value else {
        return "not set".to_owned();
    };
    let mut others = other.unwrap_or_default().lines();
    let mut differs = |line: &&str| {
        let beside = others.next();
        (beside != Some(line)).then(|| beside.unwrap_or_default())
    };
    let Some((line, beside)) = value.lines().find_map(|line| Some((line, differs(&line)?))) else {
        return "shorter".to_owned();
    };
    if line.trim() == beside.trim() {
        return format!("{line:?}");
    }
    around_difference(line.trim(), beside.trim())
}

/// A long line from a little before the place where it begins to differ.
fn around_difference(line: &str, beside: &str) -> String {
    let chars = line.chars().count();
    if chars <= EXCERPT_CHARS {
        return line.to_owned();
    }
    let same = line.chars().zip(beside.chars()).take_while(|(one, other)| one == other).count();
    let start = same.saturating_sub(EXCERPT_CHARS / 3).min(chars - EXCERPT_CHARS);
    let middle: String = line.chars().skip(start).take(EXCERPT_CHARS).collect();
    let (before, after) =
        (if start > 0 { "…" } else { "" }, if start + EXCERPT_CHARS < chars { "…" } else { "" });
    format!("{before}{middle}{after}")
}

#[cfg(test)]
mod tests {
    use super::{Object, Snapshot, diff};
    use crate::schema::Kind;

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let check = |value: &str, other: &str, expected: &str| {
            assert_eq!(super::excerpt(Some(value), Some(other)), expected);
        };
        check("a\nb", "a\nc", "b");
        check("a\n  b", "a\n b", "\"  b\"");
        check("a", "a\nb", "shorter");
        let (one, other) = (format!("{}b", "a".repeat(300)), format!("{}c", "a".repeat(300)));
        let shown = super::excerpt(Some(&one), Some(&other));
        assert!(shown.starts_with("…a") && shown.ends_with("ab"), "{shown}");
        check(&one, "b", &format!("{}…", "a".repeat(super::EXCERPT_CHARS)));
    }

    /// Objects as a test writes them.
    type Written<'a> = &'a [(Kind, &'a str, &'a [(&'a str, &'a str)])];

    fn snapshot(objects: Written<'_>) -> Snapshot {
        let object = |(kind, name, properties): &(Kind, &str, &[(&str, &str)])| Object {
            kind: *kind,
            name: (*name).to_owned(),
            properties: properties
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        objects.iter().map(object).collect()
    }

    fn check(before: Written<'_>, after: Written<'_>, lines: &[&str]) {
        let found: Vec<_> =
            diff(&snapshot(before), &snapshot(after)).iter().map(ToString::to_string).collect();
        assert_eq!(found, lines);
    }

    #[test]
    fn says_what_changed_in_a_line_each() {
        check(
            &[(Kind::Column, "public.t.a", &[("type", "integer")])],
            &[(Kind::Column, "public.t.a", &[("default", "5"), ("type", "bigint")])],
            &[
                "column public.t.a: default was not set, is 5",
                "column public.t.a: type was integer, is bigint",
            ],
        );
        check(
            &[(Kind::Function, "public.f()", &[("definition", "head\n  SELECT 1\nend")])],
            &[(Kind::Function, "public.f()", &[("definition", "head\n  SELECT 2\nend")])],
            &["function public.f(): definition was SELECT 1, is SELECT 2"],
        );
    }

    #[test]
    fn a_table_stands_for_its_parts_but_not_for_its_neighbours() {
        let table: Written<'_> = &[
            (Kind::Table, "public.t", &[]),
            (Kind::Column, "public.t.a", &[]),
            (Kind::Constraint, "public.t.t_pkey", &[]),
            (Kind::Column, "public.tt.a", &[]),
        ];
        check(table, &[], &["table public.t is missing", "column public.tt.a is missing"]);
        check(&[], &table[..1], &["table public.t is extra"]);
    }

    #[test]
    fn equal_snapshots_do_not_differ() {
        check(&[(Kind::Table, "public.t", &[])], &[(Kind::Table, "public.t", &[])], &[]);
    }
}
