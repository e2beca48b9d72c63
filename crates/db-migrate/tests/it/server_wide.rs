//! What acts on the whole server is refused before it runs on a scratch database, where nothing would undo it.

use crate::rehearse::{dry, server};
use crate::{NOTES, item, outside, set};
use db_migrate::schema::SnapshotOptions;
use db_migrate::{Course, Embedded, Error, On, Options, Place, ServerWide, migrated_schema, verify};
use db_testkit::{FreshDb, empty_db};

/// A role that no other test makes.
fn role(db: &FreshDb) -> String {
    format!("r{}", &db.name()[db.name().len() - 16..])
}

async fn has_role(db: &FreshDb) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(role(db))
        .fetch_one(&mut db.connect().await)
        .await
        .expect("an answer")
}

/// Makes the role, and drops it on the way back.
fn making(db: &FreshDb) -> Embedded {
    let (up, down) = (format!("SELECT 1;\nCREATE ROLE {};", role(db)), format!("DROP ROLE {};", role(db)));
    item("0002_role", up.leak(), down.leak())
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let error = outcome.expect_err("it is refused");
    assert!(matches!(error, Error::ServerWide { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn nothing_of_it_runs_on_a_scratch_database() {
    empty_db(|db| async move {
        let (server, taking, options) = (server(&db), SnapshotOptions::default(), Options::default());
        let all = set(&[NOTES, making(&db)]);
        let verified = Box::pin(verify(&server, &all, &taking, &options, &mut |_| {})).await;
        let expected = format!("0002_role/up.sql:2: CREATE ROLE {} acts on the whole server", role(&db));
        let told = refused(verified);
        assert!(told.starts_with(&expected) && told.contains("--allow-server-wide"), "{told}");
        refused(Box::pin(migrated_schema(&server, &all, &taking, &options, &mut |_| {})).await);
        refused(Box::pin(dry(&db, &all, &Course::Up, On::Copy)).await);
        // It would be rolled back here, were it not for what runs in no transaction.
        let index = outside("0003_index", "CREATE INDEX CONCURRENTLY i ON notes (id);");
        refused(Box::pin(dry(&db, &set(&[NOTES, making(&db), index]), &Course::Up, On::Auto)).await);
        let system = outside("0002_system", "ALTER SYSTEM SET log_statement = 'all';");
        refused(Box::pin(dry(&db, &set(&[NOTES, system]), &Course::Up, On::Auto)).await);
        #[cfg(feature = "backup")]
        {
            let search = db_migrate::backup::ToolSearch::default();
            let squashed = Box::pin(db_migrate::squash(&server, &all, None, &options, &search)).await;
            assert!(
                matches!(squashed, Err(db_migrate::SquashError::Database(Error::ServerWide { .. }))),
                "{squashed:?}"
            );
        }
        // A way back counts as well.
        let back = item("0002_back", "SELECT 1;", "DROP DATABASE template0;");
        refused(Box::pin(verify(&server, &set(&[NOTES, back]), &taking, &options, &mut |_| {})).await);
        assert!(!has_role(&db).await);
    })
    .await;
}

#[tokio::test]
async fn a_role_is_rolled_back_on_the_database_itself() {
    empty_db(|db| async move {
        let rehearsal = Box::pin(dry(&db, &set(&[NOTES, making(&db)]), &Course::Up, On::Auto)).await;
        let rehearsal = rehearsal.expect("it runs");
        assert_eq!((rehearsal.place, rehearsal.failed.is_none()), (Place::Here, true), "{rehearsal:?}");
        assert!(!has_role(&db).await);
    })
    .await;
}

#[tokio::test]
async fn it_runs_where_that_is_wanted() {
    empty_db(|db| async move {
        let options = Options { server_wide: ServerWide::Run, ..Options::default() };
        let (server, taking) = (server(&db), SnapshotOptions::default());
        let all = set(&[NOTES, making(&db)]);
        let verified = Box::pin(verify(&server, &all, &taking, &options, &mut |_| {})).await.expect("judged");
        assert!(!verified.is_unsafe(), "{verified:?}");
        let kept = has_role(&db).await;
        crate::run(&mut db.connect().await, format!("DROP ROLE IF EXISTS {}", role(&db)).leak()).await;
        assert!(kept, "as it says");
    })
    .await;
}
