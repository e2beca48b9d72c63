//! The command line of `db migrate lint`.

use crate::Failed;
use crate::args::DatabaseArgs;
use crate::migrate::args::FilesArgs;
use clap::{Args, ValueEnum};
use db_migrate::lint::{Severity, Threshold, lint_rules};

const HELP: &str = "Examples:\n  db migrate lint --dir db/migrations\n  db migrate lint --dir db/migrations --from 0042 --output github\n  \
    db migrate lint --output sarif > lint.sarif\n  db migrate lint --exclude rename-column --fail-on error\n  db migrate lint --rules\n\n\
    With a configured database, what is pending is linted, by the sizes of its tables and by what it has; without one, all \
    files are.\n\nA comment before a statement says what is known and accepted:\n  \
    -- cairn: ignore = \"drop-column: no program has asked for it since March\"\n\
    ignore_file, before the first statement, is for the whole file. Comments of squawk's (-- squawk-ignore RULE -- reason) \
    are understood.\n\nExit codes: 0 safe; 1 failed; 2 usage; 3 unsafe: there is a finding of --fail-on or worse.";

#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) files: FilesArgs,
    /// How findings are printed
    #[arg(long, value_enum)]
    pub(super) output: Option<Output>,
    /// Lint what is applied as well
    #[arg(long, conflicts_with = "from")]
    pub(super) all: bool,
    /// Lint this migration and those after it; what comes before is taken as applied
    #[arg(long, value_name = "ID")]
    pub(super) from: Option<String>,
    /// Ask a rule that is off by default
    #[arg(long, value_name = "NAME")]
    pub(super) rule: Vec<String>,
    /// Do not ask a rule
    #[arg(long, value_name = "NAME")]
    pub(super) exclude: Vec<String>,
    /// The least severity that makes the exit code 3
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = severity)]
    pub(super) fail_on: Severity,
    /// From so many rows on a table is big; a hundred times that is huge
    #[arg(long, value_name = "N", default_value_t = Threshold::default().rows)]
    pub(super) big_rows: u64,
    /// From so many bytes on a table is big, however few rows it has
    #[arg(long, value_name = "BYTES", default_value_t = Threshold::default().bytes)]
    pub(super) big_bytes: u64,
    /// The server's major version, where no database tells it
    #[arg(long, value_name = "N")]
    pub(super) server_version: Option<u32>,
    /// Schemas in which names without one are looked for, as in app,public
    #[arg(long, value_name = "SCHEMAS")]
    pub(super) search_path: Option<String>,
    /// Ask no database, even where one is configured
    #[arg(long)]
    pub(super) offline: bool,
    /// List the rules
    #[arg(long)]
    pub(super) rules: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

impl LintArgs {
    /// A rule that is misspelt is not asked in silence.
    pub(super) fn check_names(&self) -> Result<(), Failed> {
        let rules = lint_rules();
        let unknown = |name: &&String| !rules.iter().any(|rule| rule.name == **name);
        match self.rule.iter().chain(&self.exclude).find(unknown) {
            Some(name) => {
                Err(Failed::usage(format!("there is no rule {name:?}: `db migrate lint --rules` lists them")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn search_path(&self) -> Option<Vec<String>> {
        let schemas =
            self.search_path.as_ref()?.split(',').map(|schema| schema.trim().trim_matches('"').to_owned());
        Some(schemas.filter(|schema| !schema.is_empty()).collect())
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "write error, warning or hint".to_owned())
}
