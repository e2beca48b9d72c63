//! The command line of `db access`.

use crate::args::{DatabaseArgs, duration};
use clap::{Args, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

pub(crate) const HELP: &str = "Examples:\n  db access diff --rules rules.toml\n  db access plan --rules rules.toml\n  \
    db access apply --rules rules.toml --yes\n  db access check --rules rules.toml --json\n  db access explain --rules rules.toml \
    --role agent --attribute tenant=acme \"SELECT title FROM tasks\"\n\nA rule in rules.toml:\n  [[roles]]\n  name = \"agent\"\n  \
    [[rules]]\n  name = \"own-tasks\"\n  roles = [\"agent\"]\n  effect = \"allow\"\n  permissions = [\"read\"]\n  table = \"tasks\"\n  \
    rows = { tenant = { \"$subject\" = \"tenant\" } }\n\nThe rules are those of --rules, else of DB_ACCESS_RULES.\n\nExit codes: 0 \
    done, or as the rules have it; 1 failed; 2 usage, or rules that cannot be used; 3 the database stands apart from the rules, \
    somebody gets past them, or they refuse; 130 stopped by Ctrl-C.";

#[derive(Args, Clone, Debug)]
pub(crate) struct AccessArgs {
    #[command(subcommand)]
    pub(crate) action: AccessAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AccessAction {
    /// Show the statements that `apply` would run; exit code 3 when there are any
    #[command(
        after_help = "Examples:\n  db access plan --rules rules.toml\n  db access plan --rules rules.toml --revoke-foreign\n\n\
                            Changes nothing. Exit codes: 0 nothing is to be done; 1 failed; 2 usage; 3 something is."
    )]
    Plan(PlanArgs),
    /// Make roles, rights and row-level security as the rules have them, all in one transaction
    #[command(
        after_help = "Examples:\n  db access apply --rules rules.toml\n  db access apply --rules rules.toml --owner free \
                            --lock-timeout 10s --yes\n\nTo be run by a superuser, or by an owner of the tables who has \
                            CREATEROLE. Afterwards let the service's login take the roles: GRANT agent TO service.\n\nExit \
                            codes: 0 done, or not agreed to; 1 failed, and nothing is changed; 2 usage, or --yes is missing where \
                            nobody can be asked; 3 done, and the database still stands apart, as rights of others are kept."
    )]
    Apply(ApplyArgs),
    /// List where the database is not as the rules want it; exit code 3 when it is not
    #[command(
        after_help = "Examples:\n  db access diff --rules rules.toml\n  db access diff --rules rules.toml --json\n\nExit \
                            codes: 0 it is; 1 failed; 2 usage; 3 it is not."
    )]
    Diff(RulesArgs),
    /// Look for drift and for ways past the rules, as the login that it connects as; exit code 3 when one is open
    #[command(
        after_help = "Examples:\n  db access check --rules rules.toml\n  DATABASE_URL=postgres://service@db/app db access check \
                            --rules rules.toml\n\nConnect as the service does: a superuser gets past every rule, and is told \
                            so.\n\nExit codes: 0 none, or warnings only; 1 failed; 2 usage; 3 drift, or an error."
    )]
    Check(RulesArgs),
    /// Say whether the rules let a role run a statement, which of them, and on which rows; runs nothing
    #[command(
        after_help = "Examples:\n  db access explain --rules rules.toml --role agent \"SELECT title FROM tasks\"\n  \
                            db access explain --rules rules.toml --role agent --attribute tenant=acme \"DELETE FROM tasks\" \
                            --json\n\nExit codes: 0 allowed; 1 failed; 2 usage; 3 refused."
    )]
    Explain(ExplainArgs),
}

/// Which rules, for which database.
#[derive(Args, Clone, Debug)]
pub(crate) struct RulesArgs {
    /// File of access rules, TOML or, where it ends in .json, JSON; that of `DB_ACCESS_RULES` unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Schema of tables that the rules name without one
    #[arg(long, value_name = "SCHEMA", default_value = "public")]
    pub(crate) schema: String,
    /// Whether policies hold the owners of tables too
    #[arg(long, default_value = "held")]
    pub(crate) owner: OwnerWord,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// See `--owner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OwnerWord {
    /// An owner who is no superuser sees only what rules show it (FORCE ROW LEVEL SECURITY)
    Held,
    /// Owners see everything
    Free,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// Revoke what roles of others, or PUBLIC, have beyond the rules, and drop policies of others that show more
    #[arg(long)]
    pub(crate) revoke_foreign: bool,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// How long a statement waits for a lock, as everybody else waits behind it
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The role that asks
    #[arg(long)]
    pub(crate) role: String,
    /// An attribute of whoever acts in it; may be given several times
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) attributes: Vec<(String, String)>,
    /// The statement
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as in tenant=acme")?;
    Ok((name.to_owned(), value.to_owned()))
}
