//! Many rows go in together or not at all.

use crate::task;
use db_model::code_analysis::NewCodeAnalysis;
use db_model::repository::{copy_in, count, insert_many, upsert_many};
use db_model::task::{NewTask, Task};
use db_model::{AnalysisMethod, Error, code_analysis::CodeAnalysis};
use db_testkit::fresh_db;
use sqlx::Connection;

/// More than one statement's worth, and more than one chunk of a COPY.
const ROWS: usize = 10_050;

fn tasks() -> Vec<NewTask> {
    (0..ROWS).map(|number| NewTask::new(format!("task {number}")).kind("bulk")).collect()
}

#[tokio::test]
async fn the_last_row_undoes_the_first() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let before = task(&mut conn, "before").await;
        for broken in [NewTask::new("t").max_attempts(0), NewTask::new("t").id(before.id)] {
            let rows = || [tasks(), vec![broken.clone()]].concat();
            let constraint = if broken.max_attempts == 0 { "tasks_max_attempts_check" } else { "tasks_pkey" };
            let error = insert_many(&mut conn, &rows()).await.expect_err("refused");
            assert_eq!(error.constraint(), Some(constraint), "{error}");
            // The server has said no long before the last row is sent, or just after.
            for rows in [rows(), rows().into_iter().rev().collect()] {
                let error = copy_in(&mut conn, rows).await.expect_err("refused");
                assert_eq!(error.constraint(), Some(constraint), "{error}");
            }
        }
        let left = count::<Task>(&mut conn, |tasks| tasks).await.expect("the connection is good");
        assert_eq!(left, 1);

        // In a caller's transaction, too, which goes on.
        let mut tx = conn.begin().await.expect("a transaction");
        task(&mut tx, "kept").await;
        let rows = [tasks(), vec![NewTask::new("")]].concat();
        insert_many(&mut tx, &rows).await.expect_err("refused");
        task(&mut tx, "kept as well").await;
        tx.commit().await.expect("committed");
        assert_eq!(count::<Task>(&mut conn, |tasks| tasks).await.expect("counted"), 3);
    })
    .await;
}

#[tokio::test]
async fn as_many_go_in_as_were_given() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        assert_eq!(insert_many(&mut conn, &tasks()).await.expect("inserted"), ROWS as u64);
        assert_eq!(copy_in(&mut conn, tasks()).await.expect("copied"), ROWS as u64);
        assert_eq!(copy_in(&mut conn, [NewTask::new("one")]).await.expect("copied"), 1);
        let none: [NewTask; 0] = [];
        assert_eq!(insert_many(&mut conn, &none).await.expect("nothing"), 0);
        assert_eq!(copy_in(&mut conn, none).await.expect("nothing"), 0);
        assert_eq!(count::<Task>(&mut conn, |tasks| tasks).await.expect("counted"), 2 * ROWS as i64 + 1);

        let file = |number: usize| {
            NewCodeAnalysis::new("/src", format!("{number}.rs"), "p", AnalysisMethod::Text).lines(1)
        };
        let files: Vec<_> = (0..ROWS).map(file).collect();
        for _ in 0..2 {
            assert_eq!(upsert_many(&mut conn, &files).await.expect("stored"), ROWS as u64);
        }
        assert_eq!(count::<CodeAnalysis>(&mut conn, |files| files).await.expect("counted"), ROWS as i64);
    })
    .await;
}

#[tokio::test]
async fn a_refused_row_of_many_does_not_tell_its_values() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let error = insert_many(&mut conn, &[NewTask::new("t").max_attempts(0)]).await.expect_err("refused");
        assert!(
            matches!(&error, Error::Refused { column: Some("max_attempts"), value: None, .. }),
            "{error:?}"
        );
        assert_eq!(error.to_string(), "tasks refuses the max_attempts: tasks_max_attempts_check");
    })
    .await;
}
