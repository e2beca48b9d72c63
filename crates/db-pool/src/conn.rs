//! A connection with what the pool knows of it.

use crate::{Live, gate::Item, session::Identity};
use std::time::{Duration, Instant};

/// The epoch of plans that may be of any schema.
pub(crate) const UNKNOWN_EPOCH: u64 = u64::MAX;

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
