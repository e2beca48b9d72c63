//! `db migrate lint` as a person or a pipeline runs it.

use crate::{Answer, db, folder, run, write};
use db_testkit::{FreshDb, empty_db};
use serde_json::json;
use std::path::Path;

fn lint(folder: &Path, arguments: &[&str]) -> Answer {
    run(folder, &[&["migrate", "lint", "--dir", "m"], arguments].concat())
}

fn lint_on(folder: &Path, fresh: &FreshDb, arguments: &[&str]) -> Answer {
    let arguments = ["migrate", "lint", "--dir", "m"].iter().chain(arguments).copied();
    db(folder, arguments).env("DATABASE_URL", fresh.url()).output().expect("the binary runs").into()
}

fn migration(folder: &Path, sql: &str) {
    write(folder, "m/0001_first/up.sql", sql);
}

#[test]
fn the_exit_code_says_whether_it_is_safe() {
    let folder = folder();
    let path = folder.path();
    migration(path, "CREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\n");
    let safe = lint(path, &[]);
    assert_eq!(safe.code, Some(0), "{safe:?}");
    assert_eq!(safe.stdout, "1 migration linted: nothing to complain of\n");
    assert!(safe.stderr.contains("no database is configured"), "{safe:?}");
    migration(path, "ALTER TABLE t RENAME a TO b;\n");
    assert_eq!(lint(path, &[]).code, Some(3));
    assert_eq!(lint(path, &["--fail-on", "error"]).code, Some(0));
    assert_eq!(lint(path, &["--exclude", "rename-column"]).code, Some(0));
    let misspelt = lint(path, &["--exclude", "rename-colum"]);
    assert_eq!(misspelt.code, Some(2), "{misspelt:?}");
    assert!(misspelt.stderr.contains("--rules"), "{misspelt:?}");
    assert_eq!(lint(path, &["--from", "7"]).code, Some(2));
    assert_eq!(lint(path, &["--fail-on", "never"]).code, Some(2));
}

#[test]
fn people_see_the_line_and_a_mark() {
    let folder = folder();
    migration(folder.path(), "-- why\n  ALTER TABLE t RENAME a TO b;\n");
    let answer = lint(folder.path(), &[]);
    let expected = "m/0001_first/up.sql:2:17: warning [rename-column] programs that run now ask for t.a, and fail until they \
                    are replaced\n  2 |   ALTER TABLE t RENAME a TO b;\n    |                 ^^^^^^^^^^^^^\n  help: ";
    assert!(answer.stdout.starts_with(expected), "{}", answer.stdout);
    assert!(
        answer.stdout.ends_with("0001_first: risk medium\n1 migration linted: 1 warning\n"),
        "{}",
        answer.stdout
    );
}

#[test]
fn programs_read_an_object() {
    let folder = folder();
    migration(
        folder.path(),
        "-- cairn: ignore = 'rename-column: nobody asks'\nALTER TABLE t RENAME a TO b;\nDROP TABLE t;\n",
    );
    for arguments in [&["--json"][..], &["--output", "json"]] {
        let answer = lint(folder.path(), arguments);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        let object = answer.json();
        assert_eq!(object["safe"], false);
        assert_eq!(object["sizes_known"], false);
        assert_eq!(object["counts"], json!({ "error": 0, "warning": 1, "hint": 0 }));
        let migration = &object["migrations"][0];
        assert_eq!(migration["ignored"], 1);
        assert_eq!(migration["risk"], "medium");
        assert_eq!(migration["file"], "m/0001_first/up.sql");
        let finding = &migration["findings"][0];
        assert_eq!(finding["rule"], "drop-table");
        assert_eq!(finding["span"], json!({ "line": 3, "column": 1, "end_line": 3, "end_column": 13 }));
    }
}

