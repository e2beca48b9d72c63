//! What is checked of drafts, as a table for each rule.

use super::{Draft, Numbering, SourceProblem as P, Text, check};
use crate::Kind::{Repeatable, Versioned};
use crate::{Migration, MigrationId, TransactionMode};

fn text(file: String, sql: &str) -> Option<Text> {
    Some(Text { file, line: 1, sql: sql.to_owned(), original: None })
}

fn draft(label: &str, meta: &str) -> Draft {
    let (version, name) = label.split_once('_').expect("a version");
    Draft {
        version: version.into(),
        name: name.into(),
        label: label.into(),
        up: text(format!("{label}/up.sql"), "SELECT 1;"),
        meta: Some(meta.into()),
        ..Draft::default()
    }
}

fn up(sql: &str, meta: &str) -> Draft {
    Draft { up: text("0001_a/up.sql".into(), sql), ..draft("0001_a", meta) }
}

fn strictly(drafts: &[Draft]) -> Result<Vec<Migration>, Vec<P>> {
    check(drafts.to_vec(), Numbering::Strict)
}

fn foreign(sql: &str) -> Result<Vec<Migration>, Vec<P>> {
    check(vec![Draft { meta: None, ..up(sql, "") }], Numbering::Foreign)
}

fn refuses(drafts: &[Draft], expected: &[P]) {
    assert_eq!(strictly(drafts).expect_err("refused"), expected);
}

#[test]
fn orders_by_need_and_then_as_given() {
    let ids = |drafts: &[Draft]| -> Vec<String> {
        strictly(drafts).expect("sound").iter().map(|found| found.id().to_string()).collect()
    };
    let plain = [draft("0001_a", ""), draft("0002_b", "depends_on = [1]"), draft("0003_c", "")];
    assert_eq!(ids(&plain), ["0001", "0002", "0003"]);
    let later = [draft("0001_a", ""), draft("0002_b", "depends_on = [3]"), draft("0003_c", "")];
    assert_eq!(ids(&later), ["0001", "0003", "0002"]);
    let again = [draft("0001_a", "repeatable = true"), draft("0002_b", "")];
    assert_eq!(ids(&again), ["0002", "0001"]);
}

#[test]
fn one_that_replaces_others_stands_where_they_stood() {
    let ids = |drafts: &[Draft]| -> Vec<String> {
        strictly(drafts).expect("sound").iter().map(|found| found.id().to_string()).collect()
    };
    let both =
        [draft("0001_a", ""), draft("0002_b", ""), draft("0003_c", ""), draft("0004_s", "replaces = [1, 2]")];
    assert_eq!(ids(&both), ["0001", "0002", "0004", "0003"]);
    let rest = [draft("0003_c", ""), draft("0004_s", "replaces = [1, 2]")];
    assert_eq!(ids(&rest), ["0004", "0003"]);
    let replaced = strictly(&rest).expect("sound")[0].replaces.clone();
    assert_eq!(replaced, [MigrationId::numbered(1), MigrationId::numbered(2)]);
    let gap = [draft("0003_c", ""), draft("0004_s", "replaces = [1]")];
    refuses(&gap, &[P::Gap { missing: MigrationId::numbered(2), before: "0003_c".into() }]);
}

#[test]
fn other_tools_versions_are_referred_to_as_they_are() {
    let annotated = |label: &str, annotation: &str| Draft {
        meta: None,
        up: text(format!("{label}.sql"), &format!("{annotation}\nSELECT 1;")),
        ..draft(label, "")
    };
    let drafts = vec![
        annotated("000001_a", ""),
        annotated("000002_b", "-- cairn: depends_on = [1]"),
        annotated("20240101000000_c", "-- cairn: replaces = [1, \"000000\"]"),
    ];
    let found = check(drafts, Numbering::Foreign).expect("sound");
    assert_eq!(found[2].label(), "000002_b", "what stands for others comes where they did");
    assert_eq!(found[2].depends_on()[0].as_str(), "000001");
    let replaced: Vec<_> = found[1].replaces.iter().map(MigrationId::as_str).collect();
    assert_eq!(replaced, ["000001", "000000"]);
}

#[test]
fn says_everything_at_once() {
    refuses(
        &[
            draft("0002_a", "x = 1"),
            draft("0002_b", ""),
            Draft { up: None, ..draft("0005_c", "depends_on = [7]") },
        ],
        &[
            P::Duplicate { first: "0002_a".into(), second: "0002_b".into() },
            P::Meta {
                file: "0002_a/meta.toml".into(),
                reason: "unknown key \"x\": known are depends_on, description, environment, estimate, repeatable, \
                         replaces, risk, tags, transaction"
                    .into(),
            },
            P::Gap { missing: MigrationId::numbered(1), before: "0002_a".into() },
            P::Gap { missing: MigrationId::numbered(3), before: "0005_c".into() },
            P::UnknownDependency { label: "0005_c".into(), depends_on: "7".into() },
            P::NoUp { label: "0005_c".into() },
        ],
    );
}

#[test]
fn what_is_to_be_ignored_is_no_setting() {
    let sql = "-- cairn: risk = \"high\"\n-- cairn: ignore = \"drop-table: empty\"\nDROP TABLE t;";
    assert_eq!(foreign(sql).expect("sound")[0].risk(), Some(crate::Risk::High));
    assert!(foreign(&sql.replace("ignore", "ingore")).is_err());
}

