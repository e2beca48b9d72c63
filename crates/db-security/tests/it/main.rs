//! What the server does with rules, and what a log can be made to prove.

#[cfg(feature = "access")]
mod access;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "access")]
mod raw;
