//! Filters from JSON: which rows they find, and what is said about those that are none.

use db_query::{
    BuildError, Delete, Field, Filter, FilterError, FilterLimits, Kind, Select, Table, asc, table_as,
};
use db_testkit::fresh_db;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use sqlx::{Executor, PgConnection, Row};

const THINGS: Table = Table::new(
    "things",
    &[
        Field::new("id", Kind::Int4),
        Field::new("name", Kind::Text).nullable(),
        Field::new("status", Kind::OneOf(&["open", "shut"])),
        Field::new("small", Kind::Int2).nullable(),
        Field::new("large", Kind::Int8).nullable(),
        Field::new("share", Kind::Float8).nullable(),
        Field::new("good", Kind::Bool).nullable(),
        Field::new("key", Kind::Uuid).nullable(),
        Field::new("at", Kind::Timestamptz).nullable(),
        Field::new("tags", Kind::TextArray).nullable(),
        Field::new("keys", Kind::UuidArray).nullable(),
        Field::new("steps", Kind::Int2Array).nullable(),
        Field::new("data", Kind::Jsonb).nullable(),
        Field::new("raw", Kind::Bytea).nullable(),
    ],
);

const ROWS: &str = r#"
CREATE TABLE things (id int PRIMARY KEY, name text, status text, small smallint, large bigint, share float8, good bool,
    key uuid, at timestamptz, tags text[], keys uuid[], steps smallint[], data jsonb, raw bytea);
INSERT INTO things VALUES
    (1, 'one', 'open', 1, 10, 0.5, true, '00000000-0000-0000-0000-000000000001', '2026-01-01T00:00:00Z', '{a,b}',
     '{00000000-0000-0000-0000-000000000001}', '{1,2}', '{"n": 1, "s": "x", "o": {"p": [1, 2]}, "nil": null}', 'x'),
    (2, 'Two', 'shut', 2, 20, 1.5, false, '00000000-0000-0000-0000-000000000002', '2026-02-01T00:00:00Z', '{b}',
     '{}', '{2}', '{"n": 2.5, "s": "y"}', 'y'),
    (3, '50%_\', 'open', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"n": "2"}', NULL),
    (4, NULL, 'shut', -3, -30, 'NaN', true, NULL, NULL, '{}', NULL, NULL, NULL, NULL);
"#;

