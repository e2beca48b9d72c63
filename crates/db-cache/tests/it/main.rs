//! What a cache gives out, keeps and refuses.

#[cfg(feature = "postgres")]
mod changes;
mod common;
mod conformance;
mod counters;
mod entries;
mod load;
#[cfg(feature = "postgres")]
mod postgres;
mod processes;
#[cfg(feature = "postgres")]
mod race;
#[cfg(feature = "redis")]
mod redis_away;
#[cfg(feature = "redis")]
mod redis_cluster;
#[cfg(feature = "redis")]
mod redis_refusals;
#[cfg(feature = "redis")]
mod redis_sentinel;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(feature = "redis-tls")]
mod redis_tls;
#[cfg(feature = "redis")]
mod redis_values;
mod stale;
#[cfg(feature = "postgres")]
mod tables;
mod tags;
mod values;
mod without_store;
