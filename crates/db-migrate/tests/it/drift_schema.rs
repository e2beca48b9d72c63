//! A database that was changed by hand.

use crate::rehearse::server;
use crate::{NOTES, apply, item, run, set};
use db_migrate::schema::{ColumnOrder, Privileges, Snapshot, SnapshotOptions, diff};
use db_migrate::{Embedded, Error, Options, drift, live_schema, migrated_schema};
use db_testkit::{FreshDb, empty_db};

const TAGS: Embedded = item("0002_tags", "CREATE TABLE tags (id int);", "DROP TABLE tags;");
/// Never applied in these tests.
const LATER: Embedded = item("0003_later", "CREATE TABLE later (id int);", "DROP TABLE later;");

async fn differences(db: &FreshDb, taking: &SnapshotOptions) -> Vec<String> {
    let all = set(&[NOTES, TAGS, LATER]);
    let found = drift(&server(db), &all, taking, &Options::default(), &mut |_| {}).await;
    found.expect("it can be compared").differences.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_was_altered_by_hand_is_told_and_what_is_pending_is_not() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES, TAGS]).await.expect("applied");
        let taking = SnapshotOptions::default();
        assert_eq!(differences(&db, &taking).await, Vec::<String>::new());

        run(&mut conn, "ALTER TABLE notes ADD COLUMN hasty int; CREATE INDEX hasty ON tags (id); GRANT SELECT ON tags TO PUBLIC")
            .await;
        run(&mut conn, "CREATE EXTENSION pg_trgm VERSION '1.5'").await;
        let found = differences(&db, &taking).await;
        let told = |text: &str| found.iter().any(|line| line.contains(text));
        assert!(told("column public.notes.hasty is extra") && told("index public.hasty is extra"), "{found:?}");
        assert!(told("privileges on table public.tags") && told("extension pg_trgm is extra"), "{found:?}");
        assert_eq!(found.len(), 5, "and its comment: {found:?}");
        let mut less = SnapshotOptions::default();
        less.privileges = Privileges::Ignore;
        less.exclude = vec!["public.tags".to_owned()];
        assert_eq!(differences(&db, &less).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn where_files_were_edited_nobody_knows_what_the_schema_should_be() {
    empty_db(|db| async move {
        apply(&mut db.connect().await, &[NOTES]).await.expect("applied");
        let edited = set(&[Embedded { up: "CREATE TABLE notes (id bigint);", ..NOTES }]);
        let taking = SnapshotOptions::default();
        let error = drift(&server(&db), &edited, &taking, &Options::default(), &mut |_| {}).await;
        assert!(matches!(error, Err(Error::Plan(_))), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_schema_of_the_database_is_found_by_the_search_path_that_it_has() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE SCHEMA app").await;
        let sql = format!("ALTER DATABASE \"{}\" SET search_path = app, public", db.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.expect("altered");
        let mut conn = db.connect().await;
        let app =
            item("0001_app", "CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE it (id int);", "DROP TABLE it;");
        apply(&mut conn, &[app]).await.expect("applied");
        let taking = SnapshotOptions::default();
        let found = drift(&server(&db), &set(&[app]), &taking, &Options::default(), &mut |_| {}).await;
        assert_eq!(found.expect("compared").differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_of_the_files_is_one_of_the_database() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let all = set(&[NOTES, TAGS]);
        let taking = SnapshotOptions::default();
        let options = Options::default();
        let made = migrated_schema(&server(&db), &all, &taking, &options, &mut |_| {}).await.expect("made");
        assert!(live_schema(&mut conn, &all, &taking).await.expect("read") != made, "nothing is applied yet");
        apply(&mut conn, &[NOTES, TAGS]).await.expect("applied");
        let live = live_schema(&mut conn, &all, &taking).await.expect("read");
        assert_eq!((live.fingerprint(), diff(&made, &live)), (made.fingerprint(), vec![]));
        assert_eq!(Snapshot::parse(&made.to_string()), Ok(made));
    })
    .await;
}

#[tokio::test]
async fn an_old_snapshot_is_compared_by_what_is_asked_for() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let all = set(&[NOTES]);
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let old = live_schema(&mut conn, &all, &SnapshotOptions::default()).await.expect("read");
        run(&mut conn, "ALTER TABLE notes DROP COLUMN id; ALTER TABLE notes ADD COLUMN id int; GRANT SELECT ON notes TO PUBLIC").await;
        let mut taking = SnapshotOptions::default();
        taking.column_order = ColumnOrder::Ignore;
        taking.privileges = Privileges::Ignore;
        let now = live_schema(&mut conn, &all, &taking).await.expect("read");
        assert!(diff(&old, &now).len() > 1);
        assert_eq!(diff(&old.under(&taking), &now), []);
    })
    .await;
}
