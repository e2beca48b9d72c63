//! What another tool remembers of one migration.

use chrono::{DateTime, Utc};

/// One migration of another tool's history, what its later rows say of it included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRow {
    /// As the tool writes it; `R__name` for a repeatable one of Flyway's, which has none.
    pub version: String,
    /// What it is called there, where the tool remembers.
    pub name: Option<String>,
    /// Where the tool remembers one.
    pub checksum: Option<ForeignChecksum>,
    /// Where the tool remembers it. Most tools write it without a time zone; it is then taken to be in the session's.
    pub applied_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub state: ForeignState,
}

/// A checksum as another tool takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignChecksum {
    /// sqlx: of the file.
    Sha384(Vec<u8>),
    /// Prisma: of the file, in hexadecimal digits.
    Sha256(String),
    /// Flyway: CRC-32 of the lines without their ends.
    Crc32(i32),
    /// refinery: SipHash-1-3 of name, version and text.
    SipHash(u64),
}

/// What became of a migration of another tool's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignState {
    /// It is applied.
    Applied,
    /// It failed, and what it left has to be mended by hand first.
    Failed {
        /// What the tool knows of it.
        why: String,
    },
    /// It was applied and undone.
    RolledBack,
    /// Everything up to it counts as applied, since it was there before the tool was.
    Baseline,
}
