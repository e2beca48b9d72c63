//! The audit log against a server.

mod crash;
mod log;
mod personal;
mod retain;
mod sequence;
mod sequencer;
mod tables;
mod tamper;
mod writer;
