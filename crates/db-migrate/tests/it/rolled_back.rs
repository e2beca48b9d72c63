//! What a file rolls back itself is run as its author had it, and nothing of it stays.

use crate::rehearse::{dry, everything, server};
use crate::{run, tables};
use db_migrate::schema::SnapshotOptions;
use db_migrate::{
    Course, Error, Format, Left, LockMode, Migrations, On, Options, Outcome, Place, Recover, RevertTo,
    Verdict, Way, verify,
};
use db_testkit::empty_db;
use sqlx::PgConnection;

const NOTES: &str = "CREATE TABLE notes (id int, text text); CREATE SEQUENCE runs;";
/// Its trial would be in the way of what comes after, if anything of it stayed.
const UP: &str = "BEGIN;\nSET search_path = pg_catalog;\nSELECT nextval('public.runs');\n\
    ALTER TABLE public.notes ALTER id TYPE bigint;\nCREATE TABLE public.lasting ();\nROLLBACK;\n\
    ALTER TABLE notes ADD COLUMN more int;\nCREATE TABLE lasting (id int);";
const DOWN: &str =
    "BEGIN;\nDELETE FROM notes;\nROLLBACK;\nDROP TABLE lasting; ALTER TABLE notes DROP COLUMN more;";

fn files(up: &str, down: &str) -> Migrations {
    read(&[("1_notes.up.sql", NOTES), ("2_it.up.sql", up), ("2_it.down.sql", down)])
}

fn notes() -> Migrations {
    read(&[("1_notes.up.sql", NOTES)])
}

fn read(files: &[(&str, &str)]) -> Migrations {
    Migrations::from_files(files, Some(Format::GolangMigrate), &Default::default()).expect("sound").0
}

async fn apply(conn: &mut PgConnection, all: &Migrations) -> Result<db_migrate::Report, Error> {
    db_migrate::apply(conn, all, &Options::default(), &mut |_| {}).await
}

async fn recover(conn: &mut PgConnection, all: &Migrations, way: Way) {
    let how = Recover { way, ..Recover::default() };
    db_migrate::recover(conn, all, how, &Options::default(), &mut |_| {}).await.expect("recovered");
}

async fn number(conn: &mut PgConnection, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(conn).await.expect("a number")
}

#[tokio::test]
async fn it_is_run_and_leaves_nothing_either_way() {
    empty_db(|db| async move {
        let (mut conn, all) = (db.connect().await, files(UP, DOWN));
        apply(&mut conn, &all).await.expect("applied");
        assert_eq!(tables(&mut conn).await, ["lasting", "notes"]);
        assert_eq!(number(&mut conn, "SELECT last_value FROM runs WHERE is_called").await, 1, "it did run");
        run(&mut conn, "INSERT INTO notes VALUES (1)").await;
        let back = RevertTo::Last(1);
        db_migrate::revert(&mut conn, &all, &back, &Options::default(), &mut |_| {}).await.expect("reverted");
        assert_eq!(tables(&mut conn).await, ["notes"]);
        assert_eq!(number(&mut conn, "SELECT count(*) FROM notes").await, 1);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_nothing_else_is_applied() {
    empty_db(|db| async move {
        let (mut conn, all) =
            (db.connect().await, files("BEGIN; SELECT nextval('runs'); ABORT;", "BEGIN; ROLLBACK;"));
        apply(&mut conn, &all).await.expect("applied");
        let status = db_migrate::status(&mut conn, &all).await.expect("a status");
        assert_eq!((status.pending.len(), status.problems.len()), (0, 0));
        assert_eq!(status.applied[1].outcome, Outcome::Applied);
    })
    .await;
}

#[tokio::test]
async fn one_that_fails_stops_the_run_as_any_statement_does() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let wrong = UP.replace("nextval('public.runs')", "1/0");
        let error = apply(&mut conn, &files(&wrong, DOWN)).await.expect_err("it fails");
        let Error::Statement(error) = error else { panic!("{error}") };
        assert_eq!((error.line, error.left), (3, Left::Half));
        recover(&mut conn, &files(UP, DOWN), Way::Finish).await;
        assert_eq!(tables(&mut conn).await, ["lasting", "notes"]);
    })
    .await;
}

