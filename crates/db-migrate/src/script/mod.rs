//! SQL text as a list of statements.
//!
//! What a statement demands is seen before anything was changed, and an error names the one that failed.

mod aim;
mod class;
mod effect;
mod lex;
mod mask;
mod segment;
mod server_wide;
mod split;

pub(crate) use aim::{Aim, Deed, aim};
pub(crate) use class::Class;
pub(crate) use effect::{Effect, effect};
pub(crate) use mask::masked;
pub(crate) use segment::{Segment, Segmented, Unsound, segments};
pub(crate) use server_wide::is_server_wide;
pub(crate) use split::{Statement, Unterminated, split};
