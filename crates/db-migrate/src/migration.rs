//! One migration, checked.

use crate::script::{Segment, Segmented, Statement, segments};
use crate::{Checksum, Code, Kind, MigrationId};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A migration whose files were read and found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub(crate) id: MigrationId,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) depends_on: Vec<MigrationId>,
    pub(crate) replaces: Vec<MigrationId>,
    pub(crate) about: About,
    pub(crate) up: Script,
    pub(crate) down: Option<Script>,
}

/// What `meta.toml` says of a migration that does not change how it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) description: String,
    pub(crate) risk: Option<Risk>,
    pub(crate) estimate: Option<Duration>,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) environments: BTreeSet<String>,
}

/// What a migration may cost those who use the database meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody notices.
    Low,
    /// Somebody may wait for a moment.
    Medium,
    /// Data or minutes may be lost.
    High,
}

impl Risk {
    /// Reads `low`, `medium` or `high`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|risk| risk.as_str() == text)
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a migration happens all at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionMode {
    /// As its statements need it: in one transaction, but for those that the server refuses in one.
    #[default]
    Auto,
    /// In one transaction with its row of history: it happens wholly or not at all.
    Single,
    /// Statement by statement, each in a transaction of its own where the server lets it; a failure leaves it half
    /// applied.
    None,
}

/// What is done in one direction: steps, and the text that they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// The file, relative to the directory.
    pub(crate) file: String,
    /// The line of the file on which its text begins, from 1.
    pub(crate) line: usize,
    /// The text as it is in the file.
    pub(crate) text: Arc<str>,
    pub(crate) mode: TransactionMode,
    pub(crate) body: Body,
}

/// The steps of a script.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Sql(Vec<Statement>),
    Code(Arc<dyn Code>),
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sql(one), Self::Sql(other)) => one == other,
            (Self::Code(one), Self::Code(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Body {}

impl Script {
    /// How many steps it has.
    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Sql(statements) => statements.len(),
            Body::Code(_) => 1,
        }
    }

    /// Its statements; none where it is code.
    pub(crate) fn statements(&self) -> &[Statement] {
        match &self.body {
            Body::Sql(statements) => statements,
            Body::Code(_) => &[],
        }
    }

    pub(crate) fn segments(&self, learned: &BTreeSet<usize>) -> Segmented {
        segments(self.statements(), self.mode, learned)
    }

    /// The statements that the file itself rolls back, so that nothing of them stays.
    pub(crate) fn rolled_back(&self) -> BTreeSet<usize> {
        let segments = self.segments(&BTreeSet::new()).segments;
        segments.iter().filter(|segment| segment.is_undone()).flat_map(Segment::range).collect()
    }
}

impl Migration {
    /// Its version.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// Its name, without the version.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of its folder, or of its file without what says the direction.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When it is due.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What `meta.toml` says it is for; may be empty.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.about.description
    }

    /// What its author says that it may cost.
    #[must_use]
    pub const fn risk(&self) -> Option<Risk> {
        self.about.risk
    }

    /// How long its author says that it takes.
    #[must_use]
    pub const fn estimate(&self) -> Option<Duration> {
        self.about.estimate
    }

    /// The migrations that it needs.
    #[must_use]
    pub fn depends_on(&self) -> &[MigrationId] {
        &self.depends_on
    }

    /// Whether it runs in a transaction.
    #[must_use]
    pub const fn mode(&self) -> TransactionMode {
        self.up.mode
    }

    /// Checksum of what it does, line ends made `\n`.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        Checksum::of(&self.up.text)
    }

    /// The text of the way there, as it is in its file; of a repeatable one with its values put in.
    #[must_use]
    pub fn up_sql(&self) -> &str {
        &self.up.text
    }

    /// The file of the way there, relative to the directory.
    #[must_use]
    pub fn up_file(&self) -> &str {
        &self.up.file
    }

    /// The text of the way back.
    #[must_use]
    pub fn down_sql(&self) -> Option<&str> {
        self.down.as_ref().map(|down| &*down.text)
    }

    /// Whether there is a way back.
    #[must_use]
    pub const fn is_reversible(&self) -> bool {
        self.down.is_some()
    }
}
