//! The seam through which a store tells what takes its room.

use crate::KeyValueError;
use async_trait::async_trait;

/// What the entries of one name take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What stands between what was asked for and the next colon; `None` for all further names together, where there are
    /// more than are told apart.
    pub name: Option<String>,
    /// How many there are.
    pub entries: u64,
    /// Their keys and values, without what the store takes for itself.
    pub bytes: u64,
}

/// Counts what a store has. For people who look after it: it reads every key, in steps that leave others their turn.
///
/// # Cancel safety
/// Of every method: nothing is changed, nothing is held.
#[async_trait]
pub trait Census: Send + Sync {
    /// What the entries take whose keys begin so, by name, the largest share first. While others write it is about right.
    /// `counted` is told now and then how many entries were met so far.
    ///
    /// # Errors
    /// [`KeyValueError`]; a step has the store's own deadline.
    async fn census(
        &self,
        prefix: &str,
        counted: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Share>, KeyValueError>;

    /// What the server says of itself, by the names that it has for it; nothing where the store has no server of its own.
    ///
    /// # Errors
    /// [`KeyValueError`].
    async fn figures(&self) -> Result<Vec<(String, String)>, KeyValueError>;
}
