//! DESIGN.md's layers and permissions as tables. A line here is an architecture change: ARCHITECTURE.md tells of it too.

use std::ops::RangeInclusive;

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// In the stack: it may use its own level and those below.
    Level(u8),
    /// Beside the stack, for whoever starts or tests it.
    Beside(&'static Beside),
}

/// What a crate beside the stack may use, and who may use it other than in tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The highest level that it may use.
    pub(crate) uses: u8,
    /// The same for its tests.
    pub(crate) tests_use: u8,
    /// Others beside the stack that it may use.
    pub(crate) uses_beside: &'static [&'static str],
    /// The levels that may use it.
    pub(crate) used_by: RangeInclusive<u8>,
}

/// Its tests ask a started server something, so they need a pool.
const EMBEDDED: Beside = Beside { uses: 0, tests_use: 2, uses_beside: &[], used_by: 7..=7 };
const TESTKIT: Beside = Beside { uses: 3, tests_use: 3, uses_beside: &["db-embedded"], used_by: 7..=7 };

/// The layer of each crate that may exist.
pub(crate) const LAYERS: &[(&str, Layer)] = &[
    ("db-core", Layer::Level(0)),
    ("db-config", Layer::Level(1)),
    ("db-query", Layer::Level(1)),
    ("db-pool", Layer::Level(2)),
    ("db-cache", Layer::Level(2)),
    ("db-migrate", Layer::Level(3)),
    ("db-model", Layer::Level(3)),
    ("db-store", Layer::Level(3)),
    ("db-security", Layer::Level(3)),
    ("db-monitor", Layer::Level(3)),
    ("db-manage", Layer::Level(4)),
    ("db-tasks", Layer::Level(4)),
    ("db-facade", Layer::Level(5)),
    ("db-server", Layer::Level(6)),
    ("db-cli", Layer::Level(7)),
    ("it", Layer::Level(7)),
    ("db-embedded", Layer::Beside(&EMBEDDED)),
    ("db-testkit", Layer::Beside(&TESTKIT)),
];

/// It uses none of ours, so that it works while they do not compile.
pub(crate) const ALONE: &str = "xtask";

/// Who may name a driver: packages whose name is one of `names` or begins with one and a hyphen.
pub(crate) struct Driver {
    pub(crate) names: &'static [&'static str],
    pub(crate) users: &'static [&'static str],
}

pub(crate) const DRIVERS: &[Driver] = &[
    Driver {
        names: &["sqlx"],
        users: &[
            "db-query",
            "db-pool",
            "db-cache",
            "db-migrate",
            "db-model",
            "db-store",
            "db-security",
            "db-monitor",
            "db-manage",
            "db-tasks",
            "db-facade",
            "db-server",
            "db-cli",
            "it",
            "db-testkit",
        ],
    },
    Driver { names: &["redis", "deadpool-redis", "fred"], users: &["db-cache", "db-store", "it"] },
    Driver { names: &["mongodb", "neo4rs"], users: &["db-store"] },
    // One driver and one builder for PostgreSQL are enough; the bench measures us beside the others.
    Driver {
        names: &[
            "tokio-postgres",
            "postgres",
            "deadpool-postgres",
            "bb8-postgres",
            "diesel",
            "sea-orm",
            "sea-query",
        ],
        users: &["it"],
    },
];

/// Runtimes and clients that db-core must not name in any way: it does no I/O.
pub(crate) const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "hyper",
    "reqwest",
    "rustix",
    "libc",
    "config",
    "dotenvy",
    "mobc",
    "deadpool",
];

/// Edges that the levels would let pass.
pub(crate) const CUT: &[(&str, &str, &str)] =
    &[("db-pool", "db-query", "the pool takes whatever implements sqlx's Execute, and names no builder")];

/// The one library crate whose default is not nothing.
pub(crate) const HAS_DEFAULT: &str = "db-facade";

/// The crate that makes statements, and leaves it to others to run them.
pub(crate) const NO_RUNTIME: &str = "db-query";
