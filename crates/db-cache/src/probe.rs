//! How the cache is: it can be slow, it cannot be down.

use crate::Cache;
use async_trait::async_trait;
use db_core::{Finding, Probe, Status};

/// What is asked for; nobody puts anything there.
const KEY: &str = "probe";

#[async_trait]
impl Probe for Cache {
    fn name(&self) -> &str {
        "cache"
    }

    /// Degraded while the shared store does not answer: everything goes on, at the source's expense.
    async fn probe(&self) -> Finding {
        let Some(store) = self.shared() else { return Finding::healthy("cache") };
        match store.get_multi(&[&format!("{}:{KEY}", self.inner.prefix)]).await {
            Ok(_) => Finding::healthy("cache").with("store", &store.name()),
            Err(error) => {
                let summary = format!("{}; the source is asked instead", db_core::with_causes(&error));
                Finding::new("cache", Status::Degraded, summary).with("store", &store.name())
            }
        }
    }
}
