//! Many rows, statements or lookups for few round trips: COPY in and out, batches, coalesced lookups.

mod batch;
mod batch_run;
mod copy_error;
mod copy_in;
mod copy_out;
mod copy_row;
mod copy_target;
mod copy_tuples;
mod copy_types;
mod from_copy;
mod lane;
mod loader;
mod sql_shape;

pub use batch::{Batch, BatchMode, BatchReport, Done, Outcome};
pub use copy_error::CopyError;
pub use copy_in::{CopyIn, copy_in};
pub use copy_out::{CopyOut, copy_out};
pub use copy_row::{CopyFields, CopyRow};
pub use copy_target::CopyTarget;
pub use copy_types::CopyTypes;
pub use from_copy::{CopyValues, FromCopy, FromCopyRow};
pub use loader::{Loader, LoaderOptions, LoaderStats};
