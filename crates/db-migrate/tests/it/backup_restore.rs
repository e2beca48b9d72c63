//! Restores: into the place of a database, which is kept, or into a new one; and what they refuse.

use super::backup::{AWKWARD, Place, execute, full};
use super::backup_damage::rewrite;
use db_migrate::backup::{self, BackupError, OpenSessions, RestoreOptions, Restored, Target};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;
use std::fs;
use std::path::Path;

async fn restore(place: &Place, backup: &Path, target: Target<'_>) -> Result<Restored, BackupError> {
    Box::pin(backup::restore(&place.server, backup, target, &RestoreOptions::default(), &mut |_| {})).await
}

/// Beside the test's database one with a short name, so that names made of it are not cut, and its backups.
async fn short(db: &FreshDb) -> Place {
    let name = format!("c{}", &db.name()[db.name().len() - 16..]);
    execute(&mut db.connect().await, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    let place = Place::of(db);
    Place { server: place.server.in_database(&name), ..place }
}

async fn connect(place: &Place) -> PgConnection {
    place.server.connect().await.expect("it takes connections")
}

/// The databases whose names begin with the short one's.
async fn databases(place: &Place) -> Vec<String> {
    sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1")
        .bind(place.server.database())
        .fetch_all(&mut connect(place).await)
        .await
        .expect("the databases")
}

async fn one(place: &Place, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(&mut connect(place).await).await.expect("one text")
}

async fn clear_away(db: &FreshDb, place: &Place) {
    for name in databases(place).await {
        execute(&mut db.connect().await, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

#[tokio::test]
async fn a_restore_takes_the_place_and_keeps_what_was_there() {
    empty_db(|db| async move {
        let place = short(&db).await;
        let mut conn = connect(&place).await;
        execute(&mut conn, AWKWARD).await;
        for setting in ["SET search_path = other, public", "SET app.motto = 'it''s so'", "CONNECTION LIMIT 40"] {
            execute(&mut conn, &format!("ALTER DATABASE {} {setting}", place.server.database())).await;
        }
        execute(&mut conn, &format!("REVOKE TEMP ON DATABASE {} FROM PUBLIC", place.server.database())).await;
        execute(&mut conn, &format!("COMMENT ON DATABASE {} IS 'ours'", place.server.database())).await;
        let (backup, _) = place.create().await.expect("a backup");
        execute(&mut conn, "DELETE FROM public.twice; CREATE TABLE public.later ()").await;

        let error = restore(&place, &backup, Target::Replace(OpenSessions::Refuse)).await.expect_err("we are in it");
        assert!(matches!(&error, BackupError::InUse { sessions, .. } if !sessions.is_empty()), "{error}");
        assert_eq!(databases(&place).await, [place.server.database()]);

        let restored = restore(&place, &backup, Target::Replace(OpenSessions::Terminate)).await;
        let restored = restored.unwrap_or_else(|error| panic!("{}", full(&error)));
        let kept = restored.kept.clone().expect("what was there");
        assert_eq!(databases(&place).await, [place.server.database().to_owned(), kept.clone()]);
        assert_eq!(one(&place, "SELECT count(*)::text FROM public.twice").await, "3");
        assert_eq!(one(&place, "SELECT current_setting('search_path')").await, "other, public");
        assert_eq!(one(&place, "SELECT current_setting('app.motto')").await, "it's so");
        let about = "SELECT concat(datconnlimit, ' ', datallowconn, ' ', datacl::text LIKE '%=c/%', ' ', \
                     shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()";
        assert_eq!(one(&place, about).await, "40 t t ours");

        let mut old = place.server.in_database(&kept).connect().await.expect("it takes connections again");
        let later: bool = sqlx::query_scalar("SELECT to_regclass('public.later') IS NOT NULL")
            .fetch_one(&mut old)
            .await
            .expect("an answer");
        assert!(later, "nothing is lost");
        drop(old);
        clear_away(&db, &place).await;
    })
    .await;
}

#[tokio::test]
async fn a_restore_into_a_new_database_leaves_the_old_one_alone() {
    empty_db(|db| async move {
        let place = short(&db).await;
        execute(&mut connect(&place).await, "CREATE TABLE notes AS SELECT 7 AS x").await;
        let (backup, _) = place.create().await.expect("a backup");
        let name = format!("{}_c", place.server.database());
        let restored = restore(&place, &backup, Target::Into(&name)).await.expect("restored");
        assert_eq!((restored.database.as_str(), restored.kept, restored.rows), (name.as_str(), None, 1));
        let error = restore(&place, &backup, Target::Into(&name)).await.expect_err("it is there");
        assert!(matches!(error, BackupError::Exists { .. }), "{error}");
        assert_eq!(databases(&place).await, [place.server.database().to_owned(), name.clone()]);
        clear_away(&db, &place).await;
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_fails_leaves_everything_as_it_was() {
    empty_db(|db| async move {
        let place = short(&db).await;
        execute(&mut connect(&place).await, "CREATE TABLE notes AS SELECT 7 AS x").await;
        let (backup, _) = place.create().await.expect("a backup");
        let text = fs::read_to_string(backup.join("manifest.json")).expect("a manifest");

        rewrite(&backup, &text.replace("\"rows\": 1", "\"rows\": 2"));
        let error =
            restore(&place, &backup, Target::Replace(OpenSessions::Terminate)).await.expect_err("it differs");
        assert!(matches!(error, BackupError::Differs { .. }), "{error}");

        rewrite(&backup, &text.replace("\"server_version_num\": ", "\"server_version_num\": 9"));
        let error =
            restore(&place, &backup, Target::Replace(OpenSessions::Terminate)).await.expect_err("too old");
        assert!(matches!(error, BackupError::OlderServer { .. }), "{error}");
        assert!(error.to_string().starts_with("the backup is of PostgreSQL 9"), "{error}");

        rewrite(&backup, &text);
        let data = fs::read_dir(backup.join("dump")).expect("a folder").flatten().map(|entry| entry.path());
        let data = data.into_iter().find(|path| !path.ends_with("toc.dat")).expect("the table's rows");
        fs::write(&data, "").expect("written");
        let error =
            restore(&place, &backup, Target::Replace(OpenSessions::Terminate)).await.expect_err("damaged");
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");

        assert_eq!(databases(&place).await, [place.server.database()]);
        assert_eq!(one(&place, "SELECT x::text FROM notes").await, "7");
        clear_away(&db, &place).await;
    })
    .await;
}

#[tokio::test]
async fn sessions_that_come_during_a_swap_do_not_stop_it() {
    empty_db(|db| async move {
        let place = short(&db).await;
        execute(&mut connect(&place).await, "CREATE TABLE notes AS SELECT 7 AS x").await;
        let (backup, _) = place.create().await.expect("a backup");
        let server = place.server.clone();
        let crowd = tokio::spawn(async move {
            for _ in 0..100_000 {
                // Refused while the databases are swapped.
                if let Ok(mut conn) = server.connect().await {
                    let _ = sqlx::query("SELECT 1").execute(&mut conn).await;
                }
            }
        });
        let restored = restore(&place, &backup, Target::Replace(OpenSessions::Terminate)).await;
        crowd.abort();
        let kept = restored.unwrap_or_else(|error| panic!("{}", full(&error))).kept;
        assert_eq!(
            databases(&place).await,
            [place.server.database().to_owned(), kept.expect("what was there")]
        );
        clear_away(&db, &place).await;
    })
    .await;
}
