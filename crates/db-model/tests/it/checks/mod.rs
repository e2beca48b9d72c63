//! What the tables refuse: one row a constraint, and no constraint without a row.

mod agents;
mod audit;
mod cache;
mod emails;
mod research;
mod tasks;
mod users;

use crate::{rows, run};
use db_testkit::fresh_db;
use sqlx::Connection;

/// Statements, each refused by the constraint before it.
type Refused = &'static [(&'static str, &'static str)];

/// Asks each statement of a database that has one row of each table.
async fn check(refused: Refused) {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        // Which status may follow which is asked elsewhere; here the constraints have the word.
        run(
            &mut conn,
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
                     WHERE NOT tgisinternal AND relkind IN ('r', 'p') LOOP
                     EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', name);
                 END LOOP;
             END $$",
        )
        .await;
        for (constraint, sql) in refused {
            let mut tx = conn.begin().await.expect("a transaction");
            let error = match sqlx::raw_sql(*sql).execute(&mut *tx).await {
                Ok(_) => panic!("{constraint} lets this pass: {sql}"),
                Err(error) => error,
            };
            let found = error.as_database_error().and_then(|error| error.constraint());
            assert_eq!(found, Some(*constraint), "{sql}: {error}");
            tx.rollback().await.expect("undone");
        }
    })
    .await;
}

#[tokio::test]
async fn of_tasks() {
    check(tasks::REFUSED).await;
}

#[tokio::test]
async fn of_users() {
    check(users::REFUSED).await;
}

#[tokio::test]
async fn of_emails() {
    check(emails::REFUSED).await;
}

#[tokio::test]
async fn of_research() {
    check(research::REFUSED).await;
}

#[tokio::test]
async fn of_agents() {
    check(agents::REFUSED).await;
}

#[tokio::test]
async fn of_the_cache() {
    check(cache::REFUSED).await;
}

#[tokio::test]
async fn of_the_audit_log() {
    check(audit::REFUSED).await;
}

#[tokio::test]
async fn no_constraint_is_left_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let named: Vec<String> = sqlx::query_scalar(
            "SELECT conname::text FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u')
             AND conrelid::regclass::text NOT LIKE 'db_migrations%'
             UNION
             SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
             WHERE relnamespace = 'public'::regnamespace AND indisunique AND NOT indisprimary
             AND indrelid::regclass::text NOT LIKE 'db_migrations%'
             ORDER BY 1",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the catalogue can be read");
        let tried: Vec<_> = [
            tasks::REFUSED,
            users::REFUSED,
            emails::REFUSED,
            research::REFUSED,
            agents::REFUSED,
            cache::REFUSED,
            audit::REFUSED,
        ]
        .concat();
        let left: Vec<_> =
            named.iter().filter(|name| !tried.iter().any(|(tried, _)| *tried == name.as_str())).collect();
        assert!(left.is_empty(), "{left:#?}");
    })
    .await;
}