#[tokio::test]
async fn what_it_set_is_not_set_again_where_a_run_goes_on() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &notes()).await.expect("applied");
        run(&mut conn, "ALTER TABLE notes ADD COLUMN more int").await;
        apply(&mut conn, &files(UP, DOWN)).await.expect_err("the column is there");
        run(&mut conn, "ALTER TABLE notes DROP COLUMN more").await;
        recover(&mut conn, &files(UP, DOWN), Way::Finish).await;
        assert_eq!(tables(&mut conn).await, ["lasting", "notes"]);
    })
    .await;
}

#[tokio::test]
async fn undoing_does_nothing_of_it() {
    const HALF: &str = "BEGIN; UPDATE others SET id = 2; ROLLBACK; BEGIN; CREATE TABLE lasting (more int); ALTER TABLE notes ADD COLUMN more int; \
        INSERT INTO notes VALUES (1); COMMIT; BEGIN; SELECT 1/0; ROLLBACK;";
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE TABLE others (id int); INSERT INTO others VALUES (1)").await;
        let all = files(HALF, &format!("{DOWN} DELETE FROM others;"));
        apply(&mut conn, &all).await.expect_err("it fails half way");
        recover(&mut conn, &all, Way::Undo).await;
        assert_eq!(tables(&mut conn).await, ["notes", "others"]);
        assert_eq!(number(&mut conn, "SELECT count(*) FROM others").await, 1, "nothing of it was ever done");
        assert_eq!(number(&mut conn, "SELECT count(*) FROM notes").await, 1, "the DELETE is rolled back");
    })
    .await;
}

#[tokio::test]
async fn a_rehearsal_measures_it_and_goes_on_without_it() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &notes()).await.expect("applied");
        run(&mut conn, "INSERT INTO notes VALUES (1)").await;
        let before = everything(&mut conn).await;
        let all = files(&format!("{UP} INSERT INTO notes VALUES (2);"), DOWN);
        for on in [On::Here, On::Copy] {
            let found = dry(&db, &all, &Course::Up, on).await.expect("it runs");
            assert!(found.failed.is_none(), "{found:?}");
            assert_eq!(found.place == Place::Here, on == On::Here);
            let costs = &found.migrations[0].statements;
            let lines: Vec<_> = costs.iter().map(|cost| cost.line).collect();
            assert_eq!(lines, [2, 3, 4, 5, 7, 8, 8], "its cost is a real one");
            let locked = |at: usize| {
                let of_notes = costs[at].locks.iter().find(|lock| lock.relation == "public.notes");
                of_notes.map(|lock| lock.mode)
            };
            assert_eq!(
                (locked(2), locked(4)),
                (Some(LockMode::AccessExclusive), Some(LockMode::AccessExclusive))
            );
            let rewrites: Vec<_> = costs.iter().map(|cost| cost.rewritten.len()).collect();
            assert_eq!(rewrites, [0, 0, 1, 0, 0, 0, 0]);
            assert_eq!(everything(&mut conn).await, before);
        }
    })
    .await;
}

#[tokio::test]
async fn a_way_back_is_judged_without_it() {
    empty_db(|db| async move {
        let (taking, options) = (SnapshotOptions::default(), Options::default());
        let all = files(UP, DOWN);
        let found =
            Box::pin(verify(&server(&db), &all, &taking, &options, &mut |_| {})).await.expect("judged");
        assert!(matches!(found.migrations[1].verdict, Verdict::Clean), "{found:?}");
    })
    .await;
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn a_squashed_migration_has_nothing_of_it() {
    empty_db(|db| async move {
        let (options, search) = (Options::default(), Default::default());
        let all = files(UP, DOWN);
        let made =
            Box::pin(db_migrate::squash(&server(&db), &all, None, &options, &search)).await.expect("proved");
        assert!(made.sql.contains("more integer") && !made.sql.contains("bigint,"), "{}", made.sql);
    })
    .await;
}
