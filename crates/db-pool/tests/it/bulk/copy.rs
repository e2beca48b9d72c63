//! COPY: types are compared before anything is sent, and a connection that was left in the middle is never lent again.

use crate::{backend, pool};
use db_pool::{CopyError, CopyTarget, Error, Lease, copy_in, copy_out};
use db_testkit::{FreshDb, fresh_db};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Connection, Executor};

const TABLE: &str = "CREATE TABLE rows (id int8 PRIMARY KEY, kind int4 CHECK (kind >= 0), note text)";

fn target(columns: &[&str]) -> CopyTarget {
    CopyTarget::new("rows", columns).expect("names")
}

fn all() -> CopyTarget {
    target(&["id", "kind", "note"])
}

async fn prepared(db: &FreshDb) -> (db_pool::Pool, Lease, i32) {
    let pool = pool(db, 1).await;
    let mut lease = pool.acquire().await.expect("a lease");
    (&mut *lease).execute(TABLE).await.expect("a table");
    let pid = backend(&mut lease).await;
    (pool, lease, pid)
}

async fn count(lease: &mut Lease) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM rows").fetch_one(&mut **lease).await.expect("counted")
}

#[tokio::test]
async fn rows_go_in_and_come_out_as_they_were() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let mut copy = copy_in(&mut lease, &all()).await.expect("begun");
        let owned = String::from("one");
        copy.send(&(1_i64, Some(1_i32), Some(owned.as_str()))).await.expect("taken");
        copy.send(&(2_i64, None::<i32>, None::<String>)).await.expect("taken");
        copy.send_all((3..20_000_i64).map(|id| (id, 7_i32, "a note of some length"))).await.expect("taken");
        assert_eq!(copy.finish().await.expect("kept"), 19_999);
        let rows = copy_out::<(i64, Option<i32>, Option<String>)>(
            &mut lease,
            "SELECT id, kind, note FROM rows ORDER BY id -- all of them",
        )
        .await
        .expect("begun");
        let rows: Vec<_> = rows.try_collect().await.expect("read");
        assert_eq!(rows.len(), 19_999);
        assert_eq!(rows[0], (1, Some(1), Some("one".to_owned())));
        assert_eq!(rows[1], (2, None, None));
        assert_eq!(rows[19_998], (19_999, Some(7), Some("a note of some length".to_owned())));
        drop(lease);
        assert_eq!(backend(&mut pool.acquire().await.expect("a lease")).await, pid, "a clean end keeps it");
        assert_eq!(pool.stats().discards, 0);
    })
    .await;
}

#[tokio::test]
async fn every_type_comes_out() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        type Row = (bool, i16, i32, i64, f32, f64, String, Vec<u8>, Option<i32>);
        let query = "SELECT true, 2::int2, 3, 4::int8, 1.5::real, 2.5::float8, 'ü'::varchar, '\\x00ff'::bytea, \
                     NULL::int4";
        let rows: Vec<Row> =
            copy_out(&mut lease, query).await.expect("begun").try_collect().await.expect("read");
        let expected = (true, 2, 3, 4, 1.5, 2.5, "ü".to_owned(), vec![0, 255], None);
        assert_eq!(rows, [expected]);
    })
    .await;
}

#[cfg(all(feature = "uuid", feature = "json", feature = "chrono"))]
#[tokio::test]
async fn types_of_other_crates_come_out() {
    use sqlx::types::{
        JsonValue, Uuid,
        chrono::{DateTime, NaiveDate, Utc},
    };
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        type Row = (Uuid, JsonValue, JsonValue, DateTime<Utc>, NaiveDate);
        let query = "SELECT '00000000-0000-0000-0000-0000000000ff'::uuid, '{\"a\": [1]}'::jsonb, '[null]'::json, \
                     '2024-02-29 12:00:00.000001+00'::timestamptz, '1969-12-31'::date";
        let row: Row =
            copy_out(&mut lease, query).await.expect("begun").try_next().await.expect("read").expect("a row");
        assert_eq!(row.0, Uuid::from_u128(255));
        assert_eq!((row.1.to_string(), row.2.to_string()), ("{\"a\":[1]}".into(), "[null]".into()));
        assert_eq!(row.3.to_rfc3339(), "2024-02-29T12:00:00.000001+00:00");
        assert_eq!(row.4.to_string(), "1969-12-31");
    })
    .await;
}

