//! What a builder ends in: text, arguments, and what they touch.

use crate::{
    BuildError,
    catalogue::Table,
    touch::{Qualified, Survey, Touch, functions},
    writer::State,
};
use sqlx::{
    AssertSqlSafe, Execute, Postgres, SqlSafeStr, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};
use std::{collections::BTreeSet, fmt};

/// A finished statement. It implements sqlx's `Execute`, so sqlx's executors take it as it is, and it is prepared and
/// cached under its text, which holds no value.
#[derive(Clone)]
pub struct Statement {
    state: Box<State>,
    has_arguments: bool,
}

impl Statement {
    /// What it is made of; an error where its values are sent already.
    pub(crate) fn into_state(self) -> Result<Box<State>, BuildError> {
        if self.has_arguments {
            return Ok(self.state);
        }
        Err(BuildError::Misplaced {
            clause: "a restriction of a statement whose values are sent; restrict it before",
        })
    }

    pub(crate) fn new(state: Box<State>) -> Self {
        Self { state, has_arguments: true }
    }

    /// The text, with `$1`, `$2` … in place of the values. Statements that differ in values only have the same: it is the
    /// name under which the server prepares them, and under which metrics and the log of slow queries know them.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.state.text
    }

    /// A number for the text, the same in every process and release (FNV-1a, 64 bits); for metrics' labels and cache keys.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fnv1a(self.sql().as_bytes())
    }

    /// How many parameters the text has.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.state.parameters
    }

    /// The tables that it reads and writes, and which of their columns; sorted by table.
    ///
    /// A bare column name is counted for every table that it could belong to, so name the table where several are joined.
    /// What a view or a function reads is not seen. Worked out anew at each call.
    ///
    /// ```
    /// use db_query::{Access, Columns, Select, col, table_as};
    ///
    /// let statement = Select::from(table_as("tasks", "t")).columns(["t.title"]).filter(col("t.id").eq(1_i64)).build()?;
    /// let touches = statement.touches();
    /// assert_eq!((touches[0].table.as_str(), touches[0].access), ("tasks", Access::Read));
    /// assert!(matches!(&touches[0].columns, Columns::Named(names) if names.iter().eq(["id", "title"])));
    /// # Ok::<(), db_query::BuildError>(())
    /// ```
    #[must_use]
    pub fn touches(&self) -> Vec<Touch> {
        Survey::of(&self.state).touches()
    }

    /// What it [touches](Self::touches), and the columns that it names by what they are of: whoever decides by functions has to
    /// look whether those columns are there, for where one is not, PostgreSQL calls a function of that name.
    #[must_use]
    pub fn touches_and_qualified(&self) -> (Vec<Touch>, Vec<Qualified>) {
        let survey = Survey::of(&self.state);
        let qualified = survey.qualified();
        (survey.touches(), qualified)
    }

    /// The functions that it calls by name. `table.name` may call one too, see
    /// [`touches_and_qualified`](Self::touches_and_qualified).
    #[must_use]
    pub fn functions(&self) -> BTreeSet<String> {
        functions(&self.state)
    }

    /// Whether it asks the server for the time, by [`now`](crate::now) or [`clock_timestamp`](crate::clock_timestamp): then its
    /// answer is another one a moment later, though nothing has changed.
    #[must_use]
    pub fn asks_for_the_time(&self) -> bool {
        self.state.asks_for_the_time
    }

    /// Whether it may run on a replica: it writes nothing, locks nothing, and calls no function by a name that only the
    /// server knows.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.functions().is_empty() && !self.touches().iter().any(|touch| touch.access.is_write())
    }

    /// Whether every table and column of it is in the catalogue.
    ///
    /// # Errors
    /// [`BuildError::UnknownTable`] or [`BuildError::UnknownColumn`], with the nearest name that there is.
    pub fn check(&self, catalogue: &[&Table]) -> Result<(), BuildError> {
        let (touches, named) = Survey::of(&self.state).into_parts();
        crate::catalogue::check(&touches, &named, catalogue)
    }
}

#[cfg(feature = "digest")]
impl Statement {
    /// Unless they are sent already.
    pub(crate) fn arguments(&self) -> Option<&PgArguments> {
        self.has_arguments.then_some(&self.state.arguments)
    }
}

/// A hash that stays the same: Fowler, Noll and Vo's, 64 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the arguments: they are the user's data.
        f.debug_struct("Statement")
            .field("sql", &self.sql())
            .field("parameters", &self.parameters())
            .finish_non_exhaustive()
    }
}

impl Execute<'_, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        // The one place where built text becomes SQL: writers push only this crate's own text, constants of the program
        // and quoted names.
        AssertSqlSafe(self.state.text).into_sql_str()
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(std::mem::take(&mut self.has_arguments).then(|| std::mem::take(&mut self.state.arguments)))
    }

    fn persistent(&self) -> bool {
        true
    }
}

/// Sends the values and keeps the rest, for whoever wants to say of a statement that failed what it was. It runs once: the
/// values are gone then.
impl Execute<'_, Postgres> for &mut Statement {
    fn sql(self) -> SqlStr {
        AssertSqlSafe(self.state.text.as_str().to_owned()).into_sql_str()
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        (**self).take_arguments()
    }

    fn persistent(&self) -> bool {
        true
    }
}
