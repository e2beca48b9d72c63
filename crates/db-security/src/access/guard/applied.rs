//! Which conditions of rows the server sees to by itself.

use crate::access::{
    Actual, Difference, Error, Owner, Policy, TableName, TableRows, compile, desired::Desired, diff,
};
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// What of the rules holds in the database: the tables whose rows the server itself keeps from a role by row-level security.
/// It is a picture of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    tables: BTreeSet<TableName>,
    /// Roles of the rules that no policy holds.
    loose: BTreeSet<String>,
}

impl Applied {
    /// Nothing: every condition has to stand in the statement.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Reads what the database has: a table counts where row-level security is on and its policies are those of the rules, to
    /// the letter; a role where it is neither superuser nor anything else that passes them by.
    ///
    /// # Errors
    /// [`Error::Server`] when the server does not answer.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read(conn: &mut PgConnection, policy: &Policy, owner: Owner) -> Result<Self, Error> {
        let desired = compile(policy, owner);
        let actual = Actual::read(conn, policy).await?;
        Ok(Self::of(&desired, &diff(&desired, &actual)))
    }

    /// The same from what was found to differ.
    pub(super) fn of(desired: &Desired, differences: &[Difference]) -> Self {
        let differ: BTreeSet<&TableName> = differences.iter().filter_map(Difference::of_rows).collect();
        let tables = desired.row_security.iter().filter(|table| !differ.contains(table)).cloned().collect();
        let loose = differences.iter().filter_map(Difference::of_role).map(str::to_owned).collect();
        Self { tables, loose }
    }

    /// Whether the server keeps the rows of a table from a role.
    #[must_use]
    pub fn holds(&self, role: &str, table: &TableName) -> bool {
        self.tables.contains(table) && !self.loose.contains(role)
    }

    /// The conditions that the server does not see to.
    pub(super) fn left<'r>(&self, role: &str, rows: &'r [TableRows]) -> Vec<&'r TableRows> {
        rows.iter().filter(|rows| !self.holds(role, &rows.table)).collect()
    }
}