#[test]
fn code_scanning_reads_sarif() {
    let folder = folder();
    migration(folder.path(), "DROP TABLE t;\nCREATE TABLE x (a varchar(10));\n");
    let log = lint(folder.path(), &["--output", "sarif", "--rule", "prefer-text-field"]).json();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().is_some_and(|uri| uri.ends_with("sarif-2.1.0.json")));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    for rule in rules {
        let text = |value: &serde_json::Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(
            text(&rule["id"]) && text(&rule["shortDescription"]["text"]) && text(&rule["helpUri"]),
            "{rule}"
        );
    }
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2, "{results:?}");
    for result in results {
        let at = result["ruleIndex"].as_u64().and_then(|at| usize::try_from(at).ok()).expect("an index");
        assert_eq!(rules[at]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "m/0001_first/up.sql");
        let number = |name: &str| place["region"][name].as_u64().expect("a number");
        assert!(number("startLine") <= number("endLine") && number("startColumn") < number("endColumn"));
    }
    let fix = &results[1]["fixes"][0]["artifactChanges"][0];
    assert_eq!(fix["artifactLocation"]["uri"], "m/0001_first/up.sql", "{}", results[1]);
    assert!(fix["replacements"][0]["deletedRegion"]["startLine"].is_u64());
}

#[test]
fn pull_requests_are_annotated() {
    let folder = folder();
    write(
        folder.path(),
        "m/20240101120000_a,b.sql",
        "-- migrate:up\nDROP TABLE t;\n\n-- migrate:down\nSELECT 1;\n",
    );
    let answer = lint(folder.path(), &["--output", "github", "--format", "dbmate"]);
    let expected = "::warning file=m/20240101120000_a%2Cb.sql,line=2,endLine=2,col=1,endColumn=13,title=drop-table::the rows of t \
                    are lost, if there are any%0Ahelp: ";
    assert!(answer.stdout.starts_with(expected), "{answer:?}");
    assert_eq!(answer.stdout.lines().count(), 1);
}

#[tokio::test]
async fn with_a_database_only_what_is_pending_is_linted_by_its_sizes() {
    empty_db(|fresh| async move {
        let folder = folder();
        let path = folder.path();
        migration(path, "CREATE TABLE t AS SELECT n AS a FROM generate_series(1, 20000) AS n; ANALYZE t;");
        let up: Answer = db(path, ["migrate", "up", "--dir", "m"])
            .env("DATABASE_URL", fresh.url())
            .output()
            .expect("the binary runs")
            .into();
        assert_eq!(up.code, Some(0), "{up:?}");
        write(path, "m/0002_second/up.sql", "CREATE INDEX i ON t (a);");
        let answer = lint_on(path, &fresh, &["--json"]);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        let object = answer.json();
        assert_eq!(object["sizes_known"], true);
        assert_eq!(object["migrations"].as_array().map(Vec::len), Some(1));
        let finding = &object["migrations"][0]["findings"][0];
        assert_eq!(finding["rule"], "index-not-concurrent");
        assert!(
            finding["message"].as_str().is_some_and(|text| text.contains("public.t (about 2")),
            "{finding}"
        );
        assert_eq!(lint_on(path, &fresh, &["--big-rows", "1000000"]).code, Some(0));
        assert_eq!(
            lint_on(path, &fresh, &["--all", "--json"]).json()["migrations"].as_array().map(Vec::len),
            Some(2)
        );
        let offline = lint_on(path, &fresh, &["--offline"]);
        assert!(offline.stdout.contains("of a size that is not known"), "{offline:?}");
    })
    .await;
}

#[test]
fn rules_are_listed() {
    let folder = folder();
    let text = run(folder.path(), &["migrate", "lint", "--rules"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(
        text.stdout.lines().any(|line| line.starts_with("index-not-concurrent ") && line.contains(" error "))
    );
    assert!(text.stdout.lines().any(|line| line.starts_with("prefer-text-field ") && line.contains(" off ")));
    let object = run(folder.path(), &["migrate", "lint", "--rules", "--json"]).json();
    assert!(object["rules"].as_array().is_some_and(|rules| rules.len() > 70));
}
