//! Typed configuration with the source of every value.
