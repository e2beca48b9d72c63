//! What may go wrong, and what it leaves behind.

use crate::{Holder, PlanError, SourceProblem};
use db_core::{Classify, Retry};
use std::fmt;
use std::time::Duration;

/// Error of every function of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files cannot be used.
    #[error("the migrations of {from} cannot be used:{}", list(problems))]
    Source {
        /// The folder, or `the program`.
        from: String,
        /// Everything that is wrong with them.
        problems: Vec<SourceProblem>,
    },
    /// The files and the history contradict each other; nothing was changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Another deployment holds the lock; nothing was changed.
    #[error(
        "another deployment holds the migration lock, after waiting for {waited:.1?}: {}",
        holder_text(holder.as_ref())
    )]
    Locked {
        /// How long it was waited for.
        waited: Duration,
        /// Who held it at the end, unless they had just let go.
        holder: Option<Holder>,
    },
    /// The server refused a statement of a migration.
    #[error(transparent)]
    Statement(#[from] Box<StatementError>),
    /// There is no way back to revert by; nothing was changed.
    #[error("cannot revert {}: there is no way back; write its down.sql", labels.join(", "))]
    NoDown {
        /// The migrations without one.
        labels: Vec<String>,
    },
    /// The migration to revert to was never applied; nothing was changed.
    #[error("cannot go back to {to:?}: it is not applied; `db migrate status` lists what is")]
    NotApplied {
        /// The migration, as it was asked for.
        to: String,
    },
    /// What is to be reverted was never run here; nothing was changed.
    #[error("cannot revert {label}: it was taken to be applied as a baseline, and was never run here")]
    Baselined {
        /// The migration.
        label: String,
    },
    /// A baseline is for a database whose history is empty; nothing was changed.
    #[error(
        "the history is not empty: {label} was applied; a baseline is for a database that was never migrated"
    )]
    NotEmpty {
        /// What was applied.
        label: String,
    },
    /// The other tool's history cannot be read; nothing was changed.
    #[error(transparent)]
    Foreign(#[from] crate::ForeignError),
    /// The files do not fit what the other tool applied; nothing was changed.
    #[error("the files do not fit what {format} applied:{}", problems.iter().map(|problem| format!("\n- {problem}")).collect::<String>())]
    Adopt {
        /// The tool.
        format: crate::Format,
        /// Everything that does not fit.
        problems: Vec<crate::AdoptProblem>,
    },
    /// The server takes no changes; nothing was changed.
    #[error(
        "the server takes no changes: {}",
        if *standby { "it is a standby; migrate the primary" }
        else { "default_transaction_read_only is on for this role or database" }
    )]
    ReadOnly {
        /// Whether it replays another server's log.
        standby: bool,
    },
    /// A lock that lives in a second session needs one.
    #[error("the deploy lock in a transaction needs Options::server, for a second session")]
    NoServer,
    /// The server refused a statement in a transaction that the file itself opens.
    #[error("{file}: {what} cannot run in the transaction that the file opens around it")]
    Unsound {
        /// The file.
        file: String,
        /// The statement.
        what: String,
    },
    /// A migration in Rust failed; nothing of it was kept.
    #[error("{label} failed; nothing of it was kept")]
    Code {
        /// The migration.
        label: String,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a migration needs of its session cannot be had behind a pooler; nothing more of it was run.
    #[error(
        "{file}:{line}: {summary} {reason}, which cannot be had behind a pooler that hands out sessions by the transaction: \
         connect to the server itself for this one, without --pooler"
    )]
    BehindPooler {
        /// The file.
        file: String,
        /// First line of the statement.
        line: usize,
        /// The statement's first words.
        summary: String,
        /// What it needs.
        reason: &'static str,
    },
    /// A rehearsal needs a session of its own; nothing was run.
    #[error("a dry run needs a session of its own: connect to the server itself for it, without --pooler")]
    RehearsedBehindPooler,
    /// The session that held the deploy lock in a transaction is gone, and another deployment may have begun. Close the
    /// connection: a statement may be under way on it.
    #[error(
        "the session that held the deploy lock is gone, so the deployment goes no further; a pooler may end transactions that \
         are idle. What is under way may go on at the server: look at `db migrate status`, and run it again, or `db \
         migrate recover` where something is half applied"
    )]
    LockLost {
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// What is to be rehearsed cannot run in a transaction that is rolled back, and a copy was not allowed.
    #[error("cannot be rehearsed on the database itself: {reason}; rehearse it on a copy (--on copy)")]
    NeedsCopy {
        /// Which statement, where.
        reason: String,
    },
    /// What is to run on a scratch database acts on the whole server; nothing was run.
    #[error(
        "{file}:{line}: {summary} acts on the whole server, also when it is run on a scratch database, where nothing would \
         undo it; --allow-server-wide runs it all the same"
    )]
    ServerWide {
        /// The file.
        file: String,
        /// First line of the statement.
        line: usize,
        /// The statement's first words.
        summary: String,
    },
    /// No copy of the database can be made to rehearse on.
    #[error("cannot copy {database} to rehearse on")]
    NoCopy {
        /// The database.
        database: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A statement ended the transaction that a rehearsal was to roll back, by a way that was not foreseen.
    #[error(
        "{file}:{line}: the statement ended the transaction of the dry run, so what came before it is committed: look at \
         the database"
    )]
    Escaped {
        /// The file.
        file: String,
        /// First line of the statement.
        line: usize,
    },
    /// A row of the history is not there any more.
    #[error("cannot {action}: its row in {table} is gone; somebody else changed the table")]
    RowGone {
        /// The table.
        table: String,
        /// What was tried.
        action: String,
    },
    /// Whether a statement ran before its session died cannot be seen in the database.
    #[error(
        "{label}: whether statement {statement} ({summary}) of {file} ran cannot be seen; look at what it does, then `db \
         migrate recover --statement-ran yes` or `no`"
    )]
    Undecided {
        /// The migration.
        label: String,
        /// Its file.
        file: String,
        /// Number of the statement, from 1.
        statement: usize,
        /// Its first words.
        summary: String,
    },
    /// What is half applied cannot be finished, or not be undone.
    #[error("cannot {} {label}: {reason}", if *undo { "undo" } else { "finish" })]
    Unrecoverable {
        /// The migration.
        label: String,
        /// Which way was asked for.
        undo: bool,
        /// What is in the way, and the remedy.
        reason: String,
    },
    /// The text is no `postgresql://` URL. It is not repeated, since it may hold a password.
    #[error("the database's URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")]
    Url,
    /// No table can be in a schema of this name.
    #[error("{name:?} is no name of a schema")]
    SchemaName {
        /// The name.
        name: String,
    },
    /// The server did not say that it committed a transaction of a migration.
    #[error("cannot commit {label}; {left}")]
    Commit {
        /// The migration.
        label: String,
        /// What that leaves behind.
        left: Left,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The server refused a statement of ours, or could not be asked.
    #[error("cannot {action}")]
    Database {
        /// What was tried, as in "read the history".
        action: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
}

/// The server refused a statement of a migration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}{}: statement {statement} ({summary}) failed: {message} (SQLSTATE {sqlstate}){}{}{}; {left}",
    column.map(|column| format!(":{column}")).unwrap_or_default(),
    more("detail", detail.as_deref()), more("hint", hint.as_deref()),
    more("blocked by", (!blockers.is_empty()).then(|| blockers.join("; ")).as_deref())
)]
#[non_exhaustive]
pub struct StatementError {
    /// File of the statement, such as `0003_index/up.sql`.
    pub file: String,
    /// Line that the server means, else the first of the statement; from 1.
    pub line: usize,
    /// Column that the server means, where it means one; from 1.
    pub column: Option<usize>,
    /// Number of the statement in its file, from 1.
    pub statement: usize,
    /// The statement's first words.
    pub summary: String,
    /// The server's code.
    pub sqlstate: String,
    /// The server's message.
    pub message: String,
    /// The server's detail.
    pub detail: Option<String>,
    /// What helps: ours where we know better, else the server's.
    pub hint: Option<String>,
    /// Who was in the way when it was last looked at.
    pub blockers: Vec<String>,
    /// What the failure leaves behind.
    pub left: Left,
}

