//! Entries of the cache.

use super::Refused;

pub(super) const REFUSED: Refused = &[
    (
        "cache_entries_kind_check",
        "INSERT INTO cache_entries (key, value, version, number, expires_at) VALUES ('k', 'v', 1, 1, now())",
    ),
    (
        "cache_entries_kind_check",
        "INSERT INTO cache_entries (key, value, expires_at) VALUES ('k', 'v', now())",
    ),
    (
        "cache_entries_kind_check",
        "INSERT INTO cache_entries (key, version, expires_at) VALUES ('k', 1, now())",
    ),
    (
        "cache_entries_kind_check",
        "INSERT INTO cache_entries (key, version, number, expires_at) VALUES ('k', 1, 1, now())",
    ),
    ("cache_entries_kind_check", "INSERT INTO cache_entries (key, expires_at) VALUES ('k', now())"),
];
