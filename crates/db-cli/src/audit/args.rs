//! The command line of `db audit`.

use super::filters::FilterArgs;
use crate::args::{DatabaseArgs, SettingsArgs};
use clap::{Args, Subcommand, ValueEnum};
use db_core::Secret;
use std::path::PathBuf;

pub(crate) const HELP: &str = "Examples:\n  db audit enable users --exclude password_hash --personal email,name --subject id\n  \
    db audit search --actor ann --action 'task.*' --from 7d\n  db audit export --out may.ndjson --proofs --from 2026-05-01 --until 2026-06-01\n  \
    db audit verify-export may.ndjson --key 'log+1f2e3d4c+AQ…'\n  db audit verify --witnessed checkpoints\n  \
    db audit erase user-42 --receipt user-42.json\n\nKeys are configured: DB_AUDIT_MASTER_KEY_FILE opens what is personal, \
    DB_AUDIT_SIGNING_KEY_FILE signs checkpoints, DB_AUDIT_PUBLIC_KEYS verifies them; `db audit keygen` makes them.\n\nExit codes: 0 \
    done; 1 failed; 2 usage; 3 the answer is no (verify, verify-export: something is wrong; tables: one is not as it was told to \
    be); 130 stopped by Ctrl-C.";

#[derive(Args, Clone, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Have a table note each change of its rows, whatever program makes it
    #[command(
        after_help = "Examples:\n  db audit enable orders\n  db audit enable app.users --entity users --exclude \
        password_hash,seen_at --personal email,name --subject id\n\nNotes who changed a row and, of an update, the columns that changed \
        with their old and new values. Takes a lock on the table that its writers wait for, for 5 seconds at most."
    )]
    Enable(EnableArgs),
    /// End what `enable` has begun
    #[command(after_help = "Examples:\n  db audit disable orders")]
    Disable(DisableArgs),
    /// List the tables that note their changes; exit code 3 when one is not as it was told to be
    #[command(after_help = "Examples:\n  db audit tables\n  db audit tables --json")]
    Tables(DatabaseArgs),
    /// Find events by who, what, when and what they say
    #[command(
        after_help = "Examples:\n  db audit search --entity users --id 42\n  db audit search --action 'task.*' --outcome \
        failure --from 24h\n  db audit search --path '$.plan ? (@ == \"team\")' --limit 20\n\nA page ends with the --cursor of the next. \
        What no index answers is looked for among 100,000 events a page."
    )]
    Search(SearchArgs),
    /// Show one event, with the proof that it is in the log
    #[command(after_help = "Examples:\n  db audit show 01935c0a-0000-7abc-8def-000102030405 --json")]
    Show(ShowArgs),
    /// Write events into a file, with proofs where somebody else is to believe them
    #[command(
        after_help = "Examples:\n  db audit export --out all.ndjson --proofs\n  db audit export --out ann.csv --format csv \
        --actor ann\n\nA file that is there is not overwritten. Proofs are of the last checkpoint; where a signing key is configured one \
        is signed first."
    )]
    Export(ExportArgs),
    /// Verify an export with proofs, without the database; exit code 3 when it is not what was signed
    #[command(after_help = "Examples:\n  db audit verify-export may.ndjson --key 'log+1f2e3d4c+AQ…'")]
    VerifyExport(VerifyExportArgs),
    /// Count what was done, what was refused, and how long tasks took
    #[command(
        after_help = "Examples:\n  db audit report activity --by actor,action\n  db audit report tasks --from 7d\n  db audit \
        report denied --from 2026-05-01 --until 2026-06-01 --json"
    )]
    Report(ReportArgs),
    /// Verify that the log is what it was; exit code 3 with the first row that was altered, removed, inserted or moved
    #[command(
        after_help = "Examples:\n  db audit verify\n  db audit verify --witnessed checkpoints --key 'log+1f2e3d4c+AQ…'\n  db audit \
        verify --from checkpoints\n\nWithout checkpoints from outside it finds what somebody changed who did not think of the tree. The \
        configured audit.checkpoint_file and audit.public_keys are used where no others are given."
    )]
    Verify(VerifyArgs),
    /// Give events their places and sign checkpoints until Ctrl-C
    #[command(
        after_help = "Examples:\n  DATABASE_URL=postgres://sequencer@db/app db audit run\n\nFor deployments that give this a role of \
        its own. Any number may run: one of them works."
    )]
    Run(SequenceArgs),
    /// Give the events that wait their places, once
    #[command(after_help = "Examples:\n  db audit sequence")]
    Sequence(SequenceArgs),
    /// Sign what the log is now, and print the checkpoint
    #[command(after_help = "Examples:\n  db audit checkpoint >> checkpoints")]
    Checkpoint(DatabaseArgs),
    /// Forget somebody: destroy their key, and with it what events say of them; every proof stays
    #[command(
        after_help = "Examples:\n  db audit erase user-42 --receipt user-42.json --yes\n\nKeep the receipt where backups of the \
        database are not: `db audit replay` makes it so again after one is restored."
    )]
    Erase(EraseArgs),
    /// Erase again what a restored backup has brought back
    #[command(after_help = "Examples:\n  db audit replay user-42.json")]
    Replay(ReplayArgs),
    /// Let whole months leave the log, and leave what proofs need
    #[command(after_help = "Examples:\n  db audit retain --before 2025-01 --export until-2024.ndjson --yes")]
    Retain(RetainArgs),
    /// Wrap the keys of all subjects by a new master key
    #[command(
        after_help = "Examples:\n  db audit keygen --master --out new.key\n  db audit rewrap --new-key-file new.key\n\nThe old one \
        is the configured one; configure the new one right after."
    )]
    Rewrap(RewrapArgs),
    /// Make a signing key or a master key
    #[command(
        after_help = "Examples:\n  db audit keygen --name example.org/log --out signing.key\n  db audit keygen --master --out \
        master.key\n\nThe key goes into a file that only its owner may read; the public key of a signing key is printed."
    )]
    Keygen(KeygenArgs),
    /// Show what there is of the log
    #[command(after_help = "Examples:\n  db audit status --json")]
    Status(DatabaseArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EnableArgs {
    /// The table, with its schema where that is not on the search path
    pub(crate) table: String,
    /// What events call the kind of entity; the table's name unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: Option<String>,
    /// Columns whose values are noted nowhere
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// Columns that only the key of the row's subject opens
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) personal: Vec<String>,
    /// The column that names the subject; each row is one of its own unless given
    #[arg(long, value_name = "COLUMN")]
    pub(crate) subject: Option<String>,
    #[command(flatten)]
    pub(crate) by: ByArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SequenceArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Go on though the server's clock is behind the log, or far ahead of this machine's: events keep the last one's time
    #[arg(long)]
    pub(crate) despite_clock: bool,
}

