//! How connections come and go: opened within a budget, renewed before they expire, closed when nobody needs them.

pub(crate) mod ages;
pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod keeper;
pub(crate) mod leaks;
pub(crate) mod opener;
pub(crate) mod sizing;
pub(crate) mod sweeper;
