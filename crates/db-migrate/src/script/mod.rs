//! SQL text as a list of statements.
//!
//! Statements are sent one by one, so that an error names the one that failed, and are looked at first, so that what
//! could not work is refused before anything was changed.

mod lex;
mod rules;
mod split;

pub(crate) use rules::Trait;
pub(crate) use split::{Statement, Unterminated, split};
