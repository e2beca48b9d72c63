//! One Database handle over everything its features name.
