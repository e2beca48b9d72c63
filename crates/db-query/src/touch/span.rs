//! Where names stand in a text, and what they are there for.

use crate::ident;

/// What a name in a statement is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A table in FROM, USING or a join.
    Read,
    /// The target of an INSERT.
    Insert,
    /// The target of an UPDATE.
    Update,
    /// The target of a DELETE.
    Delete,
    /// The target of a MERGE; its branches say what is done to it.
    Merge,
    /// The other name of the table before it.
    Alias,
    /// The other name of the table that the statement changes.
    TargetAlias,
    /// The name of a subquery in FROM, or of a function's rows.
    Derived,
    /// A column that is read.
    Column,
    /// A column of the statement's target that a new row gets.
    Inserted,
    /// A column of the statement's target that is changed.
    Updated,
    /// A column of the row that would have been inserted, which PostgreSQL takes for a column of the target that is read.
    Excluded,
    /// Nothing is named, but rows of the target are deleted.
    Deletes,
    /// `*` or `table.*`.
    Star,
    /// A name that a result column gets.
    Output,
    /// A sort key, which may be the name of a result column.
    SortKey,
    /// A table whose rows are locked, or with an empty name all of the query.
    Locked,
    /// Nothing is named: the end of the filter of an UPDATE or DELETE.
    Filtered,
    /// Nothing is named: where the filter of an UPDATE or DELETE would stand, if it had one.
    Unfiltered,
    /// A function.
    Function,
    /// A name that a column of what stands in FROM gets, behind the name of that.
    Given,
    /// A name that is neither table nor column: a common table expression, a collation, a window, a type.
    Other,
}

/// Where a name stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) len: u16,
    pub(crate) role: Role,
    pub(crate) scope: u8,
}

impl Span {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "names are at most three times 130 bytes, and text ends below 4 GiB"
    )]
    pub(crate) fn new(at: usize, end: usize, role: Role, scope: u8) -> Self {
        Self { at: at as u32, len: (end - at) as u16, role, scope }
    }

    /// A sort key that cannot be the name of a result column.
    pub(crate) fn make_column(&mut self) {
        if self.role == Role::SortKey {
            self.role = Role::Column;
        }
    }

    pub(crate) fn parts(self, text: &str) -> Vec<String> {
        let at = self.at as usize;
        ident::parts(text.get(at..at + usize::from(self.len)).unwrap_or_default())
    }
}
