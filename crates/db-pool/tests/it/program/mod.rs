//! One program, written for `sqlx::PgPool` and compiled against that and against ours: it says the same on both.
//!
//! Its `query!` macros are checked against `crates/db-pool/.sqlx`. After a change to them, have the macros write it anew,
//! with a migrated database at hand: `SQLX_OFFLINE=false DATABASE_URL=postgresql://.. SQLX_OFFLINE_DIR=$PWD/crates/db-pool/.sqlx
//! cargo check -p db-pool --tests`.

use db_testkit::fresh_db;

mod on_ours;
mod on_sqlx;

#[tokio::test]
async fn a_program_for_pg_pool_runs_unchanged() {
    let sqlx_said = std::sync::Mutex::new(Vec::new());
    fresh_db(async |db| {
        let pool = sqlx::PgPool::connect(db.url()).await.expect("connected");
        *sqlx_said.lock().expect("one thread") = on_sqlx::app::run(&pool).await.expect("runs on sqlx's");
    })
    .await;
    fresh_db(async |db| {
        let pool = db_pool::Pool::connect_url(db.url()).await.expect("connected");
        let said = on_ours::app::run(&pool).await.expect("runs on ours");
        assert_eq!(said, *sqlx_said.lock().expect("one thread"));
        assert_eq!(said.len(), 16, "{said:#?}");
    })
    .await;
}
