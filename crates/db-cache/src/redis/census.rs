//! What takes the room of a Redis, by namespace, and what the server says of itself.

use super::{NAME, Part, RedisStore, command, node::Ask};
use crate::census::Shares;
use async_trait::async_trait;
use db_core::{Census, KeyValueError, Share};

/// Lengths that are asked for in one go: less than a millisecond of the server's one thread.
const AT_ONCE: usize = 500;
/// Of what INFO tells, what says how a cache does.
const FIGURES: [&str; 11] = [
    "redis_version",
    "used_memory",
    "maxmemory",
    "maxmemory_policy",
    "connected_clients",
    "keyspace_hits",
    "keyspace_misses",
    "evicted_keys",
    "expired_keys",
    "instantaneous_ops_per_sec",
    "uptime_in_seconds",
];

#[async_trait]
impl Census for RedisStore {
    async fn census(
        &self,
        prefix: &str,
        counted: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Share>, KeyValueError> {
        let mut shares = Shares::new(prefix);
        for master in self.masters().await? {
            let mut cursor = 0;
            loop {
                let step = master.ask(Ask::One(command::scan(cursor, prefix)), self.deadline()).await;
                let step = step.map_err(|fault| fault.into_error(NAME))?;
                let (next, keys) = command::scanned(step, NAME)?;
                // What the pattern means is Redis's.
                let keys: Vec<&str> =
                    keys.iter().map(String::as_str).filter(|key| key.starts_with(prefix)).collect();
                for keys in keys.chunks(AT_ONCE) {
                    let part = |key: &&str| Part { slot: self.slot(key), command: command::length(key) };
                    let lengths = self.run(keys.iter().map(part).collect()).await?;
                    for (key, bytes) in keys.iter().zip(lengths.iter().map(command::bytes)) {
                        if let Some(bytes) = bytes {
                            shares.count(key, bytes);
                        }
                    }
                }
                counted(shares.entries());
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(shares.finish())
    }

    /// Those of each server; of several each name has the server's number behind it.
    async fn figures(&self) -> Result<Vec<(String, String)>, KeyValueError> {
        let masters = self.masters().await?;
        let mut figures = Vec::new();
        for (number, master) in masters.iter().enumerate() {
            let told = master.ask(Ask::One(command::info()), self.deadline()).await;
            let told = command::told(told.map_err(|fault| fault.into_error(NAME))?, NAME)?;
            for wanted in FIGURES {
                if let Some((name, value)) = told.iter().find(|(name, _)| name == wanted) {
                    let name =
                        if masters.len() == 1 { name.clone() } else { format!("{name}_{}", number + 1) };
                    figures.push((name, value.clone()));
                }
            }
        }
        Ok(figures)
    }
}
