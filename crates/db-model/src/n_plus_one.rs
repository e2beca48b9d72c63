//! Finds loops that ask the database row by row.
//!
//! Every function of the repository notes from which line of the program it was called, and under which text it asked.
//! Functions that send several statements, as [`mail::file`](crate::mail::file) does, note the same line for each; a COPY
//! counts as one statement. While a future runs inside [`watch`], equal pairs of the two are counted; elsewhere noting costs one look at a
//! variable of the thread. A line that asks the same thing more often than the limit wants a batch: `get_many`,
//! `insert_many`, or a relation.
//!
//! ```no_run
//! # use db_model::{n_plus_one, task::Task, TaskId, repository};
//! # async fn example(conn: &mut sqlx::PgConnection, ids: &[TaskId]) -> Result<(), db_model::Error> {
//! let (found, report) = n_plus_one::watch(3, async {
//!     for id in ids {
//!         repository::get::<Task>(conn, id).await?; // Asks as often as there are keys.
//!     }
//!     repository::get_many::<Task>(conn, ids).await // Asks once.
//! })
//! .await;
//! println!("{} tasks\n{report}", found?.len());
//! report.assert_none(); // Panics, and names the line of the loop.
//! # Ok(())
//! # }
//! ```

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    panic::Location,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// Pairs of line and text that one watch tells apart; what comes after them is only counted.
const MAX_PAIRS: usize = 10_000;

thread_local! {
    /// The watch around the future that this thread polls now.
    static WATCH: RefCell<Option<Arc<Mutex<Counts>>>> = const { RefCell::new(None) };
}

/// What was asked, and how often.
#[derive(Debug, Default)]
struct Counts {
    asked: HashMap<(&'static Location<'static>, u64), Asked>,
    uncounted: u64,
}

#[derive(Debug)]
struct Asked {
    sql: String,
    times: u64,
}

/// Notes that a statement is sent now on behalf of a line.
pub(crate) fn note(line: &'static Location<'static>, fingerprint: u64, sql: &str) {
    WATCH.with_borrow(|watch| {
        if let Some(counts) = watch {
            counts.lock().unwrap_or_else(PoisonError::into_inner).count(line, fingerprint, sql);
        }
    });
}

impl Counts {
    fn count(&mut self, line: &'static Location<'static>, fingerprint: u64, sql: &str) {
        let pair = (line, fingerprint);
        let is_full = self.asked.len() >= MAX_PAIRS;
        if let Some(asked) = self.asked.get_mut(&pair) {
            asked.times += 1;
        } else if is_full {
            self.uncounted += 1;
        } else {
            self.asked.insert(pair, Asked { sql: sql.to_owned(), times: 1 });
        }
    }
}

/// Runs a future, and reports every line in it that sent the same statement more than `limit` times.
///
/// Futures that the future spawns run outside. Of watches inside one another the innermost counts.
pub fn watch<F: Future>(limit: u32, future: F) -> Watch<F> {
    Watch { future: Box::pin(future), counts: Arc::default(), limit }
}

/// See [`watch`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Watch<F> {
    future: Pin<Box<F>>,
    counts: Arc<Mutex<Counts>>,
    limit: u32,
}

impl<F: Future> Future for Watch<F> {
    type Output = (F::Output, Report);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let output = {
            let _watching = Watching::begin(Arc::clone(&self.counts));
            self.future.as_mut().poll(context)
        };
        output.map(|output| (output, self.report()))
    }
}

impl<F> Watch<F> {
    fn report(&self) -> Report {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { asked, uncounted } = std::mem::take(&mut *counts);
        let limit = u64::from(self.limit);
        let mut repeated: Vec<Repeated> = asked
            .into_iter()
            .filter(|(_, asked)| asked.times > limit)
            .map(|((line, _), Asked { sql, times })| Repeated { line, sql, times })
            .collect();
        repeated.sort_by(|left, right| {
            right
                .times
                .cmp(&left.times)
                .then_with(|| left.line.cmp(right.line))
                .then_with(|| left.sql.cmp(&right.sql))
        });
        Report { repeated, uncounted }
    }
}

impl<F> fmt::Debug for Watch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The thread polls a watched future; ends when it is dropped, also by a panic.
struct Watching {
    outer: Option<Arc<Mutex<Counts>>>,
}

impl Watching {
    fn begin(counts: Arc<Mutex<Counts>>) -> Self {
        Self { outer: WATCH.replace(Some(counts)) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCH.set(self.outer.take());
    }
}

/// A line that asked the same thing too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Where the repository was called.
    pub line: &'static Location<'static>,
    /// The text, without values.
    pub sql: String,
    /// How often it was sent.
    pub times: u64,
}

/// What a [`watch`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    repeated: Vec<Repeated>,
    uncounted: u64,
}

impl Report {
    /// What was repeated, the most often first.
    #[must_use]
    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// Statements that were not looked at, as there were too many different ones before.
    #[must_use]
    pub const fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// For tests.
    ///
    /// # Panics
    /// Something was repeated, or not looked at; the message is the report.
    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.repeated.is_empty() && self.uncounted == 0, "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repeated.is_empty() {
            f.write_str("no statement was repeated")?;
        }
        for (position, Repeated { line, sql, times }) in self.repeated.iter().enumerate() {
            let begin = if position == 0 { "" } else { "\n" };
            write!(f, "{begin}{}:{} sent this {times} times: {sql}", line.file(), line.line())?;
        }
        if self.uncounted > 0 {
            write!(f, "\n{} statements were not looked at", self.uncounted)?;
        }
        Ok(())
    }
}
