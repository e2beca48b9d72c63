//! Hints to the planner that PostgreSQL honours: settings for one transaction, and comments for the extension
//! `pg_hint_plan`.

use crate::{
    BuildError,
    clause::{Clause, Frame},
    expr::{Expr, constant, func, value},
    ident,
    projection::Projection,
    statement::Statement,
    writer::Writer,
};
use std::str::FromStr;

/// A hint for `pg_hint_plan`. Tables go by their alias where they have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanHint<'a> {
    /// Read the table from start to end.
    SeqScan(&'a str),
    /// Read the table by this index.
    IndexScan(&'a str, &'a str),
    /// Read only this index of the table.
    IndexOnlyScan(&'a str, &'a str),
    /// Read the table by bitmaps of this index.
    BitmapScan(&'a str, &'a str),
    /// Join these by hashing.
    HashJoin(&'a [&'a str]),
    /// Join these by merging.
    MergeJoin(&'a [&'a str]),
    /// Join these by looking up row after row.
    NestLoop(&'a [&'a str]),
    /// Join in this order.
    Leading(&'a [&'a str]),
    /// The join of these gives so many rows.
    Rows(&'a [&'a str], u32),
    /// Read the table with so many workers.
    Parallel(&'a str, u8),
}

impl PlanHint<'_> {
    /// Adds the hint to the comment at the statement's start.
    pub(crate) fn write(self, writer: &mut Writer, frame: &mut Frame) {
        if writer.state().scope != 0 {
            let clause =
                "a plan hint inside a query: pg_hint_plan reads those of the outermost statement only";
            writer.fail(BuildError::Misplaced { clause });
        }
        if !frame.has(Clause::Hint) {
            frame.clause(writer, Clause::Hint, "/*+", "");
            frame.clause(writer, Clause::AfterHint, " */ ", "");
        }
        frame.clause(writer, Clause::Hint, " ", " ");
        match self {
            Self::SeqScan(table) => list("SeqScan(", &[table], writer),
            Self::IndexScan(table, index) => list("IndexScan(", &[table, index], writer),
            Self::IndexOnlyScan(table, index) => list("IndexOnlyScan(", &[table, index], writer),
            Self::BitmapScan(table, index) => list("BitmapScan(", &[table, index], writer),
            Self::HashJoin(tables) => list("HashJoin(", tables, writer),
            Self::MergeJoin(tables) => list("MergeJoin(", tables, writer),
            Self::NestLoop(tables) => list("NestLoop(", tables, writer),
            Self::Leading(tables) => list("Leading(", tables, writer),
            Self::Rows(tables, rows) => {
                list_open("Rows(", tables, writer);
                writer.push(" #");
                writer.push_number(i64::from(rows));
                writer.push(")");
            }
            Self::Parallel(table, workers) => {
                list_open("Parallel(", &[table], writer);
                writer.push(" ");
                writer.push_number(i64::from(workers));
                writer.push(")");
            }
        }
    }
}

fn list(open: &'static str, names: &[&str], writer: &mut Writer) {
    list_open(open, names, writer);
    writer.push(")");
}

fn list_open(open: &'static str, names: &[&str], writer: &mut Writer) {
    writer.push(open);
    for (position, name) in names.iter().enumerate() {
        if position > 0 {
            writer.push(" ");
        }
        // Quotes do not protect a name inside a comment: what would end or nest it is refused.
        if name.contains("*/") || name.contains("/*") {
            let reason = "it would end the comment that a hint is";
            writer.fail(BuildError::Ident { name: (*name).to_owned(), reason });
            continue;
        }
        if let Err(error) = ident::check(name) {
            writer.fail(error);
            continue;
        }
        ident::quote(name, &mut writer.state().text);
    }
}

