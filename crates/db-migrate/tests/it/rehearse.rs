//! A dry run on the database itself: it really runs, tells what it took, and changes nothing.

use crate::{NOTES, apply, item, run, set};
use db_migrate::schema::{Snapshot, SnapshotOptions, snapshot};
use db_migrate::{
    Certainty, Course, Embedded, Error, Left, LockMode, Migrations, On, Options, Place, Rehearsal, RevertTo,
    Server, StatementCost, rehearse,
};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;

pub(crate) fn server(db: &FreshDb) -> Server {
    Server::from_url(db.url()).expect("the kit's URL is one")
}

pub(crate) async fn dry(db: &FreshDb, all: &Migrations, course: &Course, on: On) -> Result<Rehearsal, Error> {
    let options = Options { server: Some(server(db)), ..Options::default() };
    rehearse(&server(db), all, course, on, &options, &mut |_| {}).await
}

/// Schema, history and rows: everything that a dry run must leave alone.
pub(crate) async fn everything(conn: &mut PgConnection) -> (Snapshot, Vec<String>, Vec<String>) {
    let schema = snapshot(conn, &SnapshotOptions::default()).await.expect("a schema");
    let history: Vec<String> =
        sqlx::query_scalar("SELECT h::text FROM public.db_migrations AS h ORDER BY seq")
            .fetch_all(&mut *conn)
            .await
            .expect("a history");
    let rows = sqlx::query_scalar("SELECT n::text || ctid::text FROM public.notes AS n ORDER BY 1")
        .fetch_all(conn)
        .await
        .expect("rows");
    (schema, history, rows)
}

fn locks(statement: &StatementCost) -> Vec<(&str, LockMode, Certainty)> {
    statement.locks.iter().map(|lock| (lock.relation.as_str(), lock.mode, lock.certainty)).collect()
}

/// Each statement of a migration with its rows, and the locks and rewrites of it.
const MORE: Embedded = item(
    "0002_more",
    "ALTER TABLE notes ADD COLUMN more int;\n\
     UPDATE notes SET more = id;\n\
     CREATE INDEX notes_more ON notes (more);\n\
     ALTER TABLE notes ALTER id TYPE bigint;\n\
     CREATE TABLE fresh (id int);",
    "DROP TABLE fresh; DROP INDEX notes_more; ALTER TABLE notes DROP COLUMN more;",
);

#[tokio::test]
async fn tells_what_each_statement_took_and_keeps_nothing() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "INSERT INTO notes SELECT generate_series(1, 1000); ANALYZE notes").await;
        let before = everything(&mut conn).await;

        let rehearsal = dry(&db, &set(&[NOTES, MORE]), &Course::Up, On::Auto).await.expect("it runs");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        assert_eq!((rehearsal.place, rehearsal.attempts), (Place::Here, 1));
        let [migration] = rehearsal.migrations.as_slice() else { panic!("{rehearsal:?}") };
        let [add, update, index, alter, create] = migration.statements.as_slice() else {
            panic!("{migration:?}")
        };
        let seen = Certainty::Seen;
        assert_eq!(locks(add), [("public.notes", LockMode::AccessExclusive, seen)]);
        assert_eq!(locks(update), [("public.notes", LockMode::RowExclusive, seen)]);
        assert_eq!(locks(index), [("public.notes", LockMode::Share, seen)]);
        assert_eq!((locks(alter), locks(create)), (vec![], vec![]), "held already, and new");
        assert_eq!((update.rows, update.line), (Some(1000), 2));
        assert!(update.wal_bytes > 10_000, "{update:?}");
        assert!(add.rewritten.is_empty() && index.rewritten.is_empty(), "{migration:?}");
        let [rewritten] = alter.rewritten.as_slice() else { panic!("{alter:?}") };
        assert_eq!((rewritten.relation.as_str(), rewritten.rows), ("public.notes", Some(1000)));
        // From its statement to the end of the migration's transaction.
        assert!(add.locks[0].held >= migration.execution, "{migration:?}");
        assert!(index.locks[0].held < add.locks[0].held);
        let strongest = rehearsal.strongest();
        assert_eq!((strongest.len(), strongest[0].mode), (1, LockMode::AccessExclusive));

        assert_eq!(everything(&mut conn).await, before);
        apply(&mut conn, &[NOTES, MORE]).await.expect("the real run goes the same way");
    })
    .await;
}

