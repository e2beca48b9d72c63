//! Tables of plans.

use super::{OutOfOrder, Plan, PlanError, Problem, Rules, Why, plan};
use crate::migration::{About, Body, Script};
use crate::{Applied, Checksum, Kind, Migration, MigrationId, Outcome, TransactionMode};
use chrono::DateTime;

fn id(number: u32) -> MigrationId {
    MigrationId::numbered(number)
}

fn file(number: u32, text: &str) -> Migration {
    let script = Script {
        file: format!("{number:04}_m/up.sql"),
        line: 1,
        text: text.into(),
        mode: TransactionMode::Auto,
        body: Body::Sql(Vec::new()),
    };
    Migration {
        id: id(number),
        name: "m".into(),
        label: format!("{number:04}_m"),
        kind: Kind::Versioned,
        depends_on: Vec::new(),
        replaces: Vec::new(),
        about: About::default(),
        up: script,
        down: None,
    }
}

fn needs(number: u32, needs: &[u32]) -> Migration {
    Migration { depends_on: needs.iter().map(|number| id(*number)).collect(), ..file(number, "a") }
}

fn applied(number: u32, text: &str) -> Applied {
    Applied {
        seq: number.into(),
        id: id(number),
        name: "m".into(),
        label: format!("{number:04}_m"),
        outcome: Outcome::Applied,
        is_repeatable: false,
        checksum: Checksum::of(text),
        started_at: DateTime::UNIX_EPOCH,
        finished_at: Some(DateTime::UNIX_EPOCH),
        execution: None,
        applied_by: "ci".into(),
        applied_from: "socket".into(),
        statements: 3,
        statement_alone: None,
        statements_done: 1,
        error: None,
    }
}

fn show(plan: &Plan<'_>) -> Vec<(u32, Why)> {
    plan.steps.iter().map(|step| (step.migration.id.number().expect("a number"), step.why)).collect()
}

fn check_by(
    rules: &Rules,
    files: &[Migration],
    applied: &[Applied],
    expected: Result<&[(u32, Why)], Vec<Problem>>,
) {
    let found = plan(files, applied, rules).map(|plan| show(&plan));
    assert_eq!(found, expected.map(<[_]>::to_vec).map_err(|problems| PlanError { problems }));
}

fn check(files: &[Migration], applied: &[Applied], expected: Result<&[u32], Vec<Problem>>) {
    let expected = expected.map(|ids| ids.iter().map(|id| (*id, Why::New)).collect::<Vec<_>>());
    check_by(&Rules::default(), files, applied, expected.as_deref().map_err(Clone::clone));
}

#[test]
fn applies_what_is_not_applied() {
    check(&[], &[], Ok(&[]));
    check(&[file(1, "a"), file(2, "b")], &[], Ok(&[1, 2]));
    check(&[file(1, "a"), file(2, "b")], &[applied(1, "a")], Ok(&[2]));
    check(&[file(1, "a")], &[applied(1, "a")], Ok(&[]));
}

#[test]
fn refuses_an_edited_file() {
    let problem = Problem::Edited { label: "0001_m".into(), file: "0001_m/up.sql".into(), diff: None };
    check(&[file(1, "b"), file(2, "c")], &[applied(1, "a")], Err(vec![problem]));
}

#[test]
fn refuses_a_missing_file() {
    let problem = Problem::Missing { label: "0002_m".into() };
    check(&[file(1, "a")], &[applied(1, "a"), applied(2, "b")], Err(vec![problem]));
}

#[test]
fn a_file_older_than_the_last_applied_is_as_the_rules_say() {
    let (files, rows) = ([file(1, "a"), file(2, "b"), file(3, "c")], [applied(2, "b")]);
    let problem = || Problem::OutOfOrder { label: "0001_m".into(), last: "0002_m".into() };
    check(&files, &rows, Err(vec![problem()]));
    for policy in [OutOfOrder::Warn, OutOfOrder::Apply] {
        let rules = Rules { out_of_order: policy, ..Rules::default() };
        check_by(&rules, &files, &rows, Ok(&[(1, Why::OutOfOrder), (3, Why::New)]));
        let warnings = plan(&files, &rows, &rules).expect("a plan").warnings;
        assert_eq!(warnings, if policy == OutOfOrder::Warn { vec![problem()] } else { vec![] });
    }
}

#[test]
fn refuses_a_half_applied_one_and_says_how_to_mend_it() {
    let half = Applied {
        outcome: Outcome::Running,
        finished_at: None,
        error: Some("duplicate key".into()),
        ..applied(1, "a")
    };
    let error = plan(&[file(1, "a"), file(2, "b")], &[half], &Rules::default()).expect_err("half applied");
    assert_eq!(
        error.to_string(),
        "the migrations do not fit what was applied:\n- 0001_m is half applied: ci began it at 1970-01-01 00:00:00 UTC, \
         1 of 3 statements finished, then: duplicate key; finish or undo it with `db migrate recover`"
    );
}

