//! One migration, checked.

use crate::script::Statement;
use crate::{Checksum, MigrationId};

/// A migration whose files were read and found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub(crate) id: MigrationId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) depends_on: Vec<MigrationId>,
    pub(crate) mode: TransactionMode,
    pub(crate) checksum: Checksum,
    pub(crate) up: Vec<Statement>,
    pub(crate) down: Option<Vec<Statement>>,
}

/// Whether a migration happens all at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionMode {
    /// In one transaction with its row of history: it happens wholly or not at all.
    #[default]
    Single,
    /// Statement by statement, for what the server refuses in a transaction; a failure leaves it half applied.
    None,
}

impl Migration {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> MigrationId {
        self.id
    }

    /// Its name, without the number.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}_{}", self.id, self.name)
    }

    /// What `meta.toml` says it is for; may be empty.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The migrations that it needs; all have lower numbers.
    #[must_use]
    pub fn depends_on(&self) -> &[MigrationId] {
        &self.depends_on
    }

    /// Whether it runs in a transaction.
    #[must_use]
    pub const fn mode(&self) -> TransactionMode {
        self.mode
    }

    /// Checksum of `up.sql`.
    #[must_use]
    pub const fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Whether there is a `down.sql`.
    #[must_use]
    pub const fn is_reversible(&self) -> bool {
        self.down.is_some()
    }
}
