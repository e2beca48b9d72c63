//! What may be wrong with the files of migrations, each with its remedy.

use super::formats::Format;
use crate::MigrationId;

/// Something that keeps migrations from being loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceProblem {
    /// The operating system refused to read it.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// File or folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is no UTF-8 text.
    #[error("{path} is not UTF-8 from byte {offset} on: save it as UTF-8")]
    NotUtf8 {
        /// The file.
        path: String,
        /// Where the first wrong byte is.
        offset: usize,
    },
    /// The folder's name has no number, or one that would sort wrongly.
    #[error(
        "{folder}: name it like 0001_core_tables, at least four digits, an underscore, then lower-case letters, digits \
         and underscores"
    )]
    FolderName {
        /// The folder.
        folder: String,
    },
    /// Two folders have the same number.
    #[error("{first} and {second} have the same number: give the newer one the next free number")]
    Duplicate {
        /// One folder.
        first: String,
        /// The other.
        second: String,
    },
    /// A number is not there.
    #[error("{missing} is missing before {before}: add it, or renumber what was never applied")]
    Gap {
        /// The first missing number.
        missing: MigrationId,
        /// The folder after the gap.
        before: String,
    },
    /// There is nothing to apply.
    #[error("{label}: the way there is missing: write its up.sql")]
    NoUp {
        /// The migration.
        label: String,
    },
    /// No version can be like that.
    #[error("{label}: {version:?} is no version: it is empty, too long, or has control characters")]
    Version {
        /// The migration.
        label: String,
        /// Its version.
        version: String,
    },
    /// A script has no statement.
    #[error(
        "{file} has no statement: write one, or remove {}",
        if file.ends_with("/up.sql") || file.ends_with("/migration.sql") { "the folder" } else { "the file" }
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// Something is opened and never closed.
    #[error("{file}:{line}: this {what} is never closed")]
    Unterminated {
        /// The file.
        file: String,
        /// The line where it is opened.
        line: usize,
        /// What it is.
        what: &'static str,
    },
    /// `meta.toml` is not understood.
    #[error("{file}: {reason}")]
    Meta {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// It depends on a migration that is not there.
    #[error("{label}: depends_on names {depends_on}, which does not exist")]
    UnknownDependency {
        /// The migration.
        label: String,
        /// The number it names.
        depends_on: String,
    },
    /// Migrations wait for each other.
    #[error("{} wait for each other: drop one depends_on", labels.join(" -> "))]
    Cycle {
        /// The migrations along the cycle; the first comes again at the end.
        labels: Vec<String>,
    },
    /// A statement cannot run in the transaction that the file or its settings ask for.
    #[error("{file}:{line}: {statement} cannot run in a transaction: take {remedy}")]
    OutsideTransaction {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Its first words.
        statement: String,
        /// What to take out of what.
        remedy: &'static str,
    },
    /// A statement begins or ends a transaction where that is the runner's part, or undoes one.
    #[error(
        "{file}:{line}: {statement} leaves no way to say what was applied: remove it, the runner has a transaction"
    )]
    TransactionControl {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Its first words.
        statement: String,
    },
    /// `COPY .. FROM STDIN` has nobody to read from.
    #[error(
        "{file}:{line}: COPY FROM STDIN without rows: let them follow it, ended by a line `\\.`, or write INSERT"
    )]
    CopyFromClient {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
    },
    /// Only psql understands this.
    #[error("{file}:{line}: \\{command} is a command of psql's, which the server does not know: remove it")]
    PsqlCommand {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The command.
        command: String,
    },
    /// A link leads back to a folder that it is in.
    #[error("{path} is a link to a folder that it is in: remove the link")]
    Loop {
        /// The link.
        path: String,
    },
    /// There is far more below the directory than migrations.
    #[error("{path} has more than {max} files below it: give the folder of the migrations itself")]
    TooManyFiles {
        /// The directory.
        path: String,
        /// How many are read.
        max: usize,
    },
    /// No format's files are there.
    #[error("no migrations found{}", seen(below, strays))]
    NoFormat {
        /// Folders below that have some, with their format.
        below: Vec<(String, Format)>,
        /// A few of the files that are there instead.
        strays: Vec<String>,
    },
    /// Files of more than one format are there, or the files fit more than one.
    #[error("more than one format fits, say --format NAME:{}", candidates(found))]
    Ambiguous {
        /// Every format that fits, and what speaks for it.
        found: Vec<(Format, String)>,
    },
    /// The migrations are of a tool that is not read.
    #[error("these look like {tool}'s migrations, since there is {because}: {instead}")]
    OtherTool {
        /// The tool.
        tool: &'static str,
        /// What tells.
        because: String,
        /// What can be done.
        instead: &'static str,
    },
    /// A file of this name stops the tool, or is meant to be a migration and is none.
    #[error("{file}: {format} wants names like {form}", form = format.form())]
    Misnamed {
        /// The file or folder.
        file: String,
        /// The format.
        format: Format,
    },
    /// The version is not one that the tool can hold.
    #[error("{file}: the version {version} is out of range: {format} takes {range}")]
    VersionRange {
        /// The file.
        file: String,
        /// As it is written.
        version: String,
        /// The format.
        format: Format,
        /// What would fit.
        range: &'static str,
    },
    /// The migration is a program.
    #[error(
        "{file} is a migration in code: write it as SQL of the same version, or take it out and register it with the \
         program that migrates"
    )]
    InCode {
        /// The file.
        file: String,
    },
    /// There is a way back and no way there.
    #[error("{file} undoes what no file does: add {missing}")]
    OnlyDown {
        /// The file that is there.
        file: String,
        /// The one that is not.
        missing: String,
    },
    /// A mark in the file is wrong, or one is missing.
    #[error("{file}:{line}: {reason}")]
    Mark {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A comment divides the file for a tool other than the one whose format it is read in.
    #[error(
        "{file}:{line}: `{mark}` looks like a mark of {tool}, which {format} takes for a comment, so what follows would be \
         run as well: {instead}"
    )]
    ForeignMark {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// As it is written, or the beginning of it.
        mark: String,
        /// Whose it looks like.
        tool: &'static str,
        /// The format that the file was read in.
        format: Format,
        /// What can be done.
        instead: &'static str,
    },
    /// A placeholder has no value.
    #[error("{file}:{line}: {written} has no value: set it with --set {name}=VALUE")]
    Placeholder {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// As it is there.
        written: String,
        /// Its name.
        name: String,
    },
    /// A file of settings is not understood.
    #[error("{file}: {reason}")]
    Settings {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

fn seen(below: &[(String, Format)], strays: &[String]) -> String {
    if !below.is_empty() {
        let folders = below.iter().map(|(folder, format)| format!("{folder} below looks like {format}'s"));
        return format!(": {}; give that folder", folders.collect::<Vec<_>>().join(", "));
    }
    match strays {
        [] => String::new(),
        strays => format!(
            ": {} {} not named like a migration of any format that is known; say --format NAME to hear what it wants",
            strays.join(", "),
            if strays.len() == 1 { "is" } else { "are" }
        ),
    }
}

fn candidates(found: &[(Format, String)]) -> String {
    found.iter().map(|(format, because)| format!("\n  {format}: {because}")).collect()
}
