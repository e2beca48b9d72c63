//! How a rule's tables are checked: against a database of known sizes, or against files alone.

use super::catalogue::{Catalogue, Cover, Dependent, Index, Relation, RelationKind, Size};
use super::change::Change;
use super::name::Name;
use super::rules::Rule;
use super::state::State;
use super::understand::understand;
use super::{LintOptions, LintReport, Scope, Severity, lint};
use crate::{Embedded, Migrations};
use squawk_syntax::SourceFile;

/// What a rule says of a migration, once; the text is in the message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect<'a> {
    Nothing,
    Hint(&'a str),
    Warning(&'a str),
    Error(&'a str),
}

/// Tables whose names are their sizes, with columns `a` and `b`; `looks` is a view of `seen.a`.
const TABLES: &str = "CREATE TABLE big (a int, b int); CREATE TABLE mid (a int, b int); CREATE TABLE small (a int, b int); \
    CREATE TABLE empty (a int, b int); CREATE TABLE seen (a int, b int); CREATE TABLE parted (a int) PARTITION BY LIST (a);";

/// A database of these tables, after some more SQL.
pub(crate) fn catalogue(setup: &str) -> Catalogue {
    let mut state = State::unknown(None);
    for statement in SourceFile::parse(&format!("{TABLES} {setup}")).tree().stmts() {
        understand(&statement).iter().for_each(|(change, _): &(Change, _)| state.apply(change));
    }
    let mut catalogue = Catalogue {
        version: 15,
        search_path: vec!["public".to_owned()],
        schemas: ["public".to_owned(), "app".to_owned()].into(),
        ..Catalogue::default()
    };
    for (name, relation) in state.relations() {
        let rows = match name.name.as_str() {
            "big" | "parted" => 5_000_000,
            "mid" => 50_000,
            "empty" => 0,
            _ => 10,
        };
        let mut relation = Relation { size: Size::About { rows, bytes: rows * 100 }, ..relation.clone() };
        if name.name == "seen" {
            relation
                .dependents
                .push(Dependent { what: "view public.looks".into(), column: Some("a".into()) });
        }
        if name.name == "small" {
            relation.indexes.push(Index {
                name: "broken".into(),
                columns: vec![Some("a".into())],
                unique: false,
                valid: false,
                method: "btree".into(),
                cover: Cover::Plain,
            });
        }
        catalogue.relations.insert(name.clone(), relation);
    }
    let looks = Relation::new(RelationKind::View, Size::About { rows: 0, bytes: 0 });
    catalogue.relations.insert(Name::new("public", "looks"), looks);
    for name in ["mood"] {
        if let Some(values) = state.enumeration(&Name::new("public", name)) {
            catalogue.enums.insert(Name::new("public", name), values.to_vec());
        }
    }
    catalogue
}

pub(crate) fn migrations(sql: &str) -> Migrations {
    described(sql, None)
}

pub(crate) fn described(sql: &str, meta: Option<&'static str>) -> Migrations {
    let up: &'static str = Box::leak(sql.to_owned().into_boxed_str());
    Migrations::embedded(&[Embedded { folder: "0001_m", up, down: None, meta }]).expect("sound migrations")
}

pub(crate) fn report(sql: &str, catalogue: Option<&Catalogue>) -> LintReport {
    lint(&migrations(sql), catalogue, &LintOptions::default())
}

/// Lints each text against the tables, and the setup that was made of them.
pub(crate) fn check(rule: &Rule, setup: &str, expected: &[(&str, Expect<'_>)]) {
    let catalogue = catalogue(setup);
    expected.iter().for_each(|(sql, expected)| one(rule, sql, Some(&catalogue), *expected));
}

/// The same without a database.
pub(crate) fn check_files(rule: &Rule, expected: &[(&str, Expect<'_>)]) {
    expected.iter().for_each(|(sql, expected)| one(rule, sql, None, *expected));
}

/// The help of the only finding.
pub(crate) fn help(rule: &Rule, sql: &str) -> String {
    let report = report(sql, Some(&catalogue("")));
    let found: Vec<_> = report.findings().filter(|finding| finding.rule == rule.name).collect();
    assert_eq!(found.len(), 1, "{sql}: {found:?}");
    found[0].help.clone().expect("help")
}

fn one(rule: &Rule, sql: &str, catalogue: Option<&Catalogue>, expected: Expect<'_>) {
    let report = report(sql, catalogue);
    let found: Vec<_> = report.findings().filter(|finding| finding.rule == rule.name).collect();
    let (severity, text) = match expected {
        Expect::Nothing => return assert!(found.is_empty(), "{sql}: {found:#?}"),
        Expect::Hint(text) => (Severity::Hint, text),
        Expect::Warning(text) => (Severity::Warning, text),
        Expect::Error(text) => (Severity::Error, text),
    };
    assert_eq!(found.len(), 1, "{sql}: {:#?}", report.migrations);
    assert_eq!(found[0].severity, severity, "{sql}: {found:?}");
    assert!(found[0].message.contains(text), "{sql}: {text} is not in {found:?}");
}

/// The rules that fire, with their lines.
fn fired(report: &LintReport) -> Vec<(&'static str, usize)> {
    report.findings().map(|finding| (finding.rule, finding.span.line)).collect()
}

#[test]
fn a_comment_ignores_what_follows_it() {
    let catalogue = catalogue("");
    let with = |comment: &str| {
        let report = report(&format!("{comment}\nDROP TABLE big;\nDROP TABLE mid;"), Some(&catalogue));
        (fired(&report), report.migrations[0].ignored)
    };
    let second = ("drop-table", 3);
    assert_eq!(with(""), (vec![("drop-table", 2), second], 0));
    assert_eq!(with("-- cairn: ignore = 'drop-table: moved to the archive'"), (vec![second], 1));
    assert_eq!(with("-- cairn: ignore_file = 'drop-table: moved to the archive'"), (vec![], 2));
    assert_eq!(with("-- squawk-ignore ban-drop-table -- moved to the archive"), (vec![second], 1));
    assert_eq!(with("-- squawk-ignore ban-drop-table"), (vec![("ignore-without-reason", 1), second], 1));
    assert_eq!(with("-- cairn: ignore = 'drop-table'"), (vec![("ignore-without-reason", 1), second], 1));
    assert_eq!(
        with("-- cairn: ignore = 'drop-tabel: moved'"),
        (vec![("unclear-ignore", 1), ("drop-table", 2), second], 0)
    );
    assert_eq!(
        with("-- cairn: ignore = 'drop-column: moved'"),
        (vec![("unused-ignore", 1), ("drop-table", 2), second], 0)
    );
}

#[test]
fn a_comment_may_be_for_a_bigger_database() {
    let sql = "-- cairn: ignore = 'index-not-concurrent: at night'\nCREATE INDEX i ON small (a);";
    assert_eq!(fired(&report(sql, Some(&catalogue("")))), []);
    // Of a rule that the engine makes pointless, nothing is said.
    let sql = "-- squawk-ignore require-lock-timeout, prefer-robust-stmts (why)\nSELECT 1;";
    assert_eq!(fired(&report(sql, None)), []);
}

#[test]
fn the_risk_is_what_the_findings_amount_to() {
    let catalogue = catalogue("");
    for (sql, meta, expected) in [
        ("CREATE TABLE t (a int)", "risk = 'low'", ("low", vec![])),
        ("CREATE INDEX i ON mid (a)", "risk = 'medium'", ("medium", vec![("index-not-concurrent", 1)])),
        (
            "CREATE INDEX i ON mid (a)",
            "risk = 'low'",
            ("medium", vec![("index-not-concurrent", 1), ("risk-understated", 1)]),
        ),
        ("DROP TABLE big", "risk = 'high'", ("high", vec![("drop-table", 1)])),
    ] {
        let report = lint(&described(sql, Some(meta)), Some(&catalogue), &LintOptions::default());
        assert_eq!(report.migrations[0].risk.as_str(), expected.0, "{sql}");
        let mut found = fired(&report);
        found.sort_unstable();
        assert_eq!(found, expected.1, "{sql}");
    }
}

const THREE: &[Embedded] = &[
    Embedded { folder: "0001_a", up: "CREATE TABLE t (a int);", down: Some("DROP TABLE t;"), meta: None },
    Embedded { folder: "0002_b", up: "CREATE INDEX i ON t (a);", down: None, meta: None },
    Embedded { folder: "0003_c", up: "CREATE INDEX j ON t (a, a);", down: None, meta: None },
];

#[test]
fn what_is_new_in_this_deployment_is_in_nobodys_way() {
    let three = Migrations::embedded(THREE).expect("sound");
    let with = |options: &LintOptions, catalogue: Option<&Catalogue>| -> Vec<String> {
        let report = lint(&three, catalogue, options);
        report.findings().map(|finding| format!("{} {}", finding.migration, finding.rule)).collect()
    };
    let all = LintOptions::default();
    assert_eq!(with(&all, None), Vec::<String>::new());
    let from = LintOptions { scope: Scope::From("3".into()), ..LintOptions::default() };
    assert_eq!(with(&from, None), ["0003_c index-not-concurrent"]);
    assert_eq!(with(&from, Some(&catalogue(""))), Vec::<String>::new());
    let id = |number| crate::MigrationId::numbered(number);
    let applied = LintOptions { applied: [id(1), id(2)].into(), ..LintOptions::default() };
    assert_eq!(with(&applied, None), ["0003_c index-not-concurrent"]);
    let again = LintOptions { scope: Scope::All, ..applied };
    assert_eq!(with(&again, None), ["0002_b index-not-concurrent", "0003_c index-not-concurrent"]);
    let mut known = catalogue("CREATE TABLE t (a int);");
    assert_eq!(with(&again, Some(&known)), Vec::<String>::new(), "of ten rows");
    if let Some(table) = known.relations.get_mut(&Name::new("public", "t")) {
        table.size = Size::About { rows: 1 << 30, bytes: 1 << 40 };
    }
    assert_eq!(with(&again, Some(&known)), ["0002_b index-not-concurrent", "0003_c index-not-concurrent"]);
}

#[test]
fn rules_are_switched() {
    let name = |name: &str| std::collections::BTreeSet::from([name.to_owned()]);
    let three = Migrations::embedded(THREE).expect("sound");
    let down = LintOptions { include: name("missing-down"), ..LintOptions::default() };
    assert_eq!(lint(&three, None, &down).findings().count(), 2);
    let lossy = LintOptions { include: name("down-loses-data"), ..LintOptions::default() };
    let report = lint(&three, None, &lossy);
    assert_eq!(
        report.findings().map(|finding| finding.message.as_str()).collect::<Vec<_>>(),
        ["the way back loses what is in t"]
    );
    let squawk = LintOptions { include: name("prefer-text-field"), ..LintOptions::default() };
    let taste = migrations("CREATE TABLE t (a varchar(10));");
    assert_eq!(fired(&lint(&taste, None, &squawk)), [("prefer-text-field", 1)]);
    let without = LintOptions { exclude: name("prefer-text-field"), ..squawk };
    assert_eq!(fired(&lint(&taste, None, &without)), []);
}

#[test]
fn squawk_is_asked_where_it_matters() {
    let catalogue = catalogue("");
    for (sql, expected) in [
        ("ALTER TABLE parted DETACH PARTITION p;", vec![("require-concurrent-partition-detach", 1)]),
        ("ALTER TABLE small DETACH PARTITION p;", vec![]),
        ("UPDATE small SET a = 1, a = 2;", vec![("ban-duplicate-column-assignments", 1); 2]),
        ("CREATE TABLE IF NOT EXISTS x (a int);", vec![]),
        ("SET lock_timeout = '1s'; CREATE INDEX i ON small (a);", vec![]),
    ] {
        assert_eq!(fired(&report(sql, Some(&catalogue))), expected, "{sql}");
    }
}

#[test]
fn what_a_file_rolls_back_is_as_before_afterwards() {
    let up = "BEGIN;\nALTER TABLE big RENAME TO old;\nCREATE TABLE big (a int);\nROLLBACK;\nCREATE INDEX i ON big (a);";
    let down = "BEGIN; DROP TABLE big; ROLLBACK; DROP TABLE small;";
    let files = [("1_a.up.sql", up), ("1_a.down.sql", down)];
    let format = Some(crate::Format::GolangMigrate);
    let (all, _) = Migrations::from_files(&files, format, &Default::default()).expect("sound");
    let include = ["down-loses-data".to_owned()].into();
    let report = lint(&all, Some(&catalogue("")), &LintOptions { include, ..LintOptions::default() });
    assert_eq!(fired(&report), [("down-loses-data", 1), ("rename-table", 2), ("index-not-concurrent", 5)]);
    let lost = report.findings().find(|finding| finding.rule == "down-loses-data").expect("it fired");
    assert_eq!(lost.message, "the way back loses what is in small");
}

#[test]
fn what_is_not_understood_is_a_hint() {
    let catalogue = catalogue("");
    let report =
        report("ALTER TABLE big FROBNICATE;\nDROP TABLE big;\nDROP TABLE nowhere;", Some(&catalogue));
    assert_eq!(fired(&report), [("not-parsed", 1), ("drop-table", 2), ("drop-table", 3)]);
    assert_eq!(report.findings().next().map(|finding| finding.severity), Some(Severity::Hint));
}
