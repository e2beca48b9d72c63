//! Taking a database over from another tool: what its own history says, and which files that means.

mod checksum;
mod create;
mod error;
mod history;
mod matching;
mod read;
mod row;
mod table;

pub use create::create_statements;
pub use error::ForeignError;
pub use matching::AdoptProblem;
pub(crate) use matching::{Candidate, match_up};
pub(crate) use read::read_foreign;
pub use row::{ForeignChecksum, ForeignRow, ForeignState};
pub use table::TableName;
pub use table::detect_foreign;