#[tokio::test]
async fn a_copy_in_that_is_dropped_half_way_costs_its_connection() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let mut copy = copy_in(&mut lease, &all()).await.expect("begun");
        copy.send_all((0..50_000_i64).map(|id| (id, 1_i32, "a note of some length"))).await.expect("taken");
        drop(copy);
        drop(lease);
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, pid);
        assert_eq!(count(&mut lease).await, 0);
        assert_eq!(pool.stats().discards, 1);
    })
    .await;
}

#[tokio::test]
async fn a_copy_out_that_is_dropped_half_way_costs_its_connection() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let mut rows =
            copy_out::<(i64,)>(&mut lease, "SELECT generate_series(1, 1000000)::int8").await.expect("begun");
        assert_eq!(rows.next().await.expect("a row").expect("read"), (1,));
        drop(rows);
        drop(lease);
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, pid);
        assert_eq!(pool.stats().discards, 1);
    })
    .await;
}

#[tokio::test]
async fn a_mark_that_was_there_before_stays() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        lease.discard_on_return();
        copy_in(&mut lease, &all()).await.expect("begun").finish().await.expect("empty");
        drop(lease);
        assert_ne!(backend(&mut pool.acquire().await.expect("another")).await, pid);
    })
    .await;
}

#[tokio::test]
async fn an_abort_keeps_nothing_but_the_connection() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let mut copy = copy_in(&mut lease, &all()).await.expect("begun");
        copy.send_all((0..50_000_i64).map(|id| (id, 1_i32, "note"))).await.expect("taken");
        copy.abort().await.expect("aborted");
        assert_eq!(count(&mut lease).await, 0);
        drop(lease);
        assert_eq!(backend(&mut pool.acquire().await.expect("the same")).await, pid);
    })
    .await;
}

/// Sends rows that the server refuses, and checks what is left.
async fn refused(db: &FreshDb, rows: Vec<(i64, i32)>, code: &str) {
    let (pool, mut lease, _) = prepared(db).await;
    let mut copy = copy_in(&mut lease, &target(&["id", "kind"])).await.expect("begun");
    copy.send_all(rows).await.expect("taken");
    let error = copy.finish().await.expect_err("refused");
    assert!(matches!(&error, Error::Statement { sqlstate: Some(state), .. } if state == code), "{error:?}");
    assert_eq!(count(&mut lease).await, 0, "the lease goes on");
    drop(lease);
    let mut lease = pool.acquire().await.expect("a lease");
    assert_eq!(count(&mut lease).await, 0);
}

#[tokio::test]
async fn a_duplicate_key_in_the_middle() {
    fresh_db(|db| async move {
        let rows = (0..100_000).map(|id| (if id == 500 { 499 } else { id }, 1)).collect();
        refused(&db, rows, "23505").await;
    })
    .await;
}

#[tokio::test]
async fn a_violated_check_in_the_last_row() {
    fresh_db(|db| async move { refused(&db, vec![(1, 1), (2, -1)], "23514").await }).await;
}

#[tokio::test]
async fn a_missing_table_costs_nothing() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let missing = CopyTarget::new("no\"such", &["id"]).expect("names");
        let error = copy_in(&mut lease, &missing).await.expect_err("no such table");
        assert!(
            matches!(&error, Error::Statement { sqlstate: Some(code), .. } if code == "42P01"),
            "{error:?}"
        );
        let error = copy_out::<(i64,)>(&mut lease, "SELECT nothing FROM rows").await.expect_err("no column");
        assert!(
            matches!(&error, Error::Statement { sqlstate: Some(code), .. } if code == "42703"),
            "{error:?}"
        );
        drop(lease);
        assert_eq!(backend(&mut pool.acquire().await.expect("the same")).await, pid);
    })
    .await;
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_copy_out_is_passed_on() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let query = "SELECT 1000 / (5000 - n) FROM generate_series(1, 10000) n";
        let rows = copy_out::<(i32,)>(&mut lease, query).await.expect("begun");
        let error = rows.try_collect::<Vec<_>>().await.expect_err("a division by zero");
        assert!(
            matches!(&error, Error::Statement { sqlstate: Some(code), .. } if code == "22012"),
            "{error:?}"
        );
        drop(lease);
        assert_eq!(backend(&mut pool.acquire().await.expect("the same")).await, pid);
    })
    .await;
}

