//! The audit trail and access rules.

use crate::AccessMode;
use crate::schema::{
    Key, Kind,
    row::{named, row, span},
};

const DAY: u64 = 24 * 3600;

pub(super) static KEYS: &[Key] = &[
    row("audit.enabled", Kind::Flag, &[named("DB_ENABLE_AUDIT_LOGGING")], &[], "whether changes are audited"),
    row(
        "audit.sequence",
        Kind::Flag,
        &[named("DB_AUDIT_SEQUENCE")],
        &[],
        "whether this process gives events their places and signs; one that does so is enough, such as `db audit run`",
    ),
    row(
        "audit.master_key",
        Kind::Secret,
        &[named("DB_AUDIT_MASTER_KEY")],
        &[],
        "key that wraps the keys of subjects; 32 bytes in base64 or hexadecimal",
    ),
    row(
        "audit.master_key_file",
        Kind::Path,
        &[named("DB_AUDIT_MASTER_KEY_FILE")],
        &[],
        "file with the master key; others may not read it",
    ),
    row(
        "audit.master_key_command",
        Kind::Command,
        &[named("DB_AUDIT_MASTER_KEY_COMMAND")],
        &[],
        "program and arguments (no shell) that print the master key",
    ),
    row(
        "audit.former_master_key",
        Kind::Secret,
        &[named("DB_AUDIT_FORMER_MASTER_KEY")],
        &[],
        "master key before the last `db audit rewrap`; opens what lies in audit.spool from then",
    ),
    row(
        "audit.former_master_key_file",
        Kind::Path,
        &[named("DB_AUDIT_FORMER_MASTER_KEY_FILE")],
        &[],
        "file with the former master key; others may not read it",
    ),
    row(
        "audit.former_master_key_command",
        Kind::Command,
        &[named("DB_AUDIT_FORMER_MASTER_KEY_COMMAND")],
        &[],
        "program and arguments (no shell) that print the former master key",
    ),
    row(
        "audit.signing_key",
        Kind::Secret,
        &[named("DB_AUDIT_SIGNING_KEY")],
        &[],
        "key that signs checkpoints, as `db audit keygen` writes it",
    ),
    row(
        "audit.signing_key_file",
        Kind::Path,
        &[named("DB_AUDIT_SIGNING_KEY_FILE")],
        &[],
        "file with the signing key; others may not read it",
    ),
    row(
        "audit.signing_key_command",
        Kind::Command,
        &[named("DB_AUDIT_SIGNING_KEY_COMMAND")],
        &[],
        "program and arguments (no shell) that print the signing key",
    ),
    row(
        "audit.public_keys",
        Kind::Text,
        &[named("DB_AUDIT_PUBLIC_KEYS")],
        &[],
        "keys that checkpoints must be signed by, `<name>+<hash>+<base64>` with commas between",
    ),
    row(
        "audit.checkpoint_file",
        Kind::Path,
        &[named("DB_AUDIT_CHECKPOINT_FILE")],
        &[],
        "file that checkpoints are appended to; where the database's administrators cannot write",
    ),
    row(
        "audit.checkpoint_webhook",
        Kind::Secret,
        &[named("DB_AUDIT_CHECKPOINT_WEBHOOK")],
        &[],
        "https:// URL that checkpoints are posted to; `:<token>@` before the host is sent as a bearer token",
    ),
    row(
        "audit.checkpoint_webhook_file",
        Kind::Path,
        &[named("DB_AUDIT_CHECKPOINT_WEBHOOK_FILE")],
        &[],
        "file with that URL; others may not read it",
    ),
    row(
        "audit.checkpoint_webhook_command",
        Kind::Command,
        &[named("DB_AUDIT_CHECKPOINT_WEBHOOK_COMMAND")],
        &[],
        "program and arguments (no shell) that print that URL",
    ),
    row(
        "audit.checkpoint_every",
        span(1_000, DAY),
        &[named("DB_AUDIT_CHECKPOINT_EVERY")],
        &[],
        "time between two checkpoints, when the log has grown",
    ),
    row(
        "audit.spool",
        Kind::Path,
        &[named("DB_AUDIT_SPOOL")],
        &[],
        "folder for events while the database does not take them",
    ),
    row(
        "access.mode",
        Kind::Word(AccessMode::WORDS),
        &[named("DB_ACCESS_MODE")],
        &[],
        "whether access rules are enforced, or only observed: everything is done, and what they would refuse is told",
    ),
    row(
        "access.rules",
        Kind::Path,
        &[named("DB_ACCESS_RULES")],
        &[],
        "file of access rules, TOML or, where it ends in .json, JSON",
    ),
];
