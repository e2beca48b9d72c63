//! Relations of many rows are loaded at once.

use crate::{run, task};
use db_model::execution::{NewExecution, insert_many};
use db_model::n_plus_one::watch;
use db_model::task::{EXECUTIONS, NewTask, PARENT, Task};
use db_model::{Error, repository};
use db_testkit::fresh_db;
use sqlx::PgConnection;

/// Tasks that have as many executions as their place says; all but the first are parts of the one before.
async fn tasks(conn: &mut PgConnection, count: usize) -> Vec<Task> {
    let mut tasks = vec![task(conn, "0").await];
    for number in 1..count {
        let new = NewTask::new(number.to_string()).parent_task_id(tasks[number - 1].id);
        tasks.push(repository::insert(conn, &new).await.expect("inserted"));
    }
    let executions: Vec<_> = tasks
        .iter()
        .enumerate()
        .flat_map(|(number, task)| {
            (1..=number).rev().map(|attempt| {
                NewExecution::new(task.id, "codegen").attempt(i32::try_from(attempt).expect("few"))
            })
        })
        .collect();
    insert_many(conn, &executions).await.expect("inserted");
    tasks
}

#[tokio::test]
async fn children_come_with_one_statement_for_all_parents() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = tasks(&mut conn, 5).await;
        let (_, report) = watch(1, async {
            let mut executions = EXECUTIONS.of(&tasks);
            for (number, task) in tasks.iter().enumerate() {
                let found = executions.get(&mut conn, &task.id).await.expect("loaded");
                let attempts: Vec<_> = found.iter().map(|execution| execution.attempt).collect();
                let expected: Vec<_> = (1..=i32::try_from(number).expect("few")).collect();
                assert_eq!(attempts, expected, "in order");
                assert!(found.iter().all(|execution| execution.task_id == task.id));
            }
            // And what is loaded is not asked for again.
            assert_eq!(executions.get(&mut conn, &tasks[4].id).await.expect("loaded").len(), 4);
        })
        .await;
        report.assert_none();
    })
    .await;
}

#[tokio::test]
async fn parents_come_with_one_statement_for_all_children() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = tasks(&mut conn, 5).await;
        let (_, report) = watch(1, async {
            let mut parents = PARENT.of(&tasks);
            for (number, task) in tasks.iter().enumerate() {
                let parent = parents.get(&mut conn, task).await.expect("loaded");
                assert_eq!(parent, number.checked_sub(1).map(|before| &tasks[before]));
            }
        })
        .await;
        report.assert_none();
    })
    .await;
}

#[tokio::test]
async fn a_row_that_was_not_named_is_loaded_by_itself() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = tasks(&mut conn, 4).await;
        let mut executions = EXECUTIONS.of(&tasks[..2]);
        assert_eq!(executions.get(&mut conn, &tasks[1].id).await.expect("loaded").len(), 1);
        assert_eq!(executions.get(&mut conn, &tasks[3].id).await.expect("loaded").len(), 3);
        let mut parents = PARENT.of(&tasks[..1]);
        assert_eq!(parents.get(&mut conn, &tasks[0]).await.expect("it has none"), None);
        assert_eq!(parents.get(&mut conn, &tasks[3]).await.expect("loaded"), Some(&tasks[2]));
    })
    .await;
}

#[tokio::test]
async fn a_failed_load_is_tried_again() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = tasks(&mut conn, 3).await;
        let mut executions = EXECUTIONS.of(&tasks);
        run(&mut conn, "ALTER TABLE task_executions RENAME TO away").await;
        let error = executions.get(&mut conn, &tasks[1].id).await.expect_err("it is away");
        assert!(matches!(error, Error::Database { table: "task_executions", .. }), "{error}");
        run(&mut conn, "ALTER TABLE away RENAME TO task_executions").await;
        let (_, report) = watch(1, async {
            for (number, task) in tasks.iter().enumerate() {
                assert_eq!(executions.get(&mut conn, &task.id).await.expect("loaded").len(), number);
            }
        })
        .await;
        report.assert_none();
    })
    .await;
}
