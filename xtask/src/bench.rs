//! `bench`: the release build of the bench in `tests/`, with the same arguments.

use crate::{
    db,
    exit::{Exit, Failed},
    machine,
};
use std::ffi::OsString;

/// Becomes the bench.
pub(crate) fn run(args: Vec<OsString>) -> Result<Exit, Failed> {
    db::announce("bench", "about 4 minutes")?;
    Err(machine::become_program(db::released("it", "bench").args(args)))
}
