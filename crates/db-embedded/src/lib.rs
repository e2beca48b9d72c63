//! Finds or starts the servers to run against.
