//! Pages by keyset are the pages by OFFSET, whatever the order, forwards and backwards.

use super::{key, read, scratch, size};
use db_query::{Direction, Keyset, Nulls, Page, PageRequest, Pages, Select, col, table_as};
use db_testkit::fresh_db;
use proptest::{
    array::uniform16,
    collection::vec,
    prelude::*,
    sample::subsequence,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{runtime::Handle, task::spawn_blocking};

/// As many as fit into a few seconds.
const CASES: u32 = 250;

/// A list and how it is read.
#[derive(Clone, Debug)]
struct Case {
    rows: Vec<scratch::Choice>,
    /// Bits of numbers that have ties like the others.
    floats: [u64; 2],
    /// A column, by its number, with direction and place of NULLs.
    keys: Vec<(usize, Direction, Option<Nulls>)>,
    unique: Direction,
    page: u16,
    alias: Option<&'static str>,
    filtered: bool,
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)]
}

fn cases() -> impl Strategy<Value = Case> {
    let nulls = prop_oneof![Just(None), Just(Some(Nulls::First)), Just(Some(Nulls::Last))];
    let columns = subsequence((0..scratch::COLUMNS).collect::<Vec<_>>(), 1..=4).prop_shuffle();
    let keys = (columns, vec((directions(), nulls), 4)).prop_map(|(columns, ways)| {
        columns.into_iter().zip(ways).map(|(column, (direction, nulls))| (column, direction, nulls)).collect()
    });
    let rows = vec(uniform16(any::<u8>()), 0..=24);
    let alias = prop_oneof![Just(None), Just(Some("s"))];
    (rows, any::<[u64; 2]>(), keys, directions(), 1..=7_u16, alias, any::<bool>()).prop_map(
        |(rows, floats, keys, unique, page, alias, filtered)| Case {
            rows,
            floats,
            keys,
            unique,
            page,
            alias,
            filtered,
        },
    )
}

impl Case {
    fn pages(&self) -> Pages {
        let keyset = Keyset::unique(&scratch::TABLE, "id", self.unique).expect("unique");
        let keyset = self.keys.iter().fold(keyset, |keyset, &(column, direction, nulls)| {
            let column = scratch::name(column);
            match nulls {
                Some(nulls) => keyset.by_nulls(column, direction, nulls),
                None => keyset.by(column, direction),
            }
            .expect("a key")
        });
        Pages::new(self.alias.into_iter().fold(keyset, Keyset::alias), key())
    }

    fn select(&self) -> Select {
        let select = match self.alias {
            Some(alias) => Select::from(table_as("scratch", alias)).columns(["id"]),
            None => scratch::ids(),
        };
        if self.filtered { select.filter(col("b").eq(true).or(col("n").gt(0_i32))) } else { select }
    }

    /// The list by its definition, one page by OFFSET.
    fn by_offset(&self, offset: usize) -> String {
        let filter = if self.filtered { "WHERE b OR n > 0" } else { "" };
        let word = |direction: Direction| if direction == Direction::Ascending { "ASC" } else { "DESC" };
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|&(column, direction, nulls)| {
                let first = match nulls {
                    Some(nulls) => nulls == Nulls::First,
                    None => direction == Direction::Descending,
                };
                let nulls = if first { "FIRST" } else { "LAST" };
                format!("\"{}\" {} NULLS {nulls}, ", scratch::name(column), word(direction))
            })
            .collect();
        format!(
            "SELECT id FROM scratch {filter} ORDER BY {}id {} LIMIT {} OFFSET {offset}",
            keys.concat(),
            word(self.unique),
            self.page
        )
    }
}

/// A page that was read, and how to read it again.
struct Visited {
    request: PageRequest,
    page: Page<i64>,
}

/// Which way a list is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forwards,
    Backwards,
}

async fn walk(conn: &mut PgConnection, case: &Case, pages: &Pages, way: Way) -> Vec<Visited> {
    let page = size(case.page);
    let mut visited: Vec<Visited> = Vec::new();
    let mut request = match way {
        Way::Forwards => pages.request(None, page).expect("the first page"),
        Way::Backwards => pages.last(page),
    };
    loop {
        let page_read = read(conn, pages, case.select(), &request).await;
        let on = if way == Way::Forwards { page_read.next.clone() } else { page_read.previous.clone() };
        visited.push(Visited { request, page: page_read });
        match on {
            Some(cursor) if visited.len() <= case.rows.len() => {
                request = pages.request(Some(cursor.as_str()), page).expect("our own cursor");
            }
            _ => return visited,
        }
    }
}

async fn check(conn: &mut PgConnection, case: &Case) -> Result<(), TestCaseError> {
    scratch::fill(conn, &case.rows, &case.floats.map(f64::from_bits)).await;
    let mut expected: Vec<Vec<i64>> = Vec::new();
    loop {
        let text = case.by_offset(expected.len() * usize::from(case.page));
        let page: Vec<i64> =
            sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut *conn).await.expect("the rows");
        if page.is_empty() {
            break;
        }
        expected.push(page);
    }
    let all = expected.concat();
    let pages = case.pages();
    for way in [Way::Forwards, Way::Backwards] {
        let visited = walk(conn, case, &pages, way).await;
        let read_ids: Vec<Vec<i64>> = visited.iter().map(|visited| visited.page.items.clone()).collect();
        let mut expected: Vec<Vec<i64>> = match way {
            Way::Forwards => expected.clone(),
            Way::Backwards => all.rchunks(usize::from(case.page)).map(<[i64]>::to_vec).collect(),
        };
        if expected.is_empty() {
            expected.push(Vec::new());
        }
        prop_assert_eq!(read_ids, expected, "{:?}", way);
        let last = visited.len() - 1;
        for (position, Visited { page, .. }) in visited.iter().enumerate() {
            let (on, back) = match way {
                Way::Forwards => (&page.next, &page.previous),
                Way::Backwards => (&page.previous, &page.next),
            };
            prop_assert_eq!(on.is_some(), position < last, "{:?}: on from page {}", way, position);
            prop_assert_eq!(back.is_some(), position > 0, "{:?}: back from page {}", way, position);
            if let Some(back) = back {
                let request = pages.request(Some(back.as_str()), size(case.page)).expect("our own cursor");
                let again = read(conn, &pages, case.select(), &request).await;
                prop_assert_eq!(&again.items, &visited[position - 1].page.items, "{:?}: there and back", way);
            }
        }
        // A page that is read again is the same page, cursors and all.
        let middle = &visited[visited.len() / 2];
        let again = read(conn, &pages, case.select(), &middle.request).await;
        prop_assert_eq!(&again, &middle.page);
    }
    Ok(())
}

#[tokio::test]
async fn are_those_of_offset() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        scratch::create(&mut conn).await;
        // DB_TEST_SEED=<number> repeats a run.
        let seed: u64 = std::env::var("DB_TEST_SEED")
            .ok()
            .map_or_else(rand::random, |seed| seed.parse().expect("a number"));
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let handle = Handle::current();
        let outcome = spawn_blocking(move || {
            let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let mut runner = TestRunner::new_with_rng(config, rng);
            let conn = std::cell::RefCell::new(conn);
            runner
                .run(&cases(), |case| handle.block_on(check(&mut conn.borrow_mut(), &case)))
                .map_err(|error| error.to_string())
        });
        if let Err(failure) = outcome.await.expect("the cases run") {
            panic!("DB_TEST_SEED={seed}: {failure}");
        }
    })
    .await;
}
