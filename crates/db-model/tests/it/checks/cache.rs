//! Entries of the cache, and what commits make untrue in it.

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
    ("cache_invalidations_keys_check", "INSERT INTO cache_invalidations (keys) VALUES ('{}')"),
    (
        "cache_invalidations_keys_check",
        "INSERT INTO cache_invalidations (keys) SELECT array_agg('k'::text) FROM generate_series(1, 10001)",
    ),
    (
        "cache_invalidations_removed_only_check",
        "INSERT INTO cache_invalidations_removed (is_only, through, next) VALUES (false, '0', '0')",
    ),
];
