//! The db command.
