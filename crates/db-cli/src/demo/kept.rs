//! Measures that are kept under what is in a file, so that files of the same content are parsed once; with a shared store
//! in other trees and runs as well.

use super::measure::{MeasureError, Measures, Source};
use crate::Failed;
use db_facade::db_cache::{Cache, Encoding, Namespace, Policy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::OwnedSemaphorePermit, task};

/// Raise it when the same content is measured otherwise: by another version of a parser, or by other limits.
const SCHEMA: u32 = 1;
/// What is in a file does not change; its measures go when nobody has asked for long.
const TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A parser has no limit of its own, and takes as long as it takes.
const HARD_TIMEOUT: Duration = Duration::from_secs(600);
/// More than there are workers, so that none is turned away.
const MOST_LOADS: usize = 4_096;

/// What came of parsing.
#[derive(Clone, Debug, Deserialize, Serialize)]
enum Outcome {
    Measured(Measures),
    /// Broken, and it stays so.
    Syntax {
        line: usize,
        reason: String,
    },
}

/// What is known of files by their content.
#[derive(Clone)]
pub(super) struct Kept {
    cache: Cache,
    measures: Namespace<Outcome>,
}

impl Kept {
    pub(super) fn new(cache: &Cache) -> Result<Self, Failed> {
        let mut policy = Policy::fresh_for(TTL);
        policy.early_refresh = 0.0;
        policy.encoding = Encoding::MessagePack;
        policy.schema = SCHEMA;
        (policy.hard_timeout, policy.max_loads) = (HARD_TIMEOUT, MOST_LOADS);
        Ok(Self { cache: cache.clone(), measures: cache.namespace("measure", policy)? })
    }

    /// What is known of this content, else what measuring it tells; `memory` is what its tree may take. The outer error is
    /// that of a thread that could not do it.
    pub(super) async fn or_measure(
        &self,
        source: Source,
        (language, hash): (&'static str, String),
        memory: OwnedSemaphorePermit,
    ) -> Result<Result<Measures, MeasureError>, String> {
        let measure = move || async move {
            let measured = task::spawn_blocking(move || {
                let measured = source.measure();
                drop(memory);
                measured
            });
            let outcome = match measured.await? {
                Ok(measures) => Outcome::Measured(measures),
                Err(MeasureError::Syntax { line, reason, .. }) => Outcome::Syntax { line, reason },
                Err(error) => return Err(error.into()),
            };
            Ok::<_, db_core::BoxError>(Some(outcome))
        };
        let known = self.measures.get_or_load((language, hash), measure).await;
        match known.as_ref().map(|known| known.as_deref()) {
            Ok(Some(Outcome::Measured(measures))) => Ok(Ok(measures.clone())),
            Ok(Some(Outcome::Syntax { line, reason })) => {
                Ok(Err(MeasureError::Syntax { language, line: *line, reason: reason.clone() }))
            }
            Ok(None) => Err("it was not measured".to_owned()),
            Err(error) => Err(db_core::with_causes(error)),
        }
    }

    pub(super) fn figures(&self) -> Value {
        let stats = self.measures.stats();
        json!({
            "store": self.cache.shared().map_or("this process", |store| store.name()),
            "hits": stats.local_hits + stats.shared_hits,
            "shared_hits": stats.shared_hits,
            "joined": stats.joined,
            "misses": stats.misses,
            "loads": stats.loads,
            "bytes": stats.bytes_read + stats.bytes_written,
        })
    }
}
