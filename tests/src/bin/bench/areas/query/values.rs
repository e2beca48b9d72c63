//! What everybody is handed: a row of twenty columns, and what somebody looks for.

use chrono::{DateTime, Utc};
use std::hint::black_box;
use uuid::Uuid;

pub(super) const TABLE: &str = "packages";
/// The key first.
pub(super) const COLUMNS: [&str; 20] = [
    "id",
    "name",
    "version",
    "kind",
    "status",
    "priority",
    "attempts",
    "size_bytes",
    "downloads",
    "score",
    "ratio",
    "yanked",
    "optional",
    "checksum",
    "owner_id",
    "parent",
    "description",
    "created_at",
    "updated_at",
    "locked_until",
];

/// The columns, the key, and what is not the key, as lists whose contents the compiler does not see.
pub(super) fn columns() -> (&'static [&'static str], &'static [&'static str], &'static [&'static str]) {
    let columns: &'static [&'static str] = black_box(&COLUMNS);
    let (key, others) = columns.split_at(1);
    (columns, key, others)
}

/// A row, in the order of [`COLUMNS`].
pub(super) struct Package {
    pub(super) id: i64,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) priority: i32,
    pub(super) attempts: i16,
    pub(super) size_bytes: i64,
    pub(super) downloads: i64,
    pub(super) score: f64,
    pub(super) ratio: f32,
    pub(super) yanked: bool,
    pub(super) optional: bool,
    pub(super) checksum: [u8; 32],
    pub(super) owner_id: i64,
    pub(super) parent: Option<Uuid>,
    pub(super) description: Option<&'static str>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) locked_until: Option<DateTime<Utc>>,
}

impl Package {
    pub(super) fn example() -> Self {
        let moment = DateTime::UNIX_EPOCH;
        black_box(Self {
            id: 4711,
            name: "serde_json",
            version: "1.0.150",
            kind: "library",
            status: "pending",
            priority: 7,
            attempts: 1,
            size_bytes: 155_348,
            downloads: 650_000_000,
            score: 0.75,
            ratio: 0.5,
            yanked: false,
            optional: true,
            checksum: [7; 32],
            owner_id: 3618,
            parent: Some(Uuid::from_u128(42)),
            description: Some("A JSON serialization file format"),
            created_at: moment,
            updated_at: moment,
            locked_until: None,
        })
    }
}

/// What is looked for among the packages.
pub(super) struct Search {
    pub(super) status: &'static str,
    pub(super) least_priority: i32,
    pub(super) yanked: bool,
    pub(super) owners: [i64; 3],
    pub(super) larger_than: i64,
    pub(super) limit: u32,
}

impl Search {
    pub(super) fn example() -> Self {
        black_box(Self {
            status: "pending",
            least_priority: 3,
            yanked: true,
            owners: [3618, 55_123, 7],
            larger_than: 1024,
            limit: 50,
        })
    }
}
