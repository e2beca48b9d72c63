//! Code analyses.

use crate::task;
use db_model::code_analysis::{
    FileAnalysis, Fingerprint, NewCodeAnalysis, Totals, fingerprints, top, totals, upsert_many,
};
use db_model::{AnalysisMethod, TaskId};
use db_testkit::fresh_db;

fn file(path: &str, complexity: i32) -> FileAnalysis {
    FileAnalysis {
        root: "/src".into(),
        file_path: path.into(),
        package: "db-model".into(),
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
        method: AnalysisMethod::Syn,
        note: None,
    }
}

fn new(task: Option<TaskId>, files: &[FileAnalysis]) -> Vec<NewCodeAnalysis> {
    files.iter().map(|file| NewCodeAnalysis::new(task, file.clone())).collect()
}

#[tokio::test]
async fn a_second_measure_replaces_the_first() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let first = [file("a.rs", 5), file("b.rs", 9), file("c.rs", 5)];
        assert_eq!(upsert_many(&mut conn, &new(None, &first)).await.expect("stored"), 3);
        let before = top(&mut conn, "/src", 10).await.expect("a list");
        let paths: Vec<_> = before.iter().map(|row| row.file.file_path.as_str()).collect();
        assert_eq!(paths, ["b.rs", "a.rs", "c.rs"]);
        assert_eq!(before[0].file, first[1]);

        let id = task(&mut conn, "measure").await.id;
        let again = FileAnalysis {
            size_bytes: 1001,
            method: AnalysisMethod::Estimate,
            note: Some("does not parse".into()),
            language: None,
            ..file("a.rs", 20)
        };
        upsert_many(&mut conn, &new(Some(id), std::slice::from_ref(&again))).await.expect("stored");
        let [found] = &top(&mut conn, "/src", 1).await.expect("a list")[..] else { panic!("one") };
        assert_eq!((&found.file, found.task_id), (&again, Some(id)));
        assert_eq!(found.id, before[1].id, "the row stays the same");
        assert!(found.analysed_at > before[1].analysed_at);
    })
    .await;
}

#[tokio::test]
async fn a_root_has_fingerprints_and_totals() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let other = FileAnalysis { root: "/other".into(), ..file("a.rs", 1) };
        let files = [file("a.rs", 5), file("b.rs", 9), other];
        upsert_many(&mut conn, &new(None, &files)).await.expect("stored");

        let known = fingerprints(&mut conn, "/src").await.expect("fingerprints");
        let print = Fingerprint { size_bytes: 1000, modified_ns: 1_700_000_000_000_000_001 };
        assert_eq!(known, [("a.rs".to_owned(), print), ("b.rs".to_owned(), print)].into());
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
        let error = upsert_many(&mut conn, &new(None, &[file("a.rs", 1), file("a.rs", 2)])).await;
        let source = std::error::Error::source(&error.expect_err("twice")).expect("a source").to_string();
        assert!(source.contains("a second time"), "{source}");
        assert!(fingerprints(&mut conn, "/src").await.expect("fingerprints").is_empty());
    })
    .await;
}
