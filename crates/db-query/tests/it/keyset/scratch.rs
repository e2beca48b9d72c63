//! A table with a column of every kind that a list can go by, once with NULLs and once without, full of ties.

use db_query::{Field, Insert, Kind, Select, Table, unnest};
use sqlx::{Executor, PgConnection};

/// The columns that a key can be made of.
pub(super) const COLUMNS: usize = 16;

const FIELDS: [Field; 1 + COLUMNS] = [
    Field::new("id", Kind::Int8),
    Field::new("n", Kind::Int4),
    Field::new("n_null", Kind::Int4).nullable(),
    Field::new("t", Kind::Text),
    Field::new("t_null", Kind::Text).nullable(),
    Field::new("at", Kind::Timestamptz),
    Field::new("at_null", Kind::Timestamptz).nullable(),
    Field::new("f", Kind::Float8),
    Field::new("f_null", Kind::Float8).nullable(),
    Field::new("b", Kind::Bool),
    Field::new("b_null", Kind::Bool).nullable(),
    Field::new("u", Kind::Uuid),
    Field::new("u_null", Kind::Uuid).nullable(),
    Field::new("raw", Kind::Bytea),
    Field::new("raw_null", Kind::Bytea).nullable(),
    Field::new("span", Kind::Interval),
    Field::new("span_null", Kind::Interval).nullable(),
];

pub(super) const TABLE: Table = Table::new("scratch", &FIELDS);

const CREATE: &str = r#"
    CREATE TABLE scratch (
        id int8 PRIMARY KEY,
        n int4 NOT NULL, n_null int4,
        t text NOT NULL, t_null text,
        "at" timestamptz NOT NULL, at_null timestamptz,
        f float8 NOT NULL, f_null float8,
        b bool NOT NULL, b_null bool,
        u uuid NOT NULL, u_null uuid,
        raw bytea NOT NULL, raw_null bytea,
        span interval NOT NULL, span_null interval
    )"#;

/// What the values of each kind are drawn from, as text; few, so that there are ties.
const VALUES: [&[&str]; COLUMNS / 2] = [
    &["-2147483648", "0", "7"],
    &["", "Ä", "a\"b'c\\", "line\nbreak", "null"],
    &[
        "-infinity",
        "0044-03-15 12:00:00+00 BC",
        "1850-01-01 00:00:00.000001+00",
        "2024-03-31 01:30:00+00",
        "2024-10-27 01:30:00.999999+00",
        "12024-02-29 00:00:00+00",
        "infinity",
    ],
    &[
        "-Infinity",
        "-0",
        "0",
        "0.1",
        "5e-324",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "Infinity",
        "NaN",
    ],
    &["false", "true"],
    &["00000000-0000-0000-0000-000000000000", "7f000000-0000-4000-8000-00000000000a"],
    &["", "\\x00", "\\x5c78", "\\xff00"],
    // A month is as long as thirty days, and styles of text differ in what a sign is for.
    &[
        "1 mon",
        "30 days",
        "-1 days -02:03:04.000005",
        "-1 days +02:03:04",
        "1 mon -1 day",
        "-1 year 2 mons 3 days -4 hours",
    ],
];

/// The kind with floats, to which a test adds its own.
const FLOATS: usize = 3;

/// A row: one choice a column.
pub(super) type Choice = [u8; COLUMNS];

/// The column's name, for a key by its number.
pub(super) fn name(column: usize) -> &'static str {
    FIELDS[1 + column].name()
}

pub(super) async fn create(conn: &mut PgConnection) {
    conn.execute(CREATE).await.expect("created");
}

/// Replaces the rows; each one's number is its place among `rows`, mixed up.
pub(super) async fn fill(conn: &mut PgConnection, rows: &[Choice], floats: &[f64]) {
    conn.execute("TRUNCATE scratch").await.expect("emptied");
    let floats: Vec<String> = floats.iter().map(|float| format!("{float:e}")).collect();
    let names: Vec<&str> = TABLE.fields().iter().map(Field::name).collect();
    let insert = Insert::into("scratch", &names).from_query(|q| {
        q.from(unnest("new", |arrays| {
            // 7 and 31 have no divisor in common, so every number comes once.
            arrays.column(
                "id",
                (0..rows.len()).map(|row| i64::try_from(row * 7 % 31).expect("small")).collect(),
            );
            for column in 0..COLUMNS {
                let values: Vec<Option<&str>> =
                    rows.iter().map(|row| pick(column, row[column], &floats)).collect();
                arrays.column_as(name(column), values, FIELDS[1 + column].kind().sql_type());
            }
        }))
        .columns(names.as_slice())
    });
    conn.execute(insert.build().expect("valid")).await.expect("accepted");
}

/// A SELECT of the numbers.
pub(super) fn ids() -> Select {
    Select::from("scratch").columns(["id"])
}

fn pick(column: usize, choice: u8, floats: &[String]) -> Option<&str> {
    let kind = column / 2;
    let more = if kind == FLOATS { floats } else { &[] };
    let values = || VALUES[kind].iter().copied().chain(more.iter().map(String::as_str));
    let nulls = if column % 2 == 1 { 2 } else { 0 };
    values().nth(usize::from(choice) % (values().count() + nulls))
}
