//! Orders and sizes that cannot be, and what is said about them.

use db_query::{BuildError, Direction, Field, Keyset, Kind, PageSize, Select, Table, all};

use Direction::{Ascending, Descending};

const TABLE: Table = Table::new(
    "items",
    &[
        Field::new("id", Kind::Uuid),
        Field::new("priority", Kind::Int2),
        Field::new("created_at", Kind::Timestamptz),
        Field::new("done_at", Kind::Timestamptz).nullable(),
        Field::new("status", Kind::OneOf(&["open", "done"])),
        Field::new("data", Kind::Jsonb),
        Field::new("tags", Kind::TextArray),
        Field::new("links", Kind::UuidArray),
        Field::new("sizes", Kind::Int2Array),
        Field::new("words", Kind::Tsvector),
        Field::new("c1", Kind::Int4),
        Field::new("c2", Kind::Int8),
        Field::new("c3", Kind::Float8),
        Field::new("c4", Kind::Bool),
        Field::new("c5", Kind::Bytea),
    ],
);

fn unique(column: &str) -> Result<Keyset, BuildError> {
    Keyset::unique(&TABLE, column, Ascending)
}

fn parse(order: &str) -> Result<Keyset, BuildError> {
    Keyset::parse(&TABLE, order, "id")
}

fn says(result: Result<Keyset, BuildError>, expected: &str) {
    assert_eq!(result.expect_err(expected).to_string(), expected);
}

#[test]
fn columns_that_are_not_there() {
    says(unique("idd"), r#"table "items" has no column "idd"; did you mean "id"?"#);
    says(
        unique("id").and_then(|keyset| keyset.by("prioriti", Ascending)),
        r#"table "items" has no column "prioriti"; did you mean "priority"?"#,
    );
    says(parse("-creatd_at"), r#"table "items" has no column "creatd_at"; did you mean "created_at"?"#);
    says(parse("xyz"), r#"table "items" has no column "xyz""#);
    for order in [
        "--priority",
        "- priority",
        "+priority",
        "priority desc",
        "priority;",
        "\"priority\"",
        "items.priority",
    ] {
        assert!(matches!(parse(order), Err(BuildError::UnknownColumn { .. })), "{order:?}");
    }
    assert!(matches!(Keyset::parse(&TABLE, "priority", "uid"), Err(BuildError::UnknownColumn { .. })));
}

#[test]
fn columns_that_are_no_keys() {
    says(
        unique("done_at"),
        r#""done_at" of table "items" is no key for pages: it may be NULL, so it is not unique"#,
    );
    for column in ["data", "tags", "links", "sizes", "words"] {
        let said = format!(
            r#""{column}" of table "items" is no key for pages: its values have no order that a page can go by"#
        );
        says(unique(column), &said);
        says(unique("id").and_then(|keyset| keyset.by(column, Descending)), &said);
        says(parse(column), &said);
    }
    for column in ["priority", "created_at", "done_at", "status", "c1", "c2", "c3", "c4", "c5"] {
        assert!(unique("id").and_then(|keyset| keyset.by(column, Descending)).is_ok(), "{column}");
    }
}

#[test]
fn keys_that_come_twice_or_are_too_many() {
    let twice = r#""priority" of table "items" is no key for pages: it is one already"#;
    says(parse("priority,-priority"), twice);
    says(unique("id").and_then(|keyset| keyset.by("id", Ascending)), &twice.replace("priority", "id"));
    says(parse("id,priority"), &twice.replace("priority", "id"));
    says(parse("id,id"), &twice.replace("priority", "id"));
    let seven = "priority,created_at,done_at,status,c1,c2,c3";
    assert!(parse(seven).is_ok(), "eight with the unique one");
    assert!(parse(&format!("{seven},-id")).is_ok(), "eight as well");
    says(
        parse(&format!("{seven},c4")),
        r#""c4" of table "items" is no key for pages: there are eight already"#,
    );
}

#[test]
fn text_says_keys_and_directions() {
    let by = |keys: &[(&str, Direction)], last: Direction| {
        let keyset = Keyset::unique(&TABLE, "id", last).expect("unique");
        keys.iter().fold(keyset, |keyset, &(column, direction)| keyset.by(column, direction).expect("a key"))
    };
    for (order, expected) in [
        ("-priority,created_at", by(&[("priority", Descending), ("created_at", Ascending)], Ascending)),
        ("priority,-created_at", by(&[("priority", Ascending), ("created_at", Descending)], Descending)),
        (" -priority ,\tcreated_at\n", by(&[("priority", Descending), ("created_at", Ascending)], Ascending)),
        ("-done_at,id", by(&[("done_at", Descending)], Ascending)),
        ("done_at,-id", by(&[("done_at", Ascending)], Descending)),
        ("-id", by(&[], Descending)),
        ("id", by(&[], Ascending)),
        ("", by(&[], Ascending)),
        (" \t\n", by(&[], Ascending)),
        (",, ,", by(&[], Ascending)),
    ] {
        assert_eq!(parse(order).expect(order), expected, "{order:?}");
    }
}

#[test]
fn pages_of_no_rows_or_too_many() {
    for rows in [0, 1_001, u16::MAX] {
        let error = PageSize::new(rows).expect_err("refused");
        assert_eq!(error, BuildError::PageSize { rows, max: 1_000 });
        assert_eq!(error.to_string(), format!("a page of {rows} rows: it may have 1 to 1000"));
    }
    for rows in [1, 1_000] {
        assert_eq!(PageSize::new(rows).expect("a size").rows(), rows);
    }
}

/// The page's own clauses are those that the statement may not have already.
#[test]
fn statements_that_are_cut_already() {
    let pages = db_query::Pages::new(unique("id").expect("a key"), super::key());
    let request = pages.request(None, super::size(1)).expect("the first page");
    let select = pages.select(Select::from("items").columns(all()).limit(3), &request);
    assert_eq!(select.build().expect_err("two limits"), BuildError::Twice { clause: "LIMIT" });
}