#[test]
fn refuses_those_that_wait_for_each_other() {
    refuses(
        &[
            draft("0001_a", "depends_on = [3]"),
            draft("0002_b", "depends_on = [1]"),
            draft("0003_c", "depends_on = [2]"),
        ],
        &[P::Cycle { labels: ["0001_a", "0003_c", "0002_b", "0001_a"].map(Into::into).into() }],
    );
    refuses(
        &[draft("0001_a", "depends_on = [1]")],
        &[P::Cycle { labels: ["0001_a", "0001_a"].map(Into::into).into() }],
    );
}

#[test]
fn refuses_scripts_that_cannot_run() {
    let file = || "0001_a/up.sql".to_owned();
    refuses(&[up(" -- later\n", "")], &[P::Empty { file: file() }]);
    refuses(
        &[up("\nSELECT '", "")],
        &[P::Unterminated { file: file(), line: 2, what: "string" }, P::Empty { file: file() }],
    );
    let concurrently = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);";
    let statement = "CREATE INDEX CONCURRENTLY i ON".to_owned();
    refuses(
        &[up(concurrently, "transaction = true")],
        &[P::OutsideTransaction {
            file: file(),
            line: 2,
            statement,
            remedy: "transaction = true out of meta.toml",
        }],
    );
    for mode in ["", "transaction = false"] {
        assert!(strictly(&[up(concurrently, mode)]).is_ok());
    }
    refuses(
        &[up("COMMIT;", "")],
        &[P::TransactionControl { file: file(), line: 1, statement: "COMMIT".into() }],
    );
    refuses(
        &[up("BEGIN;\nSELECT 1;\nROLLBACK;\nROLLBACK;", "")],
        &[(1, "BEGIN"), (3, "ROLLBACK"), (4, "ROLLBACK")].map(|(line, statement)| P::TransactionControl {
            file: file(),
            line,
            statement: statement.into(),
        }),
    );
    refuses(&[up("COPY t FROM STDIN;", "")], &[P::CopyFromClient { file: file(), line: 1 }]);
    refuses(
        &[up("\\i other.sql", "")],
        &[P::PsqlCommand { file: file(), line: 1, command: "i other sql".into() }],
    );
}

#[test]
fn says_what_asks_for_a_transaction_that_cannot_be() {
    let concurrently = "CREATE INDEX CONCURRENTLY i ON t (a);";
    let single = |meta: Option<&str>, sql: &str| Draft {
        meta: meta.map(Into::into),
        mode: TransactionMode::Single,
        single_by: "executeInTransaction=true out of its .conf",
        ..up(sql, "")
    };
    let commented = format!("-- cairn: transaction = true\n{concurrently}");
    for (draft, remedy) in [
        (single(None, concurrently), "executeInTransaction=true out of its .conf"),
        (single(None, &commented), "transaction = true out of its comment"),
        (single(Some("transaction = true"), concurrently), "transaction = true out of meta.toml"),
        (up(&format!("BEGIN;{concurrently}COMMIT;"), ""), "it out of its BEGIN and COMMIT"),
    ] {
        let problems = check(vec![draft], Numbering::Foreign).expect_err("it cannot run");
        let said = problems[0].to_string();
        assert!(said.ends_with(&format!("cannot run in a transaction: take {remedy}")), "{said}");
    }
}

#[test]
fn a_repeatable_one_is_another_with_other_values() {
    let checksum = |kind: crate::Kind, value: &str| {
        let original = Some("SELECT '${env}';".to_owned());
        let text = Text { file: "R__a.sql".into(), line: 1, sql: format!("SELECT '{value}';"), original };
        let found = Draft { kind, meta: None, up: Some(text), ..draft("0001_a", "") };
        check(vec![found], Numbering::Foreign).expect("sound")[0].checksum()
    };
    assert_ne!(checksum(Repeatable, "dev"), checksum(Repeatable, "prod"));
    assert_eq!(checksum(Versioned, "dev"), checksum(Versioned, "prod"));
}

#[test]
fn other_tools_allow_more() {
    for sql in [" -- nothing yet\n", "BEGIN;\nSELECT 1;\nCOMMIT;", "SELECT 1;\n\\.\n"] {
        assert!(foreign(sql).is_ok(), "{sql}");
    }
    assert!(foreign("BEGIN; SELECT 1; ROLLBACK;").is_ok(), "it undoes what it began itself");
    let rollback = foreign("SELECT 1;\nROLLBACK;").expect_err("it undoes what the runner began");
    let (file, statement) = ("0001_a/up.sql".to_owned(), "ROLLBACK".to_owned());
    assert_eq!(rollback, [P::TransactionControl { file, line: 2, statement }]);
}

#[test]
fn a_comment_may_say_what_a_meta_file_would() {
    let found =
        foreign("-- cairn: risk = \"high\"\n-- cairn: transaction = false\nSELECT 1;").expect("sound");
    assert_eq!((found[0].risk(), found[0].mode()), (Some(crate::Risk::High), TransactionMode::None));
    assert!(foreign("-- cairn: risk = 7\nSELECT 1;").is_err());
}

#[test]
fn a_byte_order_mark_is_no_sql() {
    let found = strictly(&[up("\u{feff}SELECT 1;", "")]).expect("sound");
    assert_eq!(&*found[0].up.statements()[0].text, "SELECT 1");
}