/// A setting that the planner or the executor heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// `enable_seqscan`
    EnableSeqscan,
    /// `enable_indexscan`
    EnableIndexscan,
    /// `enable_indexonlyscan`
    EnableIndexonlyscan,
    /// `enable_bitmapscan`
    EnableBitmapscan,
    /// `enable_hashjoin`
    EnableHashjoin,
    /// `enable_mergejoin`
    EnableMergejoin,
    /// `enable_nestloop`
    EnableNestloop,
    /// `enable_sort`
    EnableSort,
    /// `work_mem`, such as `64MB`
    WorkMem,
    /// `random_page_cost`
    RandomPageCost,
    /// `join_collapse_limit`
    JoinCollapseLimit,
    /// `from_collapse_limit`
    FromCollapseLimit,
    /// `plan_cache_mode`: `auto`, `force_custom_plan` or `force_generic_plan`
    PlanCacheMode,
    /// `max_parallel_workers_per_gather`
    MaxParallelWorkersPerGather,
    /// `jit`
    Jit,
    /// `statement_timeout`, such as `5s`
    StatementTimeout,
    /// `lock_timeout`, such as `500ms`
    LockTimeout,
    /// `synchronous_commit`
    SynchronousCommit,
}

impl Setting {
    /// Every setting, in the order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::EnableSeqscan,
        Self::EnableIndexscan,
        Self::EnableIndexonlyscan,
        Self::EnableBitmapscan,
        Self::EnableHashjoin,
        Self::EnableMergejoin,
        Self::EnableNestloop,
        Self::EnableSort,
        Self::WorkMem,
        Self::RandomPageCost,
        Self::JoinCollapseLimit,
        Self::FromCollapseLimit,
        Self::PlanCacheMode,
        Self::MaxParallelWorkersPerGather,
        Self::Jit,
        Self::StatementTimeout,
        Self::LockTimeout,
        Self::SynchronousCommit,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EnableSeqscan => "enable_seqscan",
            Self::EnableIndexscan => "enable_indexscan",
            Self::EnableIndexonlyscan => "enable_indexonlyscan",
            Self::EnableBitmapscan => "enable_bitmapscan",
            Self::EnableHashjoin => "enable_hashjoin",
            Self::EnableMergejoin => "enable_mergejoin",
            Self::EnableNestloop => "enable_nestloop",
            Self::EnableSort => "enable_sort",
            Self::WorkMem => "work_mem",
            Self::RandomPageCost => "random_page_cost",
            Self::JoinCollapseLimit => "join_collapse_limit",
            Self::FromCollapseLimit => "from_collapse_limit",
            Self::PlanCacheMode => "plan_cache_mode",
            Self::MaxParallelWorkersPerGather => "max_parallel_workers_per_gather",
            Self::Jit => "jit",
            Self::StatementTimeout => "statement_timeout",
            Self::LockTimeout => "lock_timeout",
            Self::SynchronousCommit => "synchronous_commit",
        }
    }
}

impl FromStr for Setting {
    type Err = BuildError;

    fn from_str(name: &str) -> Result<Self, BuildError> {
        Self::ALL.iter().copied().find(|setting| setting.name() == name).ok_or_else(|| {
            BuildError::UnknownSetting {
                name: name.to_owned(),
                nearest: crate::catalogue::nearest(name, Self::ALL.iter().map(|setting| setting.name())),
            }
        })
    }
}

/// A statement that gives settings these values until the transaction ends, as SET LOCAL does, in one round trip. Run it
/// before the statement that it is for, in the same transaction; outside of one it does nothing.
///
/// ```
/// use db_query::{Setting, set_local};
///
/// let local = set_local(&[(Setting::WorkMem, "64MB"), (Setting::EnableSeqscan, "off")])?;
/// assert_eq!(local.parameters(), 2);
/// # Ok::<(), db_query::BuildError>(())
/// ```
///
/// # Errors
/// [`BuildError::NoColumns`] without a setting.
pub fn set_local(settings: &[(Setting, &str)]) -> Result<Statement, BuildError> {
    struct Calls<'a>(&'a [(Setting, &'a str)]);
    impl Projection for Calls<'_> {
        fn write_columns(self, writer: &mut Writer) {
            for (position, &(setting, text)) in self.0.iter().enumerate() {
                if position > 0 {
                    writer.push(", ");
                }
                func("set_config", (constant(setting.name()), value(text), constant(true))).write(writer);
            }
        }
    }
    if settings.is_empty() {
        return Err(BuildError::NoColumns);
    }
    crate::Select::of(Calls(settings)).build()
}