async fn found(conn: &mut PgConnection, filter: &str) -> Vec<i32> {
    let filter = Filter::parse(filter, &THINGS).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let select = Select::from(table_as("things", "t"))
        .columns(["t.id"])
        .filter(filter.alias("t").into_condition())
        .order_by(asc("t.id"))
        .build()
        .expect("valid");
    let sql = select.sql().to_owned();
    let rows = conn.fetch_all(select).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn find_what_they_say() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        conn.execute(ROWS).await.expect("rows");
        for (filter, expected) in [
            ("{}", &[1, 2, 3, 4][..]),
            (r#"{"name": "one"}"#, &[1]),
            (r#"{"name": {"$eq": "one"}, "status": "open"}"#, &[1]),
            (r#"{"name": null}"#, &[4]),
            (r#"{"name": {"$ne": null}}"#, &[1, 2, 3]),
            // What is NULL is not the value.
            (r#"{"name": {"$ne": "one"}}"#, &[2, 3, 4]),
            (r#"{"small": {"$gt": 1}}"#, &[2]),
            (r#"{"small": {"$gte": 1, "$lt": 2}}"#, &[1]),
            (r#"{"large": {"$lte": 10}}"#, &[1, 4]),
            (r#"{"share": {"$gt": 1}}"#, &[2, 4]),
            (r#"{"good": true}"#, &[1, 4]),
            (r#"{"key": "00000000-0000-0000-0000-000000000002"}"#, &[2]),
            (r#"{"at": {"$gte": "2026-02-01T01:00:00+01:00"}}"#, &[2]),
            (r#"{"id": {"$in": [1, 3, 9]}}"#, &[1, 3]),
            (r#"{"id": {"$in": []}}"#, &[]),
            (r#"{"small": {"$in": [1, null]}}"#, &[1, 3]),
            (r#"{"small": {"$nin": [1]}}"#, &[2, 3, 4]),
            (r#"{"small": {"$nin": [1, null]}}"#, &[2, 4]),
            (r#"{"status": {"$in": ["shut"]}}"#, &[2, 4]),
            (r#"{"small": {"$exists": true}}"#, &[1, 2, 4]),
            (r#"{"small": {"$exists": false}}"#, &[3]),
            (r#"{"name": {"$regex": "^t"}}"#, &[]),
            (r#"{"name": {"$regex": "^t", "$options": "i"}}"#, &[2]),
            (r#"{"name": {"$contains": "%_\\"}}"#, &[3]),
            (r#"{"name": {"$contains": "n"}}"#, &[1]),
            (r#"{"name": {"$startsWith": "T"}}"#, &[2]),
            (r#"{"tags": {"$contains": "b"}}"#, &[1, 2]),
            (r#"{"tags": {"$contains": ["a", "b"]}}"#, &[1]),
            (r#"{"keys": {"$contains": "00000000-0000-0000-0000-000000000001"}}"#, &[1]),
            (r#"{"steps": {"$contains": [2]}}"#, &[1, 2]),
            (r#"{"$or": [{"id": 1}, {"id": 2, "status": "open"}]}"#, &[1]),
            (r#"{"$and": [{"id": {"$gt": 1}}, {"id": {"$lt": 3}}]}"#, &[2]),
            (r#"{"$nor": [{"id": 1}, {"small": 2}]}"#, &[3, 4]),
            (r#"{"$not": {"small": 1}}"#, &[2, 3, 4]),
            (r#"{"small": {"$not": {"$gt": 1}}}"#, &[1, 3, 4]),
            // Into JSON.
            (r#"{"data.n": 1}"#, &[1]),
            (r#"{"data.n": 1.0}"#, &[1]),
            (r#"{"data.n": {"$gt": 1}}"#, &[2]),
            (r#"{"data.n": {"$gte": "1"}}"#, &[3]),
            (r#"{"data.n": {"$in": [2.5, "2"]}}"#, &[2, 3]),
            (r#"{"data.s": {"$regex": "[xy]"}}"#, &[1, 2]),
            (r#"{"data.s": {"$startsWith": "x"}}"#, &[1]),
            (r#"{"data.o.p": [1, 2]}"#, &[1]),
            (r#"{"data.o.p.1": 2}"#, &[1]),
            (r#"{"data.o": {"$contains": {"p": [2]}}}"#, &[1]),
            (r#"{"data": {"$contains": {"s": "y"}}}"#, &[2]),
            (r#"{"data.nil": {"$exists": true}}"#, &[1]),
            (r#"{"data.nil": null}"#, &[1, 2, 3, 4]),
            (r#"{"data.s": {"$ne": null}}"#, &[1, 2]),
            (r#"{"data.s": {"$ne": "x"}}"#, &[2, 3, 4]),
            (r#"{"data": {"n": "2"}}"#, &[3]),
        ] {
            assert_eq!(found(&mut conn, filter).await, expected, "{filter}");
        }
    })
    .await;
}

fn refused(filter: &str) -> FilterError {
    Filter::parse(filter, &THINGS).expect_err(filter)
}

#[test]
fn say_what_is_wrong_and_where() {
    for (filter, expected) in [
        ("[]", "the filter: [] where there should be an object of columns and operators"),
        (r#"{"nam": 1}"#, r#"nam: table "things" has no column "nam"; did you mean "name"?"#),
        (r#"{"$orr": []}"#, r#"$orr: there is no operator "$orr" here; did you mean "$or"?"#),
        (r#"{"id": {"$gtt": 1}}"#, r#"id.$gtt: there is no operator "$gtt" here; did you mean "$gt"?"#),
        (r#"{"id": {"$where": "x"}}"#, r#"id.$where: there is no operator "$where" here"#),
        (r#"{"$or": []}"#, "$or: [] where there should be a filter at least"),
        (r#"{"$or": {"id": 1}}"#, r#"$or: {"id":1} where there should be a list of filters"#),
        (
            r#"{"$or": [{"id": 1}, {"id": {"$in": 3}}]}"#,
            "$or[1].id.$in: 3 where there should be a list of values",
        ),
        (r#"{"id": "1"}"#, r#"id: "1" is no value of column "id", which holds integers of 32 bits"#),
        (r#"{"id": 1.5}"#, r#"id: 1.5 is no value of column "id", which holds integers of 32 bits"#),
        (
            r#"{"small": 40000}"#,
            r#"small: 40000 is no value of column "small", which holds integers from -32768 to 32767"#,
        ),
        (
            r#"{"large": 9223372036854775808}"#,
            r#"large: 9223372036854775808 is no value of column "large", which holds integers of 64 bits"#,
        ),
        (
            r#"{"status": "opne"}"#,
            r#"status: "opne" is no value of column "status", which holds one of a few texts; did you mean "open"?"#,
        ),
        (
            r#"{"status": {"$gt": "a"}}"#,
            r#"status.$gt: $gt does not go with column "status", which holds one of a few texts"#,
        ),
        (r#"{"key": "no"}"#, r#"key: "no" is no value of column "key", which holds UUIDs"#),
        (
            r#"{"at": "yesterday"}"#,
            r#"at: "yesterday" is no value of column "at", which holds times as in RFC 3339"#,
        ),
        (r#"{"name": "a\u0000b"}"#, r#"name: "a\u0000b" is no value of column "name", which holds texts"#),
        (r#"{"name.x": 1}"#, r#"name.x: column "name" holds no JSON that a path could go into"#),
        (r#"{"data..x": 1}"#, r#"data..x: "data..x" where there should be a path without empty keys"#),
        (
            r#"{"small": {"$contains": 1}}"#,
            r#"small.$contains: $contains does not go with column "small", which holds integers from -32768 to 32767"#,
        ),
        (r#"{"small": {"$regex": "1"}}"#, "small.$regex: $regex does not go with column"),
        (r#"{"raw": "x"}"#, r#"raw: "x" is no value of column "raw", which holds bytes"#),
        (r#"{"name": {"$regex": "a", "$options": "x"}}"#, r#"where there should be "i" as $options"#),
        (r#"{"name": {"$options": "i"}}"#, r#"there is no operator "$options" here"#),
        (
            r#"{"name": {"$regex": "("}}"#,
            r#""(" is no regular expression that is taken here: a parenthesis is not closed"#,
        ),
        (r#"{"name": "a", "name": "b"}"#, r#""name" stands in an object twice"#),
        (r#"{"name": {"$exists": 1}}"#, "name.$exists: 1 where there should be true or false"),
        (r#"{"name": {"$not": {}}}"#, "name.$not: {} where there should be an operator at least"),
        (r#"{"data.n": {"$gt": true}}"#, "data.n.$gt: true where there should be a number or a text"),
        (r#"{"a": "#, "the filter is no JSON: EOF"),
    ] {
        let error = refused(filter).to_string();
        assert!(error.contains(expected), "{filter}: {error}");
    }
}

#[tokio::test]
async fn whose_regular_expressions_pass_are_taken_by_the_server() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        conn.execute(ROWS).await.expect("rows");
        let mut rng = SmallRng::seed_from_u64(7);
        let signs: Vec<char> = r"()[]{}|*+?^$\.,-:=!ab1d".chars().collect();
        let mut taken = 0;
        for _ in 0..20_000 {
            let pattern: String =
                (0..rng.random_range(1..9)).map(|_| signs[rng.random_range(0..signs.len())]).collect();
            let Ok(filter) =
                Filter::from_value(&json!({"name": {"$regex": pattern}}), &THINGS, FilterLimits::default())
            else {
                continue;
            };
            taken += 1;
            let select = Select::from("things")
                .columns(["id"])
                .filter(filter.into_condition())
                .build()
                .expect("valid");
            if let Err(error) = conn.fetch_all(select).await {
                panic!("{pattern:?}: {error}");
            }
        }
        assert!(taken > 500, "{taken}");
    })
    .await;
}

#[test]
fn have_limits() {
    let nested = |depth: usize| (0..depth).fold(json!({"id": 1}), |inner, _| json!({"$or": [inner]}));
    let read = |value: &serde_json::Value| Filter::from_value(value, &THINGS, FilterLimits::default());
    assert!(read(&nested(15)).is_ok());
    for (value, what) in [
        (nested(20), "levels"),
        (json!({"$or": vec![json!({"id": 1}); 300]}), "comparisons"),
        (json!({"$or": vec![json!({}); 300]}), "comparisons"),
        (json!({"name": {"$in": vec!["x".repeat(60_000); 20]}}), "bytes in all values"),
        (json!({"id": {"$in": vec![1; 1_001]}}), "values in a list"),
        (json!({"tags": {"$contains": vec!["x"; 1_001]}}), "values in a list"),
        (json!({"name": "x".repeat(65_537)}), "bytes in a text"),
        (json!({"data": {"$contains": {"k": "x".repeat(65_537)}}}), "bytes in a text"),
        (json!({"name": {"$regex": "x".repeat(513)}}), "bytes in a regular expression"),
        (json!({ format!("data{}", ".x".repeat(17)): 1 }), "keys in a path"),
        (json!({"data": (0..20).fold(json!(1), |inner, _| json!([inner]))}), "levels in a value"),
    ] {
        let error = read(&value).expect_err(what);
        assert!(
            matches!(&error, FilterError::TooMuch { what: found, .. } if *found == what),
            "{what}: {error}"
        );
        assert!(error.to_string().len() < 400, "an error never brings all of it back");
    }
}

#[test]
fn that_say_nothing_do_not_delete_everything() {
    for filter in [
        "{}",
        r#"{"$or": [{}, {"id": 1}]}"#,
        r#"{"$and": [{}, {}]}"#,
        r#"{"$not": {"$not": {}}}"#,
        r#"{"$nor": [{"$not": {}}]}"#,
        r#"{"name": {"$nin": []}}"#,
        r#"{"$not": {"name": {"$in": []}}}"#,
        r#"{"$or": [{"id": 1}, {"name": {"$nin": []}}]}"#,
    ] {
        let condition = Filter::parse(filter, &THINGS).expect("a filter").into_condition();
        assert_eq!(
            Delete::from("things").filter(condition).build().unwrap_err(),
            BuildError::Unbounded,
            "{filter}"
        );
    }
    let condition = Filter::parse(r#"{"id": 1}"#, &THINGS).expect("a filter").into_condition();
    assert!(Delete::from("things").filter(condition).build().is_ok());
}
