//! The migrations as a whole: they load, go back and forth, and keep the promises that hold for every table.

use crate::rows;
use db_migrate::{Migrations, Options, RevertTo};
use db_testkit::{empty_db, fresh_db};
use sqlx::{AssertSqlSafe, PgConnection};
use std::path::Path;

/// Everything that the migrations make, one line an object; positions of columns aside, as `DROP COLUMN` moves them.
const FINGERPRINT: &str = "
WITH relation AS (
    SELECT oid, relname, relkind, reloptions FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'db_migrations%')
SELECT format('relation %s %s %s %s', relname, relkind, reloptions, obj_description(oid, 'pg_class')) FROM relation
UNION ALL
SELECT format('column %s.%s %s %s %s %s', relname, attname, format_type(atttypid, atttypmod), attnotnull,
              pg_get_expr(adbin, adrelid), col_description(relation.oid, attnum))
FROM relation JOIN pg_attribute ON attrelid = oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v')
UNION ALL
SELECT format('constraint %s %s %s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
FROM relation JOIN pg_constraint ON conrelid = relation.oid
UNION ALL
SELECT 'index ' || pg_get_indexdef(oid) FROM relation WHERE relkind = 'i'
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(pg_trigger.oid)
FROM relation JOIN pg_trigger ON tgrelid = relation.oid WHERE NOT tgisinternal
UNION ALL
SELECT format('view %s %s', relname, pg_get_viewdef(oid)) FROM relation WHERE relkind = 'v'
UNION ALL
SELECT format('function %s %s', pg_get_functiondef(oid), obj_description(oid, 'pg_proc'))
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1";

async fn lines(conn: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(conn).await.expect("the catalogue can be read")
}

#[tokio::test]
async fn up_down_up_gives_the_same_schema_at_every_step() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let options = Options::default();
        let mut steps = vec![lines(&mut conn, FINGERPRINT).await];
        for count in 1..=db_model::MIGRATIONS.len() {
            let migrations = Migrations::embedded(&db_model::MIGRATIONS[..count]).expect("sound migrations");
            db_migrate::apply(&mut conn, &migrations, &options, &mut |_| {}).await.expect("up");
            steps.push(lines(&mut conn, FINGERPRINT).await);
        }
        let last = steps.pop().expect("a schema");
        assert!(last.len() > 100, "the fingerprint sees the schema: {last:?}");

        let migrations = Migrations::embedded(db_model::MIGRATIONS).expect("sound migrations");
        let ids: Vec<String> = migrations.iter().map(|migration| migration.id().to_string()).collect();
        let ends = [RevertTo::Start].into_iter().chain(ids.into_iter().map(RevertTo::After));
        for (end, before) in ends.zip(&steps).collect::<Vec<_>>().into_iter().rev() {
            db_migrate::revert(&mut conn, &migrations, &end, &options, &mut |_| {}).await.expect("down");
            assert_eq!(&lines(&mut conn, FINGERPRINT).await, before, "{end:?}");
        }
        db_migrate::apply(&mut conn, &migrations, &options, &mut |_| {}).await.expect("up again");
        assert_eq!(lines(&mut conn, FINGERPRINT).await, last);
    })
    .await;
}

#[test]
fn what_is_embedded_is_what_lies_in_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let read = Migrations::read(&folder).expect("sound migrations");
    let embedded = Migrations::embedded(db_model::MIGRATIONS).expect("sound migrations");
    assert_eq!(read, embedded);
    assert!(read.iter().all(db_migrate::Migration::is_reversible));
    assert!(read.iter().all(|migration| !migration.description().is_empty()));
}

#[tokio::test]
async fn every_foreign_key_has_an_index_and_every_index_a_reason() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let bare_keys = lines(
            &mut conn,
            "SELECT conrelid::regclass || '.' || conname FROM pg_constraint AS key
         WHERE contype = 'f' AND NOT EXISTS (
             SELECT FROM pg_index WHERE indrelid = key.conrelid AND indkey[0] = key.conkey[1]
             AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) LIKE '(% IS NOT NULL)'))",
        )
        .await;
        assert_eq!(bare_keys, [""; 0]);
        let silent = lines(
            &mut conn,
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relnamespace = 'public'::regnamespace AND obj_description(indexrelid, 'pg_class') IS NULL
         AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
         AND indrelid <> 'db_migrations'::regclass",
        )
        .await;
        assert_eq!(silent, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn updated_at_moves_in_every_table_that_has_it() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        let tables = lines(
            &mut conn,
            "SELECT table_name::text FROM information_schema.columns NATURAL JOIN information_schema.tables
             WHERE column_name = 'updated_at' AND table_type = 'BASE TABLE' AND table_schema = 'public'
             AND table_name NOT LIKE 'db_migrations%' ORDER BY 1",
        )
        .await;
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let sql = format!("UPDATE {table} SET updated_at = updated_at RETURNING updated_at = now()");
            let moved: Vec<bool> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut conn).await.expect("updated");
            assert!(!moved.is_empty() && moved.iter().all(|moved| *moved), "{table}: {moved:?}");
        }
    })
    .await;
}
