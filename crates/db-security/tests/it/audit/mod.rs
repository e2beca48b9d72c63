//! The audit log against a server.

mod crash;
mod enable;
mod export;
mod log;
mod personal;
mod report;
mod retain;
mod search;
mod sequence;
mod sequencer;
mod tables;
mod tamper;
mod writer;
