//! The names of Flyway's files.

use super::hook::When;
use std::cmp::Ordering;

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) role: Role,
    /// The description, with blanks for underscores, as the history has it.
    pub(super) name: String,
    /// The description as it is written.
    pub(super) raw: String,
}

/// What a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Versioned(Version),
    Undo(Version),
    Baseline(Version),
    Repeatable,
    Callback(When),
    /// A callback of an event that there is none for here.
    OtherCallback,
}

/// Numbers between dots. Leading zeros and zeros at the end make no difference to the order.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// As the history has it.
    pub(crate) text: String,
    /// The digits of each number without leading zeros; there is no longest version.
    parts: Vec<String>,
}

const SEPARATOR: &str = "__";

const CALLBACKS: [(&str, When); 4] = [
    ("beforeMigrate", When::BeforeAll),
    ("afterMigrate", When::AfterAll),
    ("beforeEachMigrate", When::BeforeEach),
    ("afterEachMigrate", When::AfterEach),
];

/// The other events of Flyway's `Event.java`; more than what one may meet, since each has its successes and errors.
const EVENTS: [&str; 34] = [
    "beforeClean",
    "afterClean",
    "afterCleanError",
    "beforeEachMigrateStatement",
    "afterEachMigrateStatement",
    "afterEachMigrateStatementError",
    "afterEachMigrateError",
    "beforeRepeatables",
    "afterVersioned",
    "afterMigrateApplied",
    "afterMigrateError",
    "afterMigrateOperationFinish",
    "beforeUndo",
    "beforeEachUndo",
    "beforeEachUndoStatement",
    "afterEachUndoStatement",
    "afterEachUndoStatementError",
    "afterEachUndo",
    "afterEachUndoError",
    "afterUndo",
    "afterUndoError",
    "beforeValidate",
    "afterValidate",
    "afterValidateError",
    "beforeBaseline",
    "afterBaseline",
    "afterBaselineError",
    "beforeRepair",
    "afterRepair",
    "afterRepairError",
    "beforeInfo",
    "afterInfo",
    "afterInfoError",
    "createSchema",
];

impl Name {
    pub(super) fn is_callback(&self) -> bool {
        matches!(self.role, Role::Callback(_) | Role::OtherCallback)
    }
}

/// Takes a name apart; `None` for one that Flyway passes over.
pub(super) fn parse(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let (head, raw) = match stem.split_once(SEPARATOR) {
        Some((head, raw)) => (head, Some(raw)),
        None => (stem, None),
    };
    // Flyway takes a version alone as well, with an empty description.
    let role = callback(head).or_else(|| match (head.get(..1)?, head.get(1..)?) {
        ("R", "") => Some(Role::Repeatable),
        ("V", version) => Version::parse(version).map(Role::Versioned),
        ("U", version) => Version::parse(version).map(Role::Undo),
        ("B", version) => Version::parse(version).map(Role::Baseline),
        _ => None,
    })?;
    let raw = raw.unwrap_or_default().to_owned();
    Some(Name { role, name: raw.replace('_', " "), raw })
}

fn callback(head: &str) -> Option<Role> {
    let found = CALLBACKS.iter().find(|(event, _)| *event == head);
    match found {
        Some((_, when)) => Some(Role::Callback(*when)),
        None => EVENTS.contains(&head).then_some(Role::OtherCallback),
    }
}

impl Version {
    /// Reads `1.2`, `1_2` and `001`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', ".");
        let part = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.trim_start_matches('0').to_owned())
        };
        let mut parts = text.split('.').map(part).collect::<Option<Vec<_>>>()?;
        while parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
        Some(Self { text, parts })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of two numbers without leading zeros the longer is the greater.
        let number = |part: &String| (part.len(), part.clone());
        self.parts.iter().map(number).cmp(other.parts.iter().map(number))
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, Version, When, parse};

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn compares_numbers_and_not_letters() {
        for (less, more) in [
            ("1", "2"),
            ("9", "10"),
            ("1.9", "1.10"),
            ("1", "1.0.1"),
            ("1.2", "2"),
            ("2020_01_02_1", "2020.1.2.2"),
            ("99999999999999999999", "100000000000000000000"),
            ("0", "0.1"),
        ] {
            assert!(version(less) < version(more), "{less} {more}");
        }
        for (one, other) in [("1", "1.0"), ("001", "1"), ("1_2", "1.02.0"), ("0", "0.0")] {
            assert_eq!(version(one), version(other), "{one} {other}");
        }
        for none in ["", "1a", "1..2", "-1", ".1", "1."] {
            assert!(Version::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn takes_names_apart() {
        for (file, expected) in [
            ("V1.2__add_a.sql", Some((Role::Versioned(version("1.2")), "add a"))),
            ("V1___a.sql", Some((Role::Versioned(version("1")), " a"))),
            ("U2_1__a__b.sql", Some((Role::Undo(version("2.1")), "a  b"))),
            ("B3__.sql", Some((Role::Baseline(version("3")), ""))),
            ("R__views.sql", Some((Role::Repeatable, "views"))),
            ("beforeMigrate.sql", Some((Role::Callback(When::BeforeAll), ""))),
            ("afterEachMigrate__grant_all.sql", Some((Role::Callback(When::AfterEach), "grant all"))),
            ("afterVersioned.sql", Some((Role::OtherCallback, ""))),
            ("V1.sql", Some((Role::Versioned(version("1")), ""))),
            ("V1_2.sql", Some((Role::Versioned(version("1.2")), ""))),
            ("U1.2.sql", Some((Role::Undo(version("1.2")), ""))),
            ("R.sql", Some((Role::Repeatable, ""))),
            ("Views.sql", None),
            ("V1_a.sql", None),
            ("v1__a.sql", None),
            ("Vx__a.sql", None),
            ("R1__a.sql", None),
            ("V1__a.txt", None),
            ("ü__a.sql", None),
        ] {
            let found = parse(file).map(|name| (name.role, name.name));
            assert_eq!(found, expected.map(|(role, name)| (role, name.to_owned())), "{file}");
        }
    }
}
