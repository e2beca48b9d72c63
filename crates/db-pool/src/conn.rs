//! A connection with what the pool knows of it.

use crate::{Live, gate::Item, session::Identity};
use std::time::{Duration, Instant};

/// The epoch of plans that may be of any schema.
pub(crate) const UNKNOWN_EPOCH: u64 = u64::MAX;

/// Whose plans a session may keep. A plan asks some things only of the role that it is made for: whether that may call a
/// function in SQL which becomes a part of the plan, and, before the releases of November 2024, which rows of a table in a
/// subquery it may see (CVE-2024-10976).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum PlansOf {
    /// None were made yet.
    #[default]
    Nobody,
    /// The role that the pool logs in as.
    Login,
    /// Another.
    Role(Box<str>),
}

impl PlansOf {
    pub(crate) fn of(role: Option<&str>) -> Self {
        role.map_or(Self::Login, |role| Self::Role(role.into()))
    }
}

/// What is lent, idles, or is being brought back into order.
pub(crate) struct Conn {
    pub(crate) live: Box<dyn Live>,
    /// Which server process is behind it; unknown on servers that are not quite PostgreSQL.
    pub(crate) identity: Option<Identity>,
    pub(crate) opened: Instant,
    /// How long opening it took.
    pub(crate) open_took: Duration,
    /// When it must not be lent any more.
    pub(crate) expires: Instant,
    /// When it last came back.
    pub(crate) idle_since: Instant,
    /// The schema epoch that its prepared statements belong to.
    pub(crate) epoch: u64,
    /// Whose its plans are.
    pub(crate) plans_of: PlansOf,
}

impl Conn {
    /// Whether it was never lent.
    pub(crate) fn is_new(&self) -> bool {
        self.idle_since == self.opened
    }
}

impl Item for Box<Conn> {
    fn backend(&self) -> Option<i32> {
        self.identity.map(|identity| identity.pid)
    }
}
