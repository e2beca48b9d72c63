//! The builder: what it costs to make a statement, text and arguments, and to drop it again; nothing is sent anywhere.
//!
//! Every side is handed the same values and makes the same statement, which is checked before anything is measured. The
//! names of the upsert come as a list, as they do from a model; those of the select stand in the code, as a person writes
//! them.

mod ours;
mod query_builder;
mod sea_query;
mod static_text;
mod values;

use crate::{
    Failure,
    allocations::of_this_thread,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_query::Statement;
use rustix::time::{ClockId, clock_gettime};
use sqlx::{Arguments, Execute, SqlStr, postgres::PgArguments};
use std::{hint::black_box, time::Duration};
use values::{Package, Search};

const PAIRS: usize = 9;
/// A few hundredths of a second for whoever is slowest.
const BUILDS: u32 = 30_000;

const SEA_QUERY: &str = "sea-query and sea-query-sqlx";
const QUERY_BUILDER: &str = "sqlx::QueryBuilder";
const STATIC_TEXT: &str = "no builder: static text and arguments";

/// INSERT of 20 columns in one row, on conflict by one key the other 19 from EXCLUDED, RETURNING one.
const UPSERT: [Work; 2] = [
    Work {
        area: "query",
        work: "upsert of 20 columns (to be 300 or less)",
        peer: None,
        unit: "ns of CPU",
        better: Better::Lower,
        goal: None,
    },
    Work {
        area: "query",
        work: "upsert of 20 columns (to be 4 or less)",
        peer: None,
        unit: "allocations",
        better: Better::Lower,
        goal: None,
    },
];
/// The clauses: 1 the four columns, 2 FROM, 3 LEFT JOIN, 4 equal, 5 the OR, 6 ANY of a list, 7 greater, 8 and 9 the
/// sort keys, 10 LIMIT. They hold six parameters.
const SELECT: [Work; 2] = [
    Work { work: "select of 10 clauses (to be 150 or less)", ..UPSERT[0] },
    Work { work: "select of 10 clauses (to be 4 or less)", ..UPSERT[1] },
];

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let (package, search) = (Package::example(), Search::example());
    same("the upsert", &upserts(&package))?;
    same("the select", &selects(&search))?;

    // The goals in nanoseconds are of another machine. The ratios hold on any: they are those of the goals to what the
    // peers took there.
    let ours = || ours::upsert(&package);
    let mut rows = beside(UPSERT, SEA_QUERY, Some(3.9), ours, || sea_query::upsert(&package)).await?;
    rows.extend(beside(UPSERT, QUERY_BUILDER, Some(6.7), ours, || query_builder::upsert(&package)).await?);
    rows.extend(beside(UPSERT, STATIC_TEXT, Some(0.39), ours, || static_text::upsert(&package)).await?);
    let ours = || ours::select(&search);
    rows.extend(beside(SELECT, SEA_QUERY, Some(4.7), ours, || sea_query::select(&search)).await?);
    rows.extend(beside(SELECT, QUERY_BUILDER, Some(1.07), ours, || query_builder::select(&search)).await?);
    rows.extend(beside(SELECT, STATIC_TEXT, None, ours, || static_text::select(&search)).await?);
    Ok(rows)
}

/// Ours and one peer's, in turns; the goal is for the time.
async fn beside<O, T>(
    [time, allocations]: [Work; 2],
    peer: &'static str,
    goal: Option<f64>,
    ours: impl Fn() -> O,
    theirs: impl Fn() -> T,
) -> Result<Vec<Row>, Failure> {
    let works = [Work { peer: Some(peer), goal, ..time }, Work { peer: Some(peer), ..allocations }];
    in_turns(works, PAIRS, async || Ok(cost(&ours)), async || Ok(cost(&theirs))).await
}

/// What making and dropping one takes: nanoseconds of this thread's processor time, and allocations.
fn cost<T>(build: impl Fn() -> T) -> [f64; 2] {
    let (time, counted) = (thread_time(), of_this_thread());
    for _ in 0..BUILDS {
        drop(black_box(build()));
    }
    let time = thread_time().saturating_sub(time);
    let allocations = of_this_thread().allocations - counted.allocations;
    [time.as_secs_f64() * 1e9, allocations as f64].map(|all| all / f64::from(BUILDS))
}

/// What this thread has used of a processor.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// What somebody's statement says: its text, and how many parameters it has.
type Said = (String, usize);

fn upserts(package: &Package) -> [Said; 4] {
    [
        said_by(ours::upsert(package)),
        said(&sea_query::upsert(package)),
        said(&query_builder::upsert(package)),
        said(&static_text::upsert(package)),
    ]
}

fn selects(search: &Search) -> [Said; 4] {
    [
        said_by(ours::select(search)),
        said(&sea_query::select(search)),
        said(&query_builder::select(search)),
        said(&static_text::select(search)),
    ]
}

fn said_by(mut statement: Statement) -> Said {
    let arguments = statement.take_arguments().ok().flatten();
    let text = Statement::sql(&statement).to_owned();
    (text, arguments.map_or(0, |arguments| arguments.len()))
}

fn said((text, arguments): &(impl Text, PgArguments)) -> Said {
    (text.text().to_owned(), arguments.len())
}

/// A peer's kind of text.
trait Text {
    fn text(&self) -> &str;
}

impl Text for String {
    fn text(&self) -> &str {
        self
    }
}

impl Text for SqlStr {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Text for &'static str {
    fn text(&self) -> &str {
        self
    }
}

/// Everybody's must be the same statement, or the figures are of different work.
fn same(what: &str, statements: &[Said]) -> Result<(), Failure> {
    let plain: Vec<Said> = statements.iter().map(|(text, count)| (plain(text), *count)).collect();
    match plain.iter().find(|said| **said != plain[0]) {
        None => Ok(()),
        Some(other) => {
            Err(format!("{what} is not the same: {:?}, and a peer's is {other:?}", plain[0]).into())
        }
    }
}

/// Without what may differ: quotes, blanks, upper case, and how the parameters are numbered.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.to_lowercase().replace('"', "").split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        for (at, part) in word.split('$').enumerate() {
            if at > 0 {
                plain.push('$');
            }
            plain.push_str(if at > 0 { part.trim_start_matches(|c: char| c.is_ascii_digit()) } else { part });
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Package, Search, plain, same, selects, upserts};

    #[test]
    fn everybody_says_the_same() {
        let (upserts, selects) = (upserts(&Package::example()), selects(&Search::example()));
        assert_eq!((upserts[0].1, selects[0].1), (20, 6), "one parameter a column; six are in the clauses");
        same("the upsert", &upserts).expect("one statement");
        same("the select", &selects).expect("one statement");
    }

    #[test]
    fn what_differs_is_told() {
        assert_eq!(
            plain(r#"SELECT  "A"."b" FROM t WHERE (x=$12 OR y = $1)"#),
            "select a.b from t where (x=$ or y = $)"
        );
        for other in [("select 2".to_owned(), 0), ("select 1".to_owned(), 1)] {
            assert!(same("it", &[("SELECT 1".to_owned(), 0), other]).is_err());
        }
    }
}
