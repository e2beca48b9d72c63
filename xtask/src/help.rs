//! What `--help` says.

use crate::exit::Exit;

/// Prints a text that was asked for.
pub(crate) fn show(text: &str) -> Exit {
    print!("{text}");
    Exit::Done
}

pub(crate) const OVERVIEW: &str = "\
The commands of this workspace.

Usage: cargo xtask COMMAND [ARGS]

To see it work:
  demo [PATH]    Analyse a source tree through the whole data layer (default: the folder you are in)
  test           Run every test, against servers that it finds or starts
  migrate        Apply, revert, recover and judge migrations, as `db migrate` does
  bench [AREA]   Measure, side by side with the named peers

To check a change:
  ci [NAME…]     Every check that needs no server, or the named ones
  layers         No edge between our crates points up; only the crates that may, name a driver
  tidy           Files and manifests are as STYLE says; landed migrations are untouched
  deny           Licences, banned packages and sources of all dependencies

`cargo xtask COMMAND --help` tells more.

Exit codes: 0 done, 1 failed, 2 usage, 3 the answer is no (a rule is broken).
";

pub(crate) const CI: &str = "\
Runs the checks that need no server, one line each, and then says which failed and why.

Usage: cargo xtask ci [NAME…]

  fmt       cargo fmt --check                     mend: cargo fmt
  layers    cargo xtask layers
  tidy      cargo xtask tidy
  deny      cargo xtask deny
  clippy    all targets and features, -D warnings
  alone     each library crate by itself, with its default features only
  docs      rustdoc, -D warnings

All of them run, also after one has failed. The tests are `cargo xtask test`.

Examples:
  cargo xtask ci
  cargo xtask ci fmt tidy

Exit codes: 0 all passed, 1 a check could not run, 2 usage, 3 a check failed.
";

pub(crate) const LAYERS: &str = "\
Reads `cargo metadata` and names every edge that breaks a rule of DESIGN.md:
  - an edge between our crates may only point down (tests may use db-embedded and db-testkit as well);
  - only the crates that may, name a driver (sqlx, redis, mongodb, neo4rs), and db-query no runtime of one;
  - db-pool does not use db-query;
  - every library crate but db-facade has `default = []`.

Usage: cargo xtask layers

Exit codes: 0 all is well, 1 failed, 2 usage, 3 an edge is wrong.
";

pub(crate) const TIDY: &str = "\
Looks at the files themselves:
  - the first line of every .rs file is `//!` and says what the file is for;
  - no todo!, unimplemented!, dbg!, #[ignore], no secrets, and in tests no sleep but in a loop that polls;
  - a file of over 400 lines is reported, one of over 800 refused;
  - each crate inherits version, edition, rust-version, licence, lints and the versions of its dependencies;
  - `cargo xtask` commands that the documents name exist;
  - what migrations/checksums.txt pins is unchanged, and nothing is missing from it.

Usage: cargo xtask tidy [--pin]

  --pin    Pin new migrations. It never pins a changed file: a landed migration is history, and databases remember
           its checksum; write a new migration instead.

Exit codes: 0 all is well, 1 failed, 2 usage, 3 a rule is broken.
";

pub(crate) const DENY: &str = "\
Applies deny.toml to all dependencies of all features and platforms: licences, banned packages, sources.

Usage: cargo xtask deny

Where cargo-deny is installed it does the work, advisories included; elsewhere the same rules are read from deny.toml
and applied to `cargo metadata`, and advisories are left out, as they need cargo-deny and a network.

Exit codes: 0 all is well, 1 failed, 2 usage, 3 a dependency is refused.
";

pub(crate) const TEST: &str = "\
Finds or starts PostgreSQL (and Redis), runs every test against them, and says which suites ran against what.

Usage: cargo xtask test [--no-install] [--servers native|url] [-- ARGS]

  --no-install       Install nothing that is missing; without cargo-nextest, `cargo test` runs the tests
  --servers native   Start servers of its own, even where DB_TEST_POSTGRES_URL names one
  --servers url      Use the servers that DB_TEST_POSTGRES_URL (and DB_TEST_REDIS_URL) name; start nothing
  -- ARGS            For the runner. Doctests are left out then

Without --servers, DB_TEST_POSTGRES_URL is used where it is set, and a server is started where it is not.

Examples:
  cargo xtask test
  cargo xtask test -- -p db-pool cancel
  DB_TEST_POSTGRES_URL=postgresql://me@host/postgres cargo xtask test --servers url

Exit codes: 0 all passed, 2 usage, else the runner's (1 or 100: a test failed).
";
