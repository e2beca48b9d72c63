//! The namespaces that are open, for whoever hears of keys that are made untrue.

#[cfg(feature = "postgres")]
use crate::suspects::Stamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// What can be made untrue.
pub(crate) trait Spoil: Send + Sync {
    #[cfg(feature = "postgres")]
    fn spoil(&self, key: &str);
    #[cfg(feature = "postgres")]
    fn spoil_all(&self);
    /// The shared store may have something untrue under these.
    #[cfg(feature = "postgres")]
    fn suspect(&self, keys: &[&str]) -> Stamp;
    /// It has it no more.
    #[cfg(feature = "postgres")]
    fn is_removed(&self, keys: &[&str], stamp: Stamp);
    /// The shared store has something else under a key than before, maybe by our own doing: what is kept goes, and what is
    /// on its way is not kept. A load that is under way goes on.
    #[cfg(feature = "redis")]
    fn changed(&self, key: &str);
    /// The same with all keys.
    #[cfg(feature = "redis")]
    fn changed_all(&self);
}

/// The open ones, by what their keys begin with; of one name there may be several.
#[derive(Default)]
pub(crate) struct Registry {
    open: Mutex<HashMap<String, Vec<Weak<dyn Spoil>>>>,
}

impl Registry {
    pub(crate) fn add(&self, prefix: &str, namespace: Weak<dyn Spoil>) {
        let mut open = self.open.lock();
        let of_prefix = open.entry(prefix.to_owned()).or_default();
        of_prefix.retain(|known| known.strong_count() > 0);
        of_prefix.push(namespace);
    }

    /// Makes keys untrue in this process, whichever namespace they are of; where one stands for a whole namespace or for the
    /// application, everything of it.
    #[cfg(feature = "postgres")]
    pub(crate) fn spoil<'k>(&self, keys: impl Iterator<Item = &'k str>) {
        for key in keys {
            if is_whole(key) {
                self.below(key).iter().for_each(|namespace| namespace.spoil_all());
            } else {
                self.of_key(key).iter().for_each(|namespace| namespace.spoil(key));
            }
        }
    }

    /// The same with everything.
    #[cfg(feature = "postgres")]
    pub(crate) fn spoil_all(&self) {
        self.all().iter().for_each(|namespace| namespace.spoil_all());
    }

    /// These keys by who reads them in this process.
    #[cfg(feature = "postgres")]
    pub(crate) fn owned<'k>(&self, keys: &[&'k str]) -> Vec<(Arc<dyn Spoil>, Vec<&'k str>)> {
        let mut by_prefix: HashMap<&str, Vec<&'k str>> = HashMap::new();
        for key in keys {
            by_prefix.entry(prefix(key)).or_default().push(key);
        }
        let open = self.open.lock();
        let mut owned = Vec::new();
        for (prefix, keys) in by_prefix {
            let owners = open.get(prefix).into_iter().flatten().filter_map(Weak::upgrade);
            owned.extend(owners.map(|owner| (owner, keys.clone())));
        }
        owned
    }

    /// A key has changed in the shared store.
    #[cfg(feature = "redis")]
    pub(crate) fn changed(&self, key: &str) {
        self.of_key(key).iter().for_each(|namespace| namespace.changed(key));
    }

    /// Any may have.
    #[cfg(feature = "redis")]
    pub(crate) fn changed_all(&self) {
        self.all().iter().for_each(|namespace| namespace.changed_all());
    }

    fn all(&self) -> Vec<Arc<dyn Spoil>> {
        self.open.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }

    /// The namespace of this name, or all of the application of this name.
    fn below(&self, whole: &str) -> Vec<Arc<dyn Spoil>> {
        let is_below = |prefix: &str| {
            prefix.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let open = self.open.lock();
        let below = open.iter().filter(|(prefix, _)| is_below(prefix)).flat_map(|(_, namespaces)| namespaces);
        below.filter_map(Weak::upgrade).collect()
    }

    fn of_key(&self, key: &str) -> Vec<Arc<dyn Spoil>> {
        self.open.lock().get(prefix(key)).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }
}

/// What the keys of its namespace begin with. Neither the application's name nor the namespace's has a colon in it, and each is
/// followed by one.
fn prefix(key: &str) -> &str {
    key.match_indices(':').nth(1).map_or("", |(end, _)| &key[..end])
}

/// Whether it stands for a whole namespace (`app:name`) or for the application (`app`), and is no key of a value: those have
/// two colons at least.
#[cfg(feature = "postgres")]
pub(crate) fn is_whole(key: &str) -> bool {
    key.matches(':').count() < 2
}
