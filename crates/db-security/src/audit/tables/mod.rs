//! Tables that note each change of their rows: begun, ended and looked at.

mod arguments;
mod change;
mod error;
mod list;

pub use change::{TableAudit, disable, enable};
pub use error::{TableError, Unfit};
pub use list::{AuditedTable, Drift, audited_tables};
