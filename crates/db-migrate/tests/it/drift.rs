//! Files that are no longer what was applied.

use crate::{NOTES, apply, item, set, tables};
use db_migrate::{Embedded, Error, Format, Migrations, Options, Problem};
use db_testkit::empty_db;

/// Applies `first`, then `second`, which must be refused with `expected` and change nothing.
async fn check(first: &[Embedded], second: &[Embedded], expected: Problem) {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, first).await.expect("the first is applied");
        let before = tables(&mut conn).await;

        let error = apply(&mut conn, second).await.expect_err("the second is refused");
        let Error::Plan(plan) = error else { panic!("{error}") };
        assert_eq!(plan.problems, [expected]);
        let status = db_migrate::status(&mut conn, &set(second)).await.expect("a status");
        assert_eq!(status.problems, plan.problems);
        assert_eq!(tables(&mut conn).await, before);
    })
    .await;
}

const TAGS: Embedded = item("0002_tags", "CREATE TABLE tags (id int);", "DROP TABLE tags;");

#[tokio::test]
async fn refuses_an_edited_file() {
    let edited = Embedded { up: "CREATE TABLE notes (id bigint);", ..NOTES };
    let diff = "--- as applied\n+++ as it is now\n@@ -1 +1 @@\n-CREATE TABLE notes (id int, text text);\n\\ No newline at end of \
                file\n+CREATE TABLE notes (id bigint);\n\\ No newline at end of file\n";
    let problem = Problem::Edited {
        label: "0001_notes".into(),
        file: "0001_notes/up.sql".into(),
        diff: Some(diff.into()),
    };
    check(&[NOTES], &[edited, TAGS], problem).await;
}

#[tokio::test]
async fn refuses_a_missing_file() {
    check(&[NOTES, TAGS], &[NOTES], Problem::Missing { label: "0002_tags".into() }).await;
}

#[tokio::test]
async fn of_many_edited_files_the_first_are_shown_and_the_others_counted() {
    let all = |of: &str| {
        let files: Vec<_> =
            (1..23).map(|at| (format!("{at}_x.up.sql"), format!("SELECT {at}{of};"))).collect();
        let files: Vec<_> = files.iter().map(|(file, sql)| (file.as_str(), sql.as_str())).collect();
        Migrations::from_files(&files, Some(Format::GolangMigrate), &Default::default()).expect("sound").0
    };
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        db_migrate::apply(&mut conn, &all(""), &Options::default(), &mut |_| {}).await.expect("applied");
        let found = db_migrate::status(&mut conn, &all(" + 0")).await.expect("a status").problems;
        let diffs: Vec<Option<&str>> = found
            .iter()
            .map(|problem| match problem {
                Problem::Edited { diff, .. } => diff.as_deref(),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(diffs.len(), 22);
        for (diff, at) in diffs.iter().zip(1..) {
            let own = diff.is_some_and(|diff| diff.contains(&format!("+SELECT {at} + 0;\n")));
            assert_eq!((own, diff.is_some()), (at <= 20, at <= 20), "{at}: {diff:?}");
            let counts = diff.is_some_and(|diff| diff.contains("not shown"));
            assert_eq!(counts, at == 20, "{at}: {diff:?}");
        }
        let rest = "\n… the differences of 2 more edited files are not shown";
        assert!(found[19].to_string().ends_with(rest), "{}", found[19]);
    })
    .await;
}
