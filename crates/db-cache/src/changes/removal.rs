//! Removes from the shared store what is untrue and nobody else removes.

use super::Snapshot;
use crate::cache::Inner;
use crate::registry::Spoil;
use crate::suspects::Stamp;
use db_core::{KeyValue, KeyValueError, Stored};
use std::sync::Arc;

/// That a transaction has made a key untrue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'k> {
    pub(super) key: &'k str,
    pub(super) txid: u64,
}

impl Inner {
    /// Removes these from the shared store, but for marks of tags that were begun by whoever had heard of the change. Where it
    /// does not answer they are removed before anything of them is read in this process. Tells whether they are.
    pub(super) async fn remove_untrue(&self, origin: &str, told: &[Told<'_>]) -> bool {
        let Some(store) = self.shared.as_deref() else { return false };
        if told.is_empty() {
            return true;
        }
        let mut keys: Vec<&str> = told.iter().map(|told| told.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let owned = self.suspected(&keys);
        let removed = remove(store, origin, told, &keys, self.tags.prefix()).await;
        match &removed {
            Ok(()) => owned.iter().for_each(|(owner, keys, stamp)| owner.is_removed(keys, *stamp)),
            Err(error) => {
                tracing::warn!(error = %error, "the shared store may still have what is untrue");
            }
        }
        removed.is_ok()
    }

    /// Puts keys under suspicion with whoever reads them in this process.
    fn suspected<'k>(&self, keys: &[&'k str]) -> Vec<(Arc<dyn Spoil>, Vec<&'k str>, Stamp)> {
        let owned = self.registry.owned(keys);
        let suspect = |(owner, keys): (Arc<dyn Spoil>, Vec<&'k str>)| {
            let stamp = owner.suspect(&keys);
            (owner, keys, stamp)
        };
        owned.into_iter().map(suspect).collect()
    }
}

async fn remove(
    store: &dyn KeyValue,
    origin: &str,
    told: &[Told<'_>],
    keys: &[&str],
    tags: &str,
) -> Result<(), KeyValueError> {
    let (tags, mut untrue): (Vec<&str>, Vec<&str>) = keys.iter().partition(|key| key.starts_with(tags));
    if !tags.is_empty() {
        let is_untrue = |key: &str, stored: &Stored| {
            let heard = str::from_utf8(&stored.value).ok().and_then(Snapshot::of_mark);
            let has = |txid| heard.as_ref().is_some_and(|heard| heard.origin() == origin && heard.has(txid));
            told.iter().any(|told| told.key == key && !has(told.txid))
        };
        let stored = store.get_multi(&tags).await?;
        let marks = tags.into_iter().zip(stored);
        untrue.extend(marks.filter_map(|(key, stored)| is_untrue(key, &stored?).then_some(key)));
    }
    if !untrue.is_empty() {
        store.delete_multi(&untrue).await?;
    }
    Ok(())
}
