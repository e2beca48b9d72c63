//! Running statements: through sqlx's `Executor`, and through [`Run`] with typed rows and limits of its own.

mod builder;
mod executor;
pub(crate) mod send;
pub(crate) mod shape;
pub(crate) mod statement;
mod watch;

pub use builder::Run;
pub(crate) use watch::SHAPE;