#[tokio::test]
async fn a_type_of_the_same_length_is_refused_before_anything_is_sent() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        (&mut *lease).execute("ALTER TABLE rows ADD at timestamptz").await.expect("altered");
        let mut copy = copy_in(&mut lease, &target(&["id", "at"])).await.expect("begun");
        let error = copy.send(&(1_i64, 2_i64)).await.expect_err("the server could not tell");
        assert!(matches!(&error, Error::Copy(CopyError::Type { column, .. }) if column == "at"), "{error}");
        copy.abort().await.expect("aborted");
        assert_eq!(count(&mut lease).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_row_of_another_width_is_refused() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        let mut copy = copy_in(&mut lease, &target(&["id", "kind"])).await.expect("begun");
        let error = copy.send(&(1_i64,)).await.expect_err("one of two");
        assert!(matches!(error, Error::Copy(CopyError::Width { fields: 1, columns: 2 })), "{error}");
        copy.send(&(1_i64, 1_i32)).await.expect("the COPY goes on");
        assert_eq!(copy.finish().await.expect("kept"), 1);
        let error = copy_out::<(i64,)>(&mut lease, "SELECT 1::int8, 2").await.expect_err("one of two");
        assert!(matches!(error, Error::Copy(CopyError::Width { .. })), "{error}");
        let error = copy_out::<(i64,)>(&mut lease, "SELECT 1::int4").await.expect_err("another type");
        assert!(matches!(error, Error::Copy(CopyError::Type { .. })), "{error}");
    })
    .await;
}

#[derive(Clone, Copy, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Glad,
}

#[tokio::test]
async fn an_enum_by_name_goes_in_and_what_needs_its_oid_is_refused() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        let ddl =
            "CREATE TYPE mood AS ENUM ('glad', 'sad'); ALTER TABLE rows ADD mood mood, ADD moods mood[]";
        (&mut *lease).execute(sqlx::raw_sql(ddl)).await.expect("altered");
        let mut copy = copy_in(&mut lease, &target(&["id", "mood"])).await.expect("begun");
        copy.send(&(1_i64, Mood::Glad)).await.expect("taken");
        copy.send(&(2_i64, None::<Mood>)).await.expect("taken");
        assert_eq!(copy.finish().await.expect("kept"), 2);
        let glad: i64 = sqlx::query_scalar("SELECT count(*) FROM rows WHERE mood = 'glad'")
            .fetch_one(&mut *lease)
            .await
            .expect("counted");
        assert_eq!(glad, 1);
        let mut copy = copy_in(&mut lease, &target(&["id", "moods"])).await.expect("begun");
        let error = copy.send(&(3_i64, vec![Mood::Glad])).await.expect_err("its OID is not known");
        assert!(
            matches!(&error, Error::Copy(CopyError::Type { column, .. }) if column == "moods"),
            "{error}"
        );
        copy.abort().await.expect("aborted");
    })
    .await;
}

#[cfg(feature = "json")]
#[tokio::test]
async fn jsonb_goes_in_and_json_is_refused() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        (&mut *lease).execute("ALTER TABLE rows ADD b jsonb, ADD j json").await.expect("altered");
        let value = sqlx::types::Json([1, 2]);
        let mut copy = copy_in(&mut lease, &target(&["id", "b"])).await.expect("begun");
        copy.send(&(1_i64, &value)).await.expect("taken");
        assert_eq!(copy.finish().await.expect("kept"), 1);
        let mut copy = copy_in(&mut lease, &target(&["id", "j"])).await.expect("begun");
        let error = copy.send(&(2_i64, &value)).await.expect_err("sqlx writes jsonb first");
        assert!(matches!(&error, Error::Copy(CopyError::Type { column, .. }) if column == "j"), "{error}");
        copy.abort().await.expect("aborted");
    })
    .await;
}

