//! The lock under the gate. The loom test compiles the gate with loom's lock in its place.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