#[tokio::test]
async fn the_way_back_is_rehearsed_too() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES, MORE]).await.expect("applied");
        let before = everything(&mut conn).await;
        let back = Course::Down(RevertTo::Last(2));
        let rehearsal = dry(&db, &set(&[NOTES, MORE]), &back, On::Here).await.expect("it runs");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        let labels: Vec<_> = rehearsal.migrations.iter().map(|done| done.label.as_str()).collect();
        assert_eq!(labels, ["0002_more", "0001_notes"]);
        // Its lock is that of the migration before, which the rehearsal holds still.
        let drop = &rehearsal.migrations[1].statements[0];
        assert_eq!(locks(drop), [("public.notes", LockMode::AccessExclusive, Certainty::Assumed)]);
        assert_eq!(everything(&mut conn).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_told_as_in_a_real_run_with_what_came_before() {
    const BROKEN: Embedded = item("0002_broken", "UPDATE notes SET id = 2;\n  SELECT nonsense;", "SELECT 1");
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let before = everything(&mut conn).await;
        let rehearsal = dry(&db, &set(&[NOTES, BROKEN]), &Course::Up, On::Auto).await.expect("a report");
        let Some(Error::Statement(error)) = &rehearsal.failed else { panic!("{rehearsal:?}") };
        assert_eq!((error.file.as_str(), error.line, error.column), ("0002_broken/up.sql", 2, Some(8)));
        assert_eq!((error.sqlstate.as_str(), error.left), ("42703", Left::Nothing));
        assert_eq!(rehearsal.migrations[0].statements.len(), 1);
        assert_eq!(everything(&mut conn).await, before, "not even a row of history");
    })
    .await;
}

#[tokio::test]
async fn on_an_empty_database_not_even_the_history_is_made() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let taking = SnapshotOptions::default();
        let before = snapshot(&mut conn, &taking).await.expect("a schema");
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        // Transactions of the file's own must not reach the server, nor the search path the second file.
        let own = "BEGIN; CREATE TABLE a (id int); COMMIT; SET search_path = nowhere;\nBEGIN; INSERT INTO public.a VALUES (1); END;";
        write("1_own.up.sql", own);
        write("2_b.up.sql", "CREATE TABLE b (id int);");
        let all = Migrations::read(folder.path()).expect("golang-migrate's");
        let rehearsal = dry(&db, &all, &Course::Up, On::Here).await.expect("it runs");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        assert_eq!(rehearsal.migrations[0].statements[2].rows, Some(1));
        assert_eq!(snapshot(&mut conn, &taking).await.expect("a schema"), before);
    })
    .await;
}

#[tokio::test]
async fn deferred_constraints_speak_where_a_real_run_commits() {
    const TREE: Embedded = item(
        "0002_tree",
        "CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO tree VALUES (1, 2); INSERT INTO tree VALUES (2, 1);",
        "SELECT 1",
    );
    // Deferred anew: in a transaction of its own, it may insert in any order, and alter what was checked before.
    const GROW: Embedded = item(
        "0003_grow",
        "ALTER TABLE tree ADD COLUMN name text; INSERT INTO tree VALUES (3, 4); INSERT INTO tree VALUES (4, 3);\n\
         CREATE TABLE other (id int REFERENCES tree DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO other VALUES (5); INSERT INTO tree VALUES (5, 5);",
        "SELECT 1",
    );
    const ORPHAN: Embedded = item("0004_orphan", "INSERT INTO tree VALUES (6, 7);", "SELECT 1");
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let sound = set(&[NOTES, TREE, GROW]);
        let rehearsal = dry(&db, &sound, &Course::Up, On::Here).await.expect("it runs");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        let all = set(&[NOTES, TREE, GROW, ORPHAN]);
        let rehearsal = dry(&db, &all, &Course::Up, On::Here).await.expect("it runs");
        let error = rehearsal.failed.expect("there is no parent").to_string();
        assert_eq!(error, "cannot check the deferred constraints of 0004_orphan, as its commit would");
    })
    .await;
}

#[tokio::test]
async fn code_is_rehearsed_too() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let before = everything(&mut conn).await;
        let rehearsal = dry(&db, &crate::code::with(3), &Course::Up, On::Here).await.expect("it runs");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        let statement = &rehearsal.migrations[0].statements[0];
        assert_eq!(locks(statement), [("public.notes", LockMode::RowExclusive, Certainty::Seen)]);
        assert_eq!(everything(&mut conn).await, before);
    })
    .await;
}

#[tokio::test]
async fn what_ends_the_transaction_by_a_way_not_foreseen_is_told_loudly() {
    // Where a backslash ends no string, the server sees two statements in what is one by the standard.
    const SLY: Embedded = item(
        "0002_sly",
        "SET standard_conforming_strings = off;\nSELECT '\\'' , 'a'; COMMIT; SELECT '\\'';",
        "SELECT 1",
    );
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let rehearsal = dry(&db, &set(&[NOTES, SLY]), &Course::Up, On::Here).await.expect("a report");
        assert!(matches!(rehearsal.failed, Some(Error::Escaped { line: 2, .. })), "{rehearsal:?}");
    })
    .await;
}
