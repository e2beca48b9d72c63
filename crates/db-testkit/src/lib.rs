//! A database per test, shared servers, fakes.
