//! Migrations that work.

use crate::{NOTES, done, item, set, tables};
use db_migrate::{Event, HistoryTable, Options};
use db_testkit::empty_db;

#[tokio::test]
async fn applies_once_and_remembers() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let migrations = set(&[NOTES, item("0002_tags", "CREATE TABLE tags (id int);", "DROP TABLE tags;")]);

        let before = db_migrate::status(&mut conn, &migrations).await.expect("a status");
        assert_eq!(before.pending, ["0001_notes", "0002_tags"]);
        assert!(before.applied.is_empty(), "a status makes no table");

        let mut events = Vec::new();
        let mut tell = |event: &Event<'_>| match event {
            Event::Started { label, position, total } => events.push(format!("{label} {position}/{total}")),
            Event::Finished { label, .. } => events.push(format!("{label} done")),
            _ => {}
        };
        let report =
            db_migrate::apply(&mut conn, &migrations, &Options::default(), &mut tell).await.expect("applied");
        assert_eq!(done(&report), [1, 2]);
        assert_eq!(events, ["0001_notes 1/2", "0001_notes done", "0002_tags 2/2", "0002_tags done"]);
        assert_eq!(tables(&mut conn).await, ["notes", "tags"]);

        let after = db_migrate::status(&mut conn, &migrations).await.expect("a status");
        assert!(after.pending.is_empty() && after.problems.is_empty(), "{after:?}");
        let first = &after.applied[0];
        assert_eq!((first.label.as_str(), first.statements_done), ("0001_notes", 1));
        assert!(first.finished_at >= Some(first.started_at) && first.execution.is_some(), "{first:?}");
        assert_eq!(first.checksum, migrations.as_slice()[0].checksum());

        let again = db_migrate::apply(&mut conn, &migrations, &Options::default(), &mut |_| {}).await;
        assert!(done(&again.expect("nothing to do")).is_empty());
    })
    .await;
}

#[tokio::test]
async fn keeps_its_history_where_it_is_told() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let migrations = set(&[NOTES]).recorded_in(HistoryTable::in_schema("Ops").expect("a name"));

        db_migrate::apply(&mut conn, &migrations, &Options::default(), &mut |_| {}).await.expect("applied");
        let rows: i64 = sqlx::query_scalar(r#"SELECT count(*) FROM "Ops".db_migrations"#)
            .fetch_one(&mut conn)
            .await
            .expect("the table is there");
        assert_eq!(rows, 1);
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_empties_the_search_path_empties_it_for_itself() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let dumped = item(
            "0001_dumped",
            "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.dumped (id int);",
            "DROP TABLE dumped;",
        );
        let next = item("0002_next", "CREATE TABLE next (id int);", "DROP TABLE next;");
        let report = crate::apply(&mut conn, &[dumped, next]).await.expect("applied");
        assert_eq!(done(&report), [1, 2]);
        assert_eq!(tables(&mut conn).await, ["dumped", "next"]);
    })
    .await;
}
