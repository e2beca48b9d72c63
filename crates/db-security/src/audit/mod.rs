//! A log of what was done that proves itself.
