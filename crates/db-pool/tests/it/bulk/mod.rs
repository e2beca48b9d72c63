//! Many rows, statements or lookups at once.

mod batch;
mod copy;
mod loader;
mod relay;
