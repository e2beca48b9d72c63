//! Schema migrations: plan, apply, status.
