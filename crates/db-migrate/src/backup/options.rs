//! What the caller chooses.

use super::ToolSearch;
use std::num::NonZeroU32;
use std::thread::available_parallelism;
use std::time::Duration;

/// Sessions and processes at once unless told otherwise: as many as there are processors here, up to this many.
const MOST_JOBS: u32 = 8;

/// How to make a backup.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Processes of `pg_dump` and sessions that hash at once; as many as processors here, at most 8, unless told.
    pub jobs: NonZeroU32,
    /// Time or space.
    pub compression: Compression,
    /// Tables whose rows are left out, qualified, as in `public.events`. Their definition is saved.
    pub exclude_table_data: Vec<String>,
    /// For how long to wait for a table that somebody changes the definition of; 30 s unless told.
    pub lock_timeout: Duration,
    /// Where `pg_dump` is.
    pub tools: ToolSearch,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            jobs: jobs(),
            compression: Compression::default(),
            exclude_table_data: Vec::new(),
            lock_timeout: Duration::from_secs(30),
            tools: ToolSearch::default(),
        }
    }
}

/// Time or space; of five million rows the dump takes 3.3 s and 46 MB with `Fast`, 5.9 s and 274 MB with `None`, since
/// less is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As it is.
    None,
    /// Level 1.
    #[default]
    Fast,
    /// Level 6.
    Small,
}

impl Compression {
    pub(super) fn level(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Fast => "1",
            Self::Small => "6",
        }
    }
}

/// How to restore or verify.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Processes of `pg_restore` and sessions that hash at once; as many as processors here, at most 8, unless told.
    pub jobs: NonZeroU32,
    /// Where `pg_restore` is.
    pub tools: ToolSearch,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self { jobs: jobs(), tools: ToolSearch::default() }
    }
}

/// Where a backup is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// In the place of the server's database, which is kept under another name.
    Replace(OpenSessions),
    /// In a new database of this name.
    Into(&'a str),
}

/// What to do with the sessions of a database that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenSessions {
    /// End them.
    Terminate,
    /// Leave them and the database alone.
    Refuse,
}

fn jobs() -> NonZeroU32 {
    let processors =
        available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok()).unwrap_or(1);
    NonZeroU32::new(processors.min(MOST_JOBS)).unwrap_or(NonZeroU32::MIN)
}
