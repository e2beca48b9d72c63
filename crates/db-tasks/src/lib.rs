//! A task queue with dependencies on PostgreSQL.
