//! The PostgreSQL that the tests of this process run against.

use db_core::Secret;
use db_embedded::{Mode, Options, Postgres};
use std::{env, sync::OnceLock, thread};

/// Names a server with a superuser's URL.
const VARIABLE: &str = "DB_TEST_POSTGRES_URL";

/// The URL of the server, which is started by the first call where none is named. It goes down with this process.
///
/// # Panics
/// With what to install, when there is no server and none can be started.
#[must_use]
pub fn server_url() -> Secret {
    // A static is never dropped; the kernel stops the server when this process ends, and the next start clears its
    // folder away.
    static STARTED: OnceLock<Postgres> = OnceLock::new();
    if let Ok(url) = env::var(VARIABLE) {
        return Secret::new(url);
    }
    let start = || match Postgres::start_blocking(&Options::new(Mode::Ephemeral)) {
        Ok(postgres) => postgres,
        Err(error) => panic!("{error}\nor run the tests by `cargo xtask test`, which gets what is missing"),
    };
    // Not on the caller's thread: waiting for the start must not hold up a runtime's other tasks for good.
    let start = || thread::scope(|scope| scope.spawn(start).join());
    let postgres = STARTED.get_or_init(|| start().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    postgres.url().clone()
}

/// Whether the server outlives this process.
pub(crate) fn server_is_named() -> bool {
    env::var_os(VARIABLE).is_some()
}
