//! A loop that asks row by row is found, and what asks at once is not.

use crate::task;
use db_model::knowledge::{self, NewKnowledgeEntry};
use db_model::mail::{Direction, Incoming, NewEmail, file};
use db_model::n_plus_one::{Report, watch};
use db_model::plan::{self, NewPlan, Step};
use db_model::task::{NewTask, Task, get};
use db_model::user::NewUser;
use db_model::{TaskId, repository, user};
use db_testkit::fresh_db;
use sqlx::PgConnection;
use std::panic::{AssertUnwindSafe, catch_unwind};

async fn ids(conn: &mut PgConnection, count: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(task(conn, "t").await.id);
    }
    ids
}

/// Reads row by row; the number of the line that does.
async fn one_by_one(conn: &mut PgConnection, ids: &[TaskId]) -> u32 {
    for id in ids {
        repository::get::<Task>(conn, id).await.expect("read");
    }
    line!() - 2
}

fn named(report: &Report) -> Vec<(&str, u32, u64)> {
    report.repeated().iter().map(|found| (found.line.file(), found.line.line(), found.times)).collect()
}

#[tokio::test]
async fn the_line_of_the_loop_is_named() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let ids = ids(&mut conn, 5).await;
        let (line, report) = watch(3, one_by_one(&mut conn, &ids)).await;
        assert_eq!(named(&report), [(file!(), line, 5)]);
        let sql = &report.repeated()[0].sql;
        assert!(sql.starts_with("SELECT") && sql.ends_with(r#"FROM "tasks" WHERE "id" = $1"#), "{sql}");
        assert_eq!(report.to_string(), format!("{}:{line} sent this 5 times: {sql}", file!()));
        let panic = catch_unwind(AssertUnwindSafe(|| report.assert_none())).expect_err("it fails a test");
        let message = panic.downcast::<String>().expect("a message");
        assert_eq!(*message, report.to_string());

        // As often as the limit is not too often.
        let (_, report) = watch(5, one_by_one(&mut conn, &ids)).await;
        report.assert_none();
        assert_eq!(report.to_string(), "no statement was repeated");
    })
    .await;
}

#[tokio::test]
async fn functions_of_an_aggregate_name_the_caller_and_not_themselves() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let ids = ids(&mut conn, 4).await;
        let (lines, report) = watch(3, async {
            for id in &ids {
                get(&mut conn, *id).await.expect("read");
            }
            for _ in 0..4 {
                user::by_email(&mut conn, "ada@example.org").await.expect("read");
            }
            [line!() - 5, line!() - 2]
        })
        .await;
        let mut found = named(&report);
        found.sort_unstable();
        assert_eq!(found, lines.map(|line| (file!(), line, 4)));
    })
    .await;
}

#[tokio::test]
async fn functions_of_many_statements_name_the_caller_too() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = repository::insert(conn, &NewUser::new("ada@example.org")).await.expect("inserted").id;
        let (lines, report) = watch(1, async {
            let mut lines = [0; 4];
            for round in 0..2 {
                let mail = NewEmail::new(user, Direction::Inbound).message_id(round.to_string());
                lines = [line!() + 1, line!() + 2, line!() + 4, line!() + 5];
                file(conn, &Incoming::new(mail.clone())).await.expect("filed");
                plan::insert(conn, &NewPlan::new("Go"), &[Step::default()]).await.expect_err("no title");
                let new = NewKnowledgeEntry::new("a", "b", "c");
                let entry = knowledge::insert(conn, &new, &[]).await.expect("inserted");
                knowledge::replace(conn, &entry, NewKnowledgeEntry::new("a", "b", "d"))
                    .await
                    .expect("replaced");
            }
            lines
        })
        .await;
        let mut found: Vec<_> = named(&report).into_iter().map(|(file, line, _)| (file, line)).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, lines.map(|line| (file!(), line)));

        let (line, report) = watch(1, async {
            for _ in 0..2 {
                repository::copy_in(conn, [NewTask::new("t")]).await.expect("copied");
            }
            line!() - 2
        })
        .await;
        let copied = report.repeated().iter().find(|found| found.sql.starts_with("COPY")).expect("found");
        assert_eq!((copied.line.file(), copied.line.line(), copied.times), (file!(), line, 2));
    })
    .await;
}

#[tokio::test]
async fn one_statement_for_all_passes() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let ids = ids(&mut conn, 9).await;
        let (found, report) = watch(1, repository::get_many::<Task>(&mut conn, &ids)).await;
        assert_eq!(found.expect("read").len(), 9);
        report.assert_none();
    })
    .await;
}

#[tokio::test]
async fn two_watches_on_one_thread_do_not_mix() {
    fresh_db(|db| async move {
        let (mut left, mut right) = (db.connect().await, db.connect().await);
        let ids = ids(&mut left, 4).await;
        // Both wait for the server many times, and each time the other goes on.
        let both =
            tokio::join!(watch(1, one_by_one(&mut left, &ids)), watch(1, one_by_one(&mut right, &ids[..3])),);
        let times = |report: &Report| report.repeated().iter().map(|found| found.times).collect::<Vec<_>>();
        assert_eq!((times(&both.0.1), times(&both.1.1)), (vec![4], vec![3]));

        // What is not watched counts nowhere, also where it runs in turns with what is.
        let both = tokio::join!(watch(1, one_by_one(&mut left, &ids)), one_by_one(&mut right, &ids));
        assert_eq!(times(&both.0.1), [4]);

        // Of two, the inner one counts, and after it the outer one goes on.
        let (inner, outer) = watch(1, async {
            let (_, inner) = watch(1, one_by_one(&mut left, &ids)).await;
            one_by_one(&mut left, &ids[..2]).await;
            inner
        })
        .await;
        assert_eq!((times(&inner), times(&outer)), (vec![4], vec![2]));
    })
    .await;
}
