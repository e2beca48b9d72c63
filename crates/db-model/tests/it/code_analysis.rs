//! Code analyses.

use crate::task;
use chrono::DateTime;
use db_model::code_analysis::{CodeAnalysis, NewCodeAnalysis, Totals, top, totals, upsert_many};
use db_model::{AnalysisMethod, repository};
use db_testkit::fresh_db;

fn file(path: &str, complexity: i32) -> NewCodeAnalysis {
    NewCodeAnalysis {
        language: Some("Rust".into()),
        size_bytes: 1000,
        modified_ns: 1_700_000_000_000_000_001,
        lines: 40,
        code: 30,
        comments: 6,
        blanks: 4,
        functions: 3,
        max_nesting: 2,
        complexity,
        max_complexity: complexity,
        ..NewCodeAnalysis::new("/src", path, "db-model", AnalysisMethod::Syn)
    }
}

/// What was to be stored, read off a row.
fn measured(row: &CodeAnalysis) -> NewCodeAnalysis {
    let row = row.clone();
    NewCodeAnalysis {
        id: row.id,
        root: row.root,
        file_path: row.file_path,
        package: row.package,
        method: row.method,
        task_id: row.task_id,
        language: row.language,
        note: row.note,
        size_bytes: row.size_bytes,
        modified_ns: row.modified_ns,
        lines: row.lines,
        code: row.code,
        comments: row.comments,
        blanks: row.blanks,
        functions: row.functions,
        max_nesting: row.max_nesting,
        complexity: row.complexity,
        max_complexity: row.max_complexity,
        analysed_at: None,
    }
}

#[tokio::test]
async fn a_second_measure_replaces_the_first() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let first = [file("a.rs", 5), file("b.rs", 9), file("c.rs", 5)];
        assert_eq!(upsert_many(&mut conn, &first).await.expect("stored"), 3);
        let before = top(&mut conn, "/src", 10).await.expect("a list");
        let found: Vec<_> = before.iter().map(measured).collect();
        assert_eq!(found, [first[1].clone(), first[0].clone(), first[2].clone()], "the worst first");

        let id = task(&mut conn, "measure").await.id;
        let again = NewCodeAnalysis {
            task_id: Some(id),
            size_bytes: 1001,
            method: AnalysisMethod::Estimate,
            note: Some("does not parse".into()),
            language: None,
            ..file("a.rs", 20)
        };
        upsert_many(&mut conn, std::slice::from_ref(&again)).await.expect("stored");
        let [found] = &top(&mut conn, "/src", 1).await.expect("a list")[..] else { panic!("one") };
        let expected = NewCodeAnalysis { id: before[1].id, ..again };
        assert_eq!(measured(found), expected, "the row stays the same");
        assert!(found.analysed_at > before[1].analysed_at);

        let then = DateTime::UNIX_EPOCH;
        let dated = repository::upsert(&mut conn, &file("a.rs", 2).analysed_at(then)).await.expect("stored");
        assert_eq!((dated.id, dated.complexity, dated.analysed_at), (before[1].id, 2, then));
    })
    .await;
}

#[tokio::test]
async fn a_root_has_totals() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let other = NewCodeAnalysis { root: "/other".into(), ..file("a.rs", 1) };
        upsert_many(&mut conn, &[file("a.rs", 5), file("b.rs", 9), other]).await.expect("stored");
        let sums = totals(&mut conn, "/src").await.expect("totals");
        let expected =
            Totals { files: 2, size_bytes: 2000, lines: 80, code: 60, functions: 6, complexity: 14 };
        assert_eq!(sums, expected);
        assert_eq!(totals(&mut conn, "/nowhere").await.expect("totals"), Totals::default());
    })
    .await;
}

#[tokio::test]
async fn a_file_stands_in_a_batch_once() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let error = upsert_many(&mut conn, &[file("a.rs", 1), file("a.rs", 2)]).await.expect_err("twice");
        let source = std::error::Error::source(&error).expect("a source").to_string();
        assert!(source.contains("a second time"), "{source}");
        assert_eq!(totals(&mut conn, "/src").await.expect("totals"), Totals::default());
    })
    .await;
}
