//! The audit log against a server.

mod bounds;
mod crash;
mod enable;
mod erase;
mod export;
mod log;
mod personal;
mod poison;
mod report;
mod retain;
mod rights;
mod search;
mod sequence;
mod sequencer;
mod spool;
mod tables;
mod tamper;
#[cfg(feature = "webhook")]
mod webhook;
mod writer;
