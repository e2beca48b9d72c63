//! The pooler parts what counts on one session, and nothing else.

use db_testkit::{FreshDb, TransactionPooler, empty_db};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

async fn connect(pooler: &TransactionPooler, db: &FreshDb) -> PgConnection {
    let options: PgConnectOptions = pooler.url(db).parse().expect("a URL");
    PgConnection::connect_with(&options.extra_float_digits(None)).await.expect("connected")
}

#[tokio::test]
async fn a_parameter_that_no_pooler_tracks_is_refused() {
    empty_db(async |db| {
        let pooler = TransactionPooler::start(&db, 0).await;
        let refused = PgConnection::connect(&pooler.url(&db)).await.expect_err("the driver asks for digits");
        assert!(refused.to_string().contains("extra_float_digits"), "{refused}");
        assert_eq!((pooler.clients(), pooler.transactions()), (1, 0));
    })
    .await;
}

async fn pid(conn: &mut PgConnection) -> i32 {
    let mut tx = conn.begin().await.expect("a transaction");
    let pids: (i32, i32) = sqlx::query_as("SELECT pg_backend_pid(), $1::int4")
        .persistent(false)
        .bind(7)
        .fetch_one(&mut *tx)
        .await
        .expect("one session for a transaction");
    let again: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .persistent(false)
        .fetch_one(&mut *tx)
        .await
        .expect("the same");
    tx.commit().await.expect("committed");
    assert_eq!((pids.0, pids.1), (again, 7));
    pids.0
}

#[tokio::test]
async fn no_two_transactions_have_the_same_session() {
    empty_db(async |db| {
        let pooler = TransactionPooler::start(&db, 1).await;
        let mut conn = connect(&pooler, &db).await;
        let (first, second, third) = (pid(&mut conn).await, pid(&mut conn).await, pid(&mut conn).await);
        assert_ne!(first, second);
        assert_eq!(first, third);
        assert_eq!(pooler.transactions(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_statement_in_two_messages_is_parted_outside_of_a_transaction() {
    empty_db(async |db| {
        let pooler = TransactionPooler::start(&db, 1).await;
        let mut conn = connect(&pooler, &db).await;
        let asked = sqlx::query("SELECT $1::int4").persistent(false).bind(7).execute(&mut conn).await;
        let code = asked.expect_err("the second session knows nothing of it");
        assert_eq!(code.as_database_error().and_then(|error| error.code()).as_deref(), Some("26000"));
    })
    .await;
}

#[tokio::test]
async fn rows_are_copied_in_and_a_lost_client_takes_its_session_along() {
    empty_db(async |db| {
        let pooler = TransactionPooler::start(&db, 1).await;
        let mut conn = connect(&pooler, &db).await;
        sqlx::raw_sql("CREATE TABLE rows (id int)").execute(&mut conn).await.expect("made");
        let mut copy = conn.copy_in_raw("COPY rows FROM STDIN").await.expect("begun");
        copy.send("1\n2\n".as_bytes()).await.expect("sent");
        assert_eq!(copy.finish().await.expect("finished"), 2);
        sqlx::raw_sql("BEGIN; LOCK TABLE rows").execute(&mut conn).await.expect("locked");
        drop(conn);
        let mut direct = db.connect().await;
        sqlx::raw_sql("SET lock_timeout = '20s'; LOCK TABLE rows")
            .execute(&mut direct)
            .await
            .expect("it was let go");
    })
    .await;
}
