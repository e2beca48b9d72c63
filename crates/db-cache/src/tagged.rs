//! Values that have tags.

use crate::flight::Landed;
use crate::key::KeyParts;
use crate::{Error, Namespace};
use db_core::BoxError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// A namespace whose values have tags when they are put or loaded through this. They are read through the namespace as
/// well: a value knows its tags.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = db_cache::Cache::builder("shop").build()?;
/// # let policy = db_cache::Policy::fresh_for(std::time::Duration::from_secs(60));
/// let carts = cache.namespace::<u64>("cart", policy)?;
/// carts.tagged([("tenant", 5)])?.set("ada", 3).await?;
/// cache.delete_tags([("tenant", 5)]).await?;
/// assert_eq!(carts.get("ada").await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tagged<V> {
    namespace: Namespace<V>,
    tags: Vec<String>,
}

impl<V> Tagged<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn new(namespace: Namespace<V>, tags: Vec<String>) -> Self {
        Self { namespace, tags }
    }

    /// [`Namespace::get_or_load`], whose value is untrue as soon as one of its tags is, from the beginning of its load on.
    /// Whoever wants the same key at once gets what one of them loads: give a key the same tags everywhere.
    ///
    /// # Errors
    /// [`LoadError`](crate::LoadError), to all who wait for the same load.
    ///
    /// # Cancel safety
    /// That of [`Namespace::get_or_load`].
    pub async fn get_or_load<F, L, E>(&self, key: impl KeyParts, load: F) -> Landed<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.namespace.load_with_tags(key, &self.tags, load).await
    }

    /// [`Namespace::set`].
    ///
    /// # Errors
    /// Those of [`Namespace::set`].
    ///
    /// # Cancel safety
    /// That of [`Namespace::set`].
    pub async fn set(&self, key: impl KeyParts, value: V) -> Result<(), Error> {
        self.set_multi([(key, value)]).await
    }

    /// [`Namespace::set_multi`].
    ///
    /// # Errors
    /// Those of [`Namespace::set`].
    ///
    /// # Cancel safety
    /// That of [`Namespace::set`].
    pub async fn set_multi<K: KeyParts>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        self.namespace.put_all(entries, &self.tags).await
    }
}

impl<V> fmt::Debug for Tagged<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tagged").field("namespace", &self.namespace).field("tags", &self.tags).finish()
    }
}
