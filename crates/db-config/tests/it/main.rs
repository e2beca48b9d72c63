//! The crate as its users see it: one module for each promise.

#[cfg(feature = "command")]
mod command;
mod errors;
mod explain;
mod layers;
mod provider;
mod reference;
mod secrets;
mod seeds;
