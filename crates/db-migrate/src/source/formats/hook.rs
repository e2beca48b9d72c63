//! Scripts that run next to migrations, each time.

use crate::source::draft::Text;

/// A script and when it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) when: When,
    pub(crate) text: Text,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    /// Once, before the first migration of a run.
    BeforeAll,
    /// Once, after the last migration of a run.
    AfterAll,
    /// Before every migration, in a transaction of its own.
    BeforeEach,
    /// After every migration, in a transaction of its own.
    AfterEach,
}