#[test]
fn says_everything_at_once() {
    check(
        &[file(1, "x"), file(2, "b")],
        &[applied(1, "a"), applied(3, "c")],
        Err(vec![
            Problem::Edited { label: "0001_m".into(), file: "0001_m/up.sql".into(), diff: None },
            Problem::Missing { label: "0003_m".into() },
        ]),
    );
}

#[test]
fn a_repeatable_one_is_due_when_its_text_has_changed() {
    let repeatable = |text| Migration { kind: Kind::Repeatable, ..file(9, text) };
    let row = Applied { is_repeatable: true, ..applied(9, "a") };
    let rules = Rules::default();
    check_by(&rules, &[file(1, "a"), repeatable("a")], &[], Ok(&[(1, Why::New), (9, Why::New)]));
    check_by(&rules, &[repeatable("a")], std::slice::from_ref(&row), Ok(&[]));
    check_by(&rules, &[repeatable("b")], std::slice::from_ref(&row), Ok(&[(9, Why::Changed)]));
    check_by(&rules, &[], std::slice::from_ref(&row), Ok(&[]));
    check_by(&rules, &[file(1, "a"), repeatable("a")], &[row], Ok(&[(1, Why::New)]));
}

#[test]
fn a_baseline_stands_for_what_is_before_it() {
    let baseline =
        |number| Migration { kind: Kind::Baseline, label: format!("B{number}"), ..file(number, "b") };
    let files = [file(1, "a"), file(2, "a"), baseline(2), file(3, "a")];
    check(&files, &[], Ok(&[2, 3]));
    check(&files, &[applied(1, "a")], Ok(&[2, 3]));
    let row = Applied { label: "B2".into(), ..applied(2, "b") };
    let found = plan(&files[2..], &[row], &Rules::default()).expect("a plan");
    assert_eq!(show(&found), [(3, Why::New)]);
}

#[test]
fn a_squashed_one_stands_for_what_it_replaces() {
    let squashed = || Migration { replaces: vec![id(1), id(2)], ..file(3, "s") };
    let rules = Rules::default();
    check(&[squashed(), file(4, "a")], &[], Ok(&[3, 4]));
    check_by(&rules, &[squashed()], &[applied(1, "a"), applied(2, "b")], Ok(&[(3, Why::Replaces)]));
    check(&[squashed()], &[applied(1, "a"), applied(2, "b"), applied(3, "s")], Ok(&[]));
    let files = [file(1, "a"), file(2, "b"), squashed()];
    check(&files, &[], Ok(&[3]));
    check_by(&rules, &files, &[applied(1, "a"), applied(2, "b")], Ok(&[(3, Why::Replaces)]));
    check_by(&rules, &files, &[applied(1, "a")], Ok(&[(2, Why::New), (3, Why::Replaces)]));
    let problem = Problem::ReplacedInPart { label: "0003_m".into(), missing: id(2) };
    check(&[squashed()], &[applied(1, "a")], Err(vec![problem]));
}

#[test]
fn the_rules_select() {
    let of = |number, environment: &str, tag: &str| {
        let mut file = file(number, "a");
        file.about.environments.extend((!environment.is_empty()).then(|| environment.to_owned()));
        file.about.tags.extend((!tag.is_empty()).then(|| tag.to_owned()));
        file
    };
    let files = [of(1, "", ""), of(2, "staging", ""), of(3, "production", "billing")];
    let rules = |environment: &str, tags: &[&str]| Rules {
        environment: (!environment.is_empty()).then(|| environment.to_owned()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Rules::default()
    };
    let new = |ids: &[u32]| ids.iter().map(|id| (*id, Why::New)).collect::<Vec<_>>();
    check_by(&rules("", &[]), &files, &[], Ok(&new(&[1])));
    check_by(&rules("staging", &[]), &files, &[], Ok(&new(&[1, 2])));
    check_by(&rules("production", &["billing"]), &files, &[], Ok(&new(&[3])));
    let problem = Problem::UnknownTag { tag: "biling".into(), known: vec!["billing".into()] };
    check_by(&rules("", &["biling"]), &files, &[], Err(vec![problem]));
    let to = |typed: &str| Rules { to: Some(typed.into()), ..Rules::default() };
    check_by(&to("1"), &[file(1, "a"), file(2, "a")], &[], Ok(&new(&[1])));
    check_by(&to("0002_m"), &[file(1, "a"), file(2, "a")], &[], Ok(&new(&[1, 2])));
    check_by(&to("7"), &[file(1, "a")], &[], Err(vec![Problem::UnknownTarget { typed: "7".into() }]));
    let one = Rules { count: Some(1), ..Rules::default() };
    check_by(&one, &[file(1, "a"), file(2, "a")], &[], Ok(&new(&[1])));
}

#[test]
fn a_need_that_is_left_out_is_named() {
    let problem = Problem::NeedsSkipped { label: "0002_m".into(), depends_on: id(1) };
    let mut first = file(1, "a");
    first.about.environments.insert("production".into());
    check(&[first.clone(), needs(2, &[1])], &[], Err(vec![problem]));
    check(&[first, needs(2, &[1])], &[applied(1, "a")], Ok(&[2]));
}
