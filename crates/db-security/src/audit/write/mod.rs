//! Events that are recorded beside what the program does: gathered, and stored many at a time.

mod batch;
mod buffer;
mod options;
mod probe;
mod sink;
mod spool;
mod stats;
mod store;
mod storing;
mod ticket;
mod writer;

pub use options::{WhenFull, WriterOptions};
pub use stats::{Closed, WriterStats};
pub use ticket::Ticket;
pub use writer::AuditWriter;
