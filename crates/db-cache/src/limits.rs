//! Keys and values against what a store takes, before anything is done with them.

use db_core::{KeyValueError, KeyValueLimits, Put};

/// Letters of a key that a message shows.
const SHOWN: usize = 80;

/// A store's name and what it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) store: &'a str,
    pub(crate) limits: KeyValueLimits,
}

impl Taken<'_> {
    pub(crate) fn keys(&self, keys: &[&str]) -> Result<(), KeyValueError> {
        keys.iter().try_for_each(|key| self.key(key))
    }

    pub(crate) fn key(&self, key: &str) -> Result<(), KeyValueError> {
        self.fits("a key", key, key.len(), self.limits.key_bytes)
    }

    pub(crate) fn puts(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        puts.iter().try_for_each(|put| self.put(put))
    }

    pub(crate) fn put(&self, put: &Put<'_>) -> Result<(), KeyValueError> {
        self.key(put.key)?;
        self.fits("a value", put.key, put.value.len(), self.limits.value_bytes)
    }

    fn fits(&self, what: &'static str, key: &str, bytes: usize, most: usize) -> Result<(), KeyValueError> {
        if bytes <= most {
            return Ok(());
        }
        let key = key.chars().take(SHOWN).collect();
        Err(KeyValueError::TooLarge { store: self.store.to_owned(), what, key, bytes, most })
    }
}
