//! The audit log's own tables.

use super::Refused;

pub(super) const REFUSED: Refused = &[
    ("audit_keys_erased_check", "INSERT INTO audit_keys (id, subject) VALUES (gen_random_uuid(), 's')"),
    (
        "audit_keys_subject_idx",
        "INSERT INTO audit_keys (id, subject, wrapped) SELECT gen_random_uuid(), 's', 'w' FROM generate_series(1, 2)",
    ),
    (
        "audit_stubs_leaves_check",
        "INSERT INTO audit_stubs (through_leaf, from_leaf, from_time, through_time, root) VALUES (1, 2, now(), now(), 'r')",
    ),
    ("audit_tree_only_check", "INSERT INTO audit_tree (is_only) VALUES (false)"),
    ("audit_tree_size_check", "UPDATE audit_tree SET first_leaf = 1"),
];
