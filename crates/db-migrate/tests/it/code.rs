//! Migrations that are written in Rust.

use crate::{NOTES, done, set, tables};
use async_trait::async_trait;
use db_migrate::{Code, Error, Migrations, Options, RevertTo};
use db_testkit::empty_db;
use sqlx::PgConnection;
use std::sync::Arc;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) rows: i32,
}

#[async_trait]
impl Code for Fill {
    fn revision(&self) -> &str {
        "1"
    }

    async fn up(&self, conn: &mut PgConnection) -> Outcome {
        sqlx::query("INSERT INTO notes SELECT generate_series(1, $1)")
            .bind(self.rows)
            .execute(&mut *conn)
            .await?;
        if self.rows == 0 { Err("nothing to fill".into()) } else { Ok(()) }
    }

    async fn down(&self, conn: &mut PgConnection) -> Outcome {
        sqlx::query("DELETE FROM notes").execute(conn).await?;
        Ok(())
    }

    fn is_reversible(&self) -> bool {
        true
    }
}

pub(crate) fn with(rows: i32) -> Migrations {
    let code: Arc<dyn Code> = Arc::new(Fill { rows });
    set(&[NOTES]).with_code(2, "fill", &code).expect("a free number")
}

async fn rows(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(conn).await.expect("a count")
}

#[tokio::test]
async fn runs_in_a_transaction_with_its_row_of_history() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let options = Options::default();
        let failed = db_migrate::apply(&mut conn, &with(0), &options, &mut |_| {}).await;
        assert!(matches!(failed, Err(Error::Code { .. })), "{failed:?}");
        assert_eq!((tables(&mut conn).await, rows(&mut conn).await), (vec!["notes".to_owned()], 0));

        let report = db_migrate::apply(&mut conn, &with(3), &options, &mut |_| {}).await.expect("applied");
        assert_eq!((done(&report), rows(&mut conn).await), (vec![2], 3));
        let back = RevertTo::Last(1);
        db_migrate::revert(&mut conn, &with(3), &back, &options, &mut |_| {}).await.expect("reverted");
        assert_eq!(rows(&mut conn).await, 0);
    })
    .await;
}

#[test]
fn a_number_is_taken_once() {
    let code: Arc<dyn Code> = Arc::new(Fill { rows: 1 });
    let error = set(&[NOTES]).with_code(1, "fill", &code).expect_err("it is taken");
    assert!(error.to_string().contains("0001_notes and 0001_fill have the same number"), "{error}");
}
