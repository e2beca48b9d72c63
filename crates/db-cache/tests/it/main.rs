//! What a cache gives out, keeps and refuses.

mod census;
#[cfg(feature = "postgres")]
mod change_all;
#[cfg(feature = "postgres")]
mod changes;
mod common;
mod conformance;
mod counters;
mod entries;
mod inspect;
mod load;
#[cfg(feature = "postgres")]
mod postgres;
mod processes;
mod pub_sub;
#[cfg(feature = "redis")]
mod pub_sub_model;
#[cfg(feature = "postgres")]
mod pub_sub_postgres;
#[cfg(feature = "redis")]
mod pub_sub_redis;
#[cfg(feature = "redis")]
mod pub_sub_redis_away;
#[cfg(feature = "redis")]
mod pub_sub_redis_fleets;
mod pub_sub_topic;
#[cfg(feature = "postgres")]
mod race;
#[cfg(feature = "redis")]
mod redis_away;
#[cfg(feature = "redis")]
mod redis_cluster;
#[cfg(feature = "redis")]
mod redis_faults;
#[cfg(feature = "redis")]
mod redis_refusals;
#[cfg(feature = "redis")]
mod redis_sentinel;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(feature = "redis-tls")]
mod redis_tls;
#[cfg(feature = "redis")]
mod redis_tracking;
#[cfg(feature = "redis")]
mod redis_tracking_fleet;
#[cfg(feature = "redis")]
mod redis_tracking_loss;
#[cfg(feature = "redis")]
mod redis_tracking_model;
#[cfg(all(feature = "redis", feature = "postgres"))]
mod redis_tracking_with_commits;
#[cfg(feature = "redis")]
mod redis_values;
mod stale;
#[cfg(feature = "postgres")]
mod tables;
mod tags;
mod values;
mod without_store;
