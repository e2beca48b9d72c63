//! The pool's own finding: does the server answer, and do callers get a connection.

use crate::Pool;
use async_trait::async_trait;
use db_core::{Finding, Probe, Status, with_causes};
use std::time::Instant;

/// Asks the server for one row through the pool, and reads the pool's figures.
#[derive(Clone, Debug)]
pub struct PoolProbe {
    name: String,
    pool: Pool,
}

impl PoolProbe {
    /// A probe that reports under `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, pool: Pool) -> Self {
        Self { name: name.into(), pool }
    }
}

#[async_trait]
impl Probe for PoolProbe {
    fn name(&self) -> &str {
        &self.name
    }

    async fn probe(&self) -> Finding {
        let started = Instant::now();
        let answer = async {
            let mut lease = self.pool.acquire().await.map_err(|error| with_causes(&error))?;
            sqlx::query("SELECT 1").execute(&mut *lease).await.map_err(|error| with_causes(&error))
        };
        let answer = answer.await;
        let stats = self.pool.stats();
        let finding = match answer {
            Err(reason) => Finding::new(&self.name, Status::Unhealthy, reason),
            Ok(_) if stats.waiting > stats.opening => Finding::new(
                &self.name,
                Status::Degraded,
                "callers wait for a connection: the pool is too small",
            ),
            Ok(_) => Finding::healthy(&self.name),
        };
        finding
            .with("answer_ms", &started.elapsed().as_millis())
            .with("in_use", &stats.in_use)
            .with("idle", &stats.idle)
            .with("waiting", &stats.waiting)
            .with("max_size", &stats.max_size)
            .with("timeouts", &stats.timeouts)
    }
}
