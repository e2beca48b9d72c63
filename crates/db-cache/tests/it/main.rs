//! What a cache gives out, keeps and refuses.

#[cfg(feature = "postgres")]
mod changes;
mod common;
mod conformance;
mod load;
#[cfg(feature = "postgres")]
mod postgres;
mod processes;
#[cfg(feature = "postgres")]
mod race;
mod stale;
mod values;
mod without_store;
