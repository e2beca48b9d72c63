//! The keys.

mod database;
mod pool;
mod redis;
mod security;

use super::Key;

/// In the order in which `explain` lists them.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    [database::KEYS, pool::KEYS, security::KEYS, redis::KEYS].into_iter().flatten()
}