/// What a failed migration leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// What its earlier statements did. [`recover`](crate::recover) finishes or undoes it.
    Half,
    /// The connection was lost when it was to be committed.
    Unknown,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing of this migration was kept",
            Self::Half => "the migration is half applied: finish or undo it with `db migrate recover`",
            Self::Unknown => {
                "whether it was kept is not known: `db migrate status` tells, and `db migrate recover` mends"
            }
        })
    }
}

impl Error {
    /// For `map_err`: says what was tried.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action: action.into(), source }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Locked { .. } => Retry::Safe,
            Self::Statement(error) if error.left == Left::Nothing => Retry::of_sqlstate(&error.sqlstate),
            Self::Commit { left: Left::Nothing, source: sqlx::Error::Database(error), .. } => {
                error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code))
            }
            Self::Database { source: sqlx::Error::Io(_), .. } => Retry::Reconnect,
            Self::Database { source: sqlx::Error::Database(error), .. } => {
                error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code))
            }
            _ => Retry::Never,
        }
    }
}

fn list(problems: &[SourceProblem]) -> String {
    problems.iter().map(|problem| format!("\n- {problem}")).collect()
}

fn more(label: &str, text: Option<&str>) -> String {
    text.map(|text| format!("; {label}: {text}")).unwrap_or_default()
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "it has just let go".to_owned(), Holder::to_string)
}