/// Who does it, as the log has it.
#[derive(Args, Clone, Debug)]
pub(crate) struct ByArgs {
    /// Who does this, for the event that notes it; a name that may stay
    #[arg(long, value_name = "ACTOR")]
    pub(crate) by: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DisableArgs {
    /// The table
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) by: ByArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    /// Events on a page, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Go on where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
    /// Open what is personal, by the configured master key
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// The event's number
    pub(crate) id: sqlx::types::Uuid,
    /// Open what is personal, by the configured master key
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Written {
    Ndjson,
    Csv,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExportArgs {
    /// The file, which is made
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// NDJSON can be verified; CSV is for people
    #[arg(long = "format", value_enum, default_value = "ndjson")]
    pub(crate) written: Written,
    /// With the proof of each event; with CSV only events that a checkpoint covers
    #[arg(long)]
    pub(crate) proofs: bool,
    /// Open what is personal, by the configured master key; an erasure does not reach the file
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Who must have signed.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeyArgs {
    /// A key that checkpoints must be signed by; the configured ones unless given
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyExportArgs {
    /// The export
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// Which report
    #[arg(value_enum)]
    pub(crate) report: Reported,
    /// What activity is counted by
    #[arg(long, value_enum, value_delimiter = ',', default_value = "actor,action")]
    pub(crate) by: Vec<CountedBy>,
    /// From this time on: 2026-05-01, 2026-05-01T08:00:00Z, or so long ago, as in 7d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = super::filters::time)]
    pub(crate) from: chrono::DateTime<chrono::Utc>,
    /// Before this time; now unless given
    #[arg(long, value_name = "TIME", value_parser = super::filters::time)]
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// Rows
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reported {
    /// How often who did what
    Activity,
    /// How long tasks took
    Tasks,
    /// What was not allowed, and what failed
    Denied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountedBy {
    Actor,
    Action,
    Day,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// Believe what came before the last checkpoint in this file, as it was verified then
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Checkpoints that somebody else has kept
    #[arg(long, value_name = "FILE")]
    pub(crate) witnessed: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EraseArgs {
    /// Whom
    pub(crate) subject: String,
    /// File for the receipt, which is made
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) by: ByArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArgs {
    /// The receipt
    pub(crate) receipt: PathBuf,
    #[command(flatten)]
    pub(crate) by: ByArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RetainArgs {
    /// The first month that stays, as in 2026-01
    #[arg(long, value_name = "MONTH", value_parser = super::filters::month)]
    pub(crate) before: chrono::DateTime<chrono::Utc>,
    /// Write what leaves into this file first, with proofs
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RewrapArgs {
    #[command(flatten)]
    pub(crate) new: NewKeyArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Where the new master key comes from.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct NewKeyArgs {
    /// File with the new master key
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
    /// Program and arguments that print the new master key
    #[arg(long, value_name = "WORD", num_args = 1..)]
    pub(crate) new_key_command: Vec<Secret>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct KeygenArgs {
    /// File for the key, which is made
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The signing key's name, which stands under each checkpoint
    #[arg(long, value_name = "NAME", default_value = "cairn-audit")]
    pub(crate) name: String,
    /// Make a master key instead
    #[arg(long, conflicts_with = "name")]
    pub(crate) master: bool,
}
