//! Up, down and up again, on a scratch database.

use crate::rehearse::server;
use crate::{NOTES, item, outside, set, tables};
use db_migrate::schema::{ColumnOrder, SnapshotOptions};
use db_migrate::{Embedded, Error, Options, Rules, Verdict, Verified, verify};
use db_testkit::{FreshDb, empty_db};

const LAST: Embedded = item("0003_last", "CREATE TABLE last (id int);", "DROP TABLE last;");

async fn verified(db: &FreshDb, items: &[Embedded], taking: &SnapshotOptions) -> Verified {
    Box::pin(verify(&server(db), &set(items), taking, &Options::default(), &mut |_| {}))
        .await
        .expect("it can be judged")
}

/// The verdict on a migration, which stands between two that are clean.
async fn check(up: &'static str, down: &'static str, expected: &str) {
    empty_db(|db| async move {
        let items = [NOTES, item("0002_it", up, down), LAST];
        let verified = verified(&db, &items, &SnapshotOptions::default()).await;
        let [first, it, last] = verified.migrations.as_slice() else { panic!("{verified:?}") };
        assert!(matches!((&first.verdict, &last.verdict), (Verdict::Clean, Verdict::Clean)), "{verified:?}");
        assert!(it.verdict.to_string().contains(expected), "{verified:?}");
        assert_eq!(verified.is_unsafe(), expected != "clean");
        assert!(tables(&mut db.connect().await).await.is_empty(), "the database itself is not touched");
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_restores_everything_is_clean() {
    check(
        "ALTER TABLE notes ADD COLUMN more int; CREATE INDEX CONCURRENTLY notes_more ON notes (more);",
        "DROP INDEX CONCURRENTLY notes_more; ALTER TABLE notes DROP COLUMN more;",
        "clean",
    )
    .await;
}

#[tokio::test]
async fn a_way_back_that_forgets_an_index_is_named_with_it() {
    check(
        "CREATE TABLE more (id int); CREATE INDEX notes_id ON notes (id);",
        "DROP TABLE more;",
        "the way back leaves a residue:\n    index public.notes_id is extra",
    )
    .await;
}

#[tokio::test]
async fn a_way_back_that_fails_is_named_with_its_error() {
    check(
        "CREATE TABLE more (id int);",
        "DROP TABLE mroe;",
        "the way back fails: 0002_it/down.sql:1: statement 1 (DROP TABLE mroe) failed: table \"mroe\" does not exist",
    )
    .await;
}

#[tokio::test]
async fn one_that_fails_half_way_does_not_spoil_the_rest() {
    check(
        "CREATE TABLE more (id int);",
        "DROP TABLE more; DROP INDEX CONCURRENTLY nothing;",
        "the way back fails: 0002_it/down.sql:1:",
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_applied_again_is_named() {
    let (up, down) = ("CREATE TABLE more (id int); INSERT INTO notes VALUES (1);", "DROP TABLE more;");
    check(up, down, "clean").await;
    check(
        "CREATE TABLE more (id int); INSERT INTO notes VALUES (1);\n\
         CREATE FUNCTION one() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM notes';\n\
         DO $$ BEGIN IF one() > 1 THEN RAISE 'once only'; END IF; END $$;",
        "DROP TABLE more; DROP FUNCTION one();",
        "after the way back it cannot be applied again: 0002_it/up.sql:3",
    )
    .await;
    check(
        "CREATE SEQUENCE IF NOT EXISTS s; DO $$ BEGIN IF EXISTS (SELECT FROM notes) THEN CREATE TABLE more (); END IF; END $$;\n\
         INSERT INTO notes VALUES (1);",
        "DROP SEQUENCE s;",
        "after the way back it makes something else:\n    table public.more is extra",
    )
    .await;
}

#[tokio::test]
async fn a_column_that_comes_back_at_the_end_counts_unless_told() {
    const MOVED: Embedded =
        item("0002_moved", "ALTER TABLE notes DROP COLUMN id;", "ALTER TABLE notes ADD COLUMN id int;");
    empty_db(|db| async move {
        let strict = verified(&db, &[NOTES, MOVED], &SnapshotOptions::default()).await;
        let Verdict::Residue(differences) = &strict.migrations[1].verdict else { panic!("{strict:?}") };
        let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let first = "column public.notes.id: after was not set, is text";
        assert_eq!(differences, [first, "column public.notes.text: after was id, is not set"]);
        let mut taking = SnapshotOptions::default();
        taking.column_order = ColumnOrder::Ignore;
        assert!(!verified(&db, &[NOTES, MOVED], &taking).await.is_unsafe());
    })
    .await;
}

#[tokio::test]
async fn what_has_no_way_back_is_named_and_is_not_unsafe() {
    empty_db(|db| async move {
        let items = [NOTES, outside("0002_only", "CREATE INDEX CONCURRENTLY i ON notes (id);"), LAST];
        let verified = verified(&db, &items, &SnapshotOptions::default()).await;
        assert_eq!((verified.irreversible(), verified.is_unsafe()), (vec!["0002_only"], false));
        assert!(verified.whole.is_none(), "only one can go back");
    })
    .await;
}

#[tokio::test]
async fn all_go_back_and_there_again() {
    empty_db(|db| async move {
        let items = [NOTES, item("0002_b", "CREATE VIEW b AS SELECT id FROM notes;", "DROP VIEW b;"), LAST];
        let all = verified(&db, &items, &SnapshotOptions::default()).await;
        let whole = all.whole.expect("three");
        assert!((whole.migrations, whole.verdict.is_wrong()) == (3, false));
    })
    .await;
}

#[tokio::test]
async fn the_rules_count_and_a_way_there_that_fails_ends_it() {
    empty_db(|db| async move {
        let all = set(&[NOTES, item("0002_broken", "SELECT nonsense;", "SELECT 1;"), LAST]);
        let taking = SnapshotOptions::default();
        let options = Options::default();
        let error =
            Box::pin(verify(&server(&db), &all, &taking, &options, &mut |_| {})).await.expect_err("it fails");
        assert!(matches!(&error, Error::Statement(error) if error.file == "0002_broken/up.sql"), "{error}");
        let rules = Rules { to: Some("1".to_owned()), ..Rules::default() };
        let options = Options { rules, ..Options::default() };
        let verified =
            Box::pin(verify(&server(&db), &all, &taking, &options, &mut |_| {})).await.expect("one is sound");
        assert_eq!(verified.migrations.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_need_two_scratch_databases_when_one_is_wrong() {
    empty_db(|db| async move {
        let leak = |text: String| -> &'static str { text.leak() };
        let items: Vec<Embedded> = (1..=100)
            .map(|number| {
                let up = format!("CREATE TABLE t{number} (id bigint PRIMARY KEY, a text);");
                let down =
                    if number == 40 { "SELECT 1;".to_owned() } else { format!("DROP TABLE t{number};") };
                item(leak(format!("{number:04}_t")), leak(up), leak(down))
            })
            .collect();
        let verified = verified(&db, &items, &SnapshotOptions::default()).await;
        let wrong = verified.migrations.iter().filter(|trip| trip.verdict.is_wrong());
        assert_eq!(wrong.map(|trip| trip.label.as_str()).collect::<Vec<_>>(), ["0040_t"]);
        assert_eq!(verified.migrations.len(), 100);
        let whole = verified.whole.expect("those after it");
        assert_eq!((whole.migrations, whole.verdict.is_wrong()), (60, false));
    })
    .await;
}
