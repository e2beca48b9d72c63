//! Who did what, so that it can be proved; who may do what, so that the server holds to it; and what a log may not say.

#[cfg(feature = "access")]
pub mod access;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "mask")]
pub mod mask;
