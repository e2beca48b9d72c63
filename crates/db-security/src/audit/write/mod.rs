//! Events that are recorded beside what the program does: gathered, and stored many at a time.

mod batch;
mod buffer;
mod options;
mod sink;
mod spool;
mod store;
mod ticket;
mod writer;

pub use options::{WhenFull, WriterOptions};
pub use ticket::Ticket;
pub use writer::{AuditWriter, Closed, WriterStats};