struct Unencodable;

impl sqlx::Type<sqlx::Postgres> for Unencodable {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        <i32 as sqlx::Type<sqlx::Postgres>>::type_info()
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Unencodable {
    fn encode_by_ref(
        &self,
        buffer: &mut sqlx::postgres::PgArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        buffer.extend_from_slice(&[1, 2]);
        Err("it cannot".into())
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_encoded_is_left_out_whole() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        let mut copy = copy_in(&mut lease, &target(&["id", "kind"])).await.expect("begun");
        copy.send(&(1_i64, 1_i32)).await.expect("taken");
        let error = copy.send(&(2_i64, Unencodable)).await.expect_err("it cannot");
        assert!(
            matches!(&error, Error::Copy(CopyError::Encode { column, .. }) if column == "kind"),
            "{error}"
        );
        copy.send(&(3_i64, 1_i32)).await.expect("taken");
        assert_eq!(copy.finish().await.expect("kept"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_is_an_error_in_its_place() {
    fresh_db(|db| async move {
        let (pool, mut lease, pid) = prepared(&db).await;
        let query = "SELECT n, nullif(n, 2) FROM generate_series(1, 3) n";
        let rows: Vec<_> = copy_out::<(i32, i32)>(&mut lease, query).await.expect("begun").collect().await;
        assert!(matches!(rows[0], Ok((1, 1))) && matches!(rows[2], Ok((3, 3))), "{rows:?}");
        assert!(
            matches!(&rows[1], Err(Error::Copy(CopyError::Decode { column, row: 2, .. })) if column == "nullif"),
            "{rows:?}"
        );
        drop(lease);
        assert_eq!(backend(&mut pool.acquire().await.expect("the same")).await, pid);
    })
    .await;
}

#[tokio::test]
async fn a_send_that_is_dropped_takes_its_row_exactly_once() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        // The server stops reading at the first row, so that the socket fills up.
        let ddl = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                       PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
                   CREATE TRIGGER hold BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION hold()";
        (&mut *lease).execute(sqlx::raw_sql(ddl)).await.expect("a trigger");
        let mut other = db.connect().await;
        (&mut other).execute("SELECT pg_advisory_lock(1)").await.expect("locked");
        let note = "x".repeat(1000);
        let mut copy = copy_in(&mut lease, &target(&["id", "note"])).await.expect("begun");
        let (mut sent, mut dropped) = (0_i64, 0);
        while dropped < 3 {
            assert!(sent < 1_000_000, "the socket never fills up");
            dropped += i32::from(copy.send(&(sent, note.as_str())).now_or_never().is_none());
            sent += 1;
        }
        other.close().await.expect("unlocked");
        copy.send(&(sent, note.as_str())).await.expect("taken");
        let rows = copy.finish().await.expect("each once, or the key is a duplicate");
        assert_eq!(i64::try_from(rows).expect("few"), sent + 1);
    })
    .await;
}

#[tokio::test]
async fn a_name_cannot_leave_its_quotes() {
    fresh_db(|db| async move {
        let (_pool, mut lease, _) = prepared(&db).await;
        let name = "a\"; DROP TABLE rows; --";
        let ddl = format!("CREATE TABLE \"{}\" (\"Id\" int8)", name.replace('"', "\"\""));
        (&mut *lease).execute(AssertSqlSafe(ddl)).await.expect("a table");
        let target = CopyTarget::in_schema("public", name, &["Id"]).expect("names");
        let mut copy = copy_in(&mut lease, &target).await.expect("begun");
        copy.send(&(1_i64,)).await.expect("taken");
        assert_eq!(copy.finish().await.expect("kept"), 1);
        assert_eq!(count(&mut lease).await, 0, "the other table is there");
    })
    .await;
}
