//! What a decision is asked for.

use crate::access::Permission;
use db_query::{Access, Qualified, Touch};
use std::collections::BTreeSet;

/// What a statement does, as `db_query::Statement` tells it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(super) touches: &'a [Touch],
    pub(super) functions: Option<&'a BTreeSet<String>>,
    pub(super) qualified: &'a [Qualified],
    pub(super) admin: &'a [String],
    pub(super) definitions: &'a [String],
}

impl<'a> Request<'a> {
    /// A request for what a statement touches.
    #[must_use]
    pub const fn new(touches: &'a [Touch]) -> Self {
        Self { touches, functions: None, qualified: &[], admin: &[], definitions: &[] }
    }

    /// The same, which also calls functions: `Statement::functions`.
    #[must_use]
    pub const fn functions(self, functions: &'a BTreeSet<String>) -> Self {
        Self { functions: Some(functions), ..self }
    }

    /// The same, which also names columns by what they are of: `Statement::touches_and_qualified`, `RawTouches::qualified`. A
    /// name that is no column may call a function, so leave them out only where nobody else has chosen the names.
    #[must_use]
    pub const fn qualified(self, names: &'a [Qualified]) -> Self {
        Self { qualified: names, ..self }
    }

    /// The same, which also needs `admin` on tables: TRUNCATE and the like.
    #[must_use]
    pub const fn admin(self, tables: &'a [String]) -> Self {
        Self { admin: tables, ..self }
    }

    /// The same, which also changes what tables, views or indexes are: that is their owners', and always refused.
    #[must_use]
    pub const fn definitions(self, of: &'a [String]) -> Self {
        Self { definitions: of, ..self }
    }
}

impl Request<'_> {
    /// What is asked of the tables whose name fits.
    pub(crate) fn permissions_on(&self, fits: impl Fn(&str) -> bool) -> BTreeSet<Permission> {
        let touched =
            self.touches.iter().filter(|touch| fits(&touch.table)).map(|touch| match touch.access {
                Access::Read => Permission::Read,
                Access::Insert | Access::Update => Permission::Write,
                Access::Delete => Permission::Delete,
            });
        let admin = self.admin.iter().filter(|table| fits(table)).map(|_| Permission::Admin);
        touched.chain(admin).collect()
    }

    /// The functions that are called.
    pub(crate) fn called(&self) -> impl Iterator<Item = &str> {
        self.functions.into_iter().flatten().map(String::as_str)
    }
}
