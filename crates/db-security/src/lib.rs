//! Who did what, so that it can be proved; who may do what, so that the server holds to it; and what a log may not say.
//!
#![cfg_attr(feature = "audit", doc = "```no_run")]
#![cfg_attr(not(feature = "audit"), doc = "```ignore")]
//! use db_security::audit::{Event, Verification, record, sequence, verify};
//! use serde_json::json;
//!
//! # async fn example(pool: &db_pool::Pool) -> Result<(), Box<dyn std::error::Error>> {
//! // In the transaction of the change: the event is there if and only if the change is.
//! let mut tx = pool.begin().await?;
//! sqlx::query("UPDATE users SET plan = 'team' WHERE id = 42").execute(&mut *tx).await?;
//! let event = Event::update("users", "42", json!({"plan": "free"}), json!({"plan": "team"})).actor("ann");
//! record(&mut tx, None, event).await?;
//! tx.commit().await?;
//!
//! // It gets its place in the log and in the tree over it; a `Sequencer` does this twice a second.
//! let mut tx = pool.begin().await?;
//! sequence(&mut tx, None, 10_000).await?;
//! tx.commit().await?;
//!
//! // Whatever somebody changes afterwards is named.
//! let verdict = verify(pool, &Verification::new(), |_, _| {}).await?;
//! assert!(verdict.is_sound(), "{:?}", verdict.flaws.first());
//! # Ok(()) }
//! ```

#[cfg(feature = "access")]
pub mod access;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "mask")]
pub mod mask;
