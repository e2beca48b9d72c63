//! Decisions, one by one; that the server answers alike is tested in `tests/it`.

use crate::access::{
    Decision, Mode, Policy, Request, Rows, Subject, Verdict, built_in::BuiltIn, policy::tests::policy,
};
use chrono::{DateTime, Utc};
use db_query::{Access, Columns, Touch};
use std::collections::BTreeSet;

fn touch(table: &str, access: Access, columns: &[&str]) -> Touch {
    let columns = match columns {
        ["*"] => Columns::All,
        names => Columns::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    Touch { table: table.to_owned(), access, columns }
}

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-06-01T00:00:00Z").expect("a time").to_utc()
}

fn decide(policy: &Policy, subject: &Subject, touches: &[Touch]) -> String {
    match policy.decide(subject, &Request::new(touches), now()) {
        Decision::Allowed(rows) => rows.iter().fold("allowed".to_owned(), |told, rows| match &rows.rows {
            Rows::None => format!("{told}, {} none", rows.table),
            Rows::Where(some) => {
                format!("{told}, {} some {}/{}", rows.table, some.any.len(), some.none.len())
            }
        }),
        Decision::Refused(refusal) => refusal.to_string(),
    }
}

fn check(rules: &[&str], touches: &[Touch], expected: &str) {
    let subject = Subject::new("agent").with("who", "7").expect("sound");
    assert_eq!(decide(&policy(rules).expect("sound"), &subject, touches), expected, "{rules:?}");
}

const READ: Access = Access::Read;

#[test]
fn what_no_rule_allows_is_refused() {
    let rules = [r#"table = "tasks"; columns = ["id", "title"]"#];
    check(&rules, &[touch("tasks", READ, &["id"])], "allowed");
    check(&rules, &[touch("public.tasks", READ, &["id", "title"])], "allowed");
    check(&rules, &[touch("tasks", READ, &[])], "allowed");
    let none = r#"no rule lets role "agent" read public.tasks (salary); a rule with permissions = ["read"] on it would"#;
    check(&rules, &[touch("tasks", READ, &["id", "salary"])], none);
    let all = r#"no rule lets role "agent" read public.tasks (salary, tags); a rule with permissions = ["read"] on it would"#;
    check(&rules, &[touch("tasks", READ, &["*"])], all);
    let other = r#"no rule lets role "agent" read x.tasks; a rule with permissions = ["read"] on it would"#;
    check(&rules, &[touch("x.tasks", READ, &["id"])], other);
    let delete =
        r#"no rule lets role "agent" delete public.tasks; a rule with permissions = ["delete"] on it would"#;
    check(&rules, &[touch("tasks", READ, &["id"]), touch("tasks", Access::Delete, &["*"])], delete);
    let unknown = decide(&policy(&rules).expect("sound"), &Subject::new("who"), &[]);
    assert_eq!(unknown, r#"there is no rule for role "who", so it may do nothing"#);
}

#[test]
fn a_deny_overrides() {
    let salary = r#"table = "tasks"; effect = "deny"; columns = ["salary"]"#;
    let denied = r#"rule "rule-1" denies role "agent" to read public.tasks (salary)"#;
    check(&[r#"table = "tasks""#, salary], &[touch("tasks", READ, &["salary"])], denied);
    check(&[r#"table = "tasks""#, salary], &[touch("tasks", READ, &["id"])], "allowed");
    let whole = r#"rule "rule-1" denies role "agent" to read public.tasks"#;
    check(
        &[r#"schema = "public""#, r#"table = "tasks"; effect = "deny""#],
        &[touch("tasks", READ, &["id"])],
        whole,
    );
}

#[test]
fn rows_are_those_of_any_allow_and_of_no_deny() {
    let read = [touch("tasks", READ, &["id"])];
    let own = r#"table = "tasks"; rows = { id = { "$subject" = "who" } }"#;
    let lost = r#"table = "tasks"; rows = { id = { "$subject" = "lost" } }"#;
    let deny = |rule: &str| format!("{rule}; effect = \"deny\"");
    check(&[own], &read, "allowed, public.tasks some 1/0");
    check(&[own, r#"table = "tasks"; rows = { id = 1 }"#], &read, "allowed, public.tasks some 2/0");
    check(&[own, r#"table = "tasks""#], &read, "allowed");
    check(&[r#"table = "tasks""#, &deny(own)], &read, "allowed, public.tasks some 0/1");
    // An attribute that is missing allows nothing and denies everything.
    check(&[lost], &read, "allowed, public.tasks none");
    check(&[own, lost], &read, "allowed, public.tasks some 1/0");
    check(&[r#"table = "tasks""#, &deny(lost)], &read, "allowed, public.tasks none");
    let text = r#"table = "tasks"; rows = { title = { "$ne" = { "$subject" = "lost" } } }"#;
    check(&[text], &read, "allowed, public.tasks none");
}

#[test]
fn rules_count_while_they_are_valid_and_for_whom_they_are() {
    let read = [touch("tasks", READ, &["id"])];
    let rule = |keys: &str| format!(r#"table = "tasks"; {keys}"#);
    for (keys, allows, denies) in [
        (r#"valid_from = "2026-06-01T00:00:00Z""#, true, true),
        (r#"valid_from = "2026-06-01T00:00:00.000001Z""#, false, false),
        (r#"valid_until = "2026-06-01T00:00:00Z""#, false, false),
        (r#"valid_until = "2026-06-01T00:00:00.000001Z""#, true, true),
        (r#"when = { who = "7" }"#, true, true),
        (r#"when = { who = "8" }"#, false, false),
        // Nobody knows whether it is met: what lets does not, and what denies does.
        (r#"when = { lost = "7" }"#, false, true),
    ] {
        check(&[&rule(keys)], &read, if allows { "allowed" } else { "allowed, public.tasks none" });
        let deny = format!("{}; effect = \"deny\"", rule(keys));
        let told = if denies { "allowed, public.tasks none" } else { "allowed" };
        check(&[r#"table = "tasks""#, &deny], &read, told);
    }
    let insert = [touch("tasks", Access::Insert, &["id"])];
    let late = r#"table = "tasks"; permissions = ["write"]; valid_until = "2020-01-01T00:00:00Z""#;
    let told =
        r#"no rule that counts for these attributes at this time lets role "agent" insert into public.tasks"#;
    check(&[late], &insert, told);
}

#[test]
fn a_bare_column_may_be_of_another_table() {
    let rules = [r#"table = "tasks"; columns = ["title"]"#, r#"table = "other""#];
    let touches = [touch("other", READ, &["id", "title"]), touch("tasks", READ, &["title", "n"])];
    check(
        &rules,
        &touches,
        r#"no rule lets role "agent" read public.tasks (n); a rule with permissions = ["read"] on it would"#,
    );
    let rules = [r#"table = "other"; columns = ["id"]"#, r#"table = "tasks""#];
    let touches = [touch("other", READ, &["id", "title"]), touch("tasks", READ, &["title"])];
    check(&rules, &touches, "allowed");
    check(
        &rules,
        &touches[..1],
        r#"no rule lets role "agent" read public.other (title); a rule with permissions = ["read"] on it would"#,
    );
}

#[test]
fn functions_are_called_by_rule_and_sly_ones_never() {
    let call = r#"permissions = ["execute"]; function = "#;
    let mut policy = policy(&[&format!("{call}\"f\""), &format!("{call}\"g(text)\"")]).expect("sound");
    for (name, kind) in [
        ("lower", BuiltIn::Open),
        ("f", BuiltIn::Open),
        ("g", BuiltIn::Open),
        ("set_config", BuiltIn::Closed),
        ("query_to_xml", BuiltIn::Closed),
    ] {
        policy.catalogue.built_in.insert(name.to_owned(), kind);
    }
    for (name, is_allowed) in [
        ("f", true),
        ("public.f", true),
        // One of the name may be called, the other may not; which it is, the name does not tell.
        ("g", false),
        ("h", false),
        ("lower", true),
        ("pg_catalog.lower", true),
        ("public.lower", false),
        ("set_config", false),
        ("pg_catalog.query_to_xml", false),
    ] {
        let functions = BTreeSet::from([name.to_owned()]);
        let request = Request::new(&[]).functions(&functions);
        let decision = policy.decide(&Subject::new("agent"), &request, now());
        assert_eq!(matches!(decision, Decision::Allowed(_)), is_allowed, "{name}: {decision}");
    }
    let admin = ["tasks".to_owned()];
    let refused = policy.decide(&Subject::new("agent"), &Request::new(&[]).admin(&admin), now());
    assert!(matches!(refused, Decision::Refused(_)));
}

#[test]
fn modes_enforce_observe_or_do_not_ask() {
    let policy = policy(&[r#"table = "tasks"; rows = { id = 1 }"#]).expect("sound");
    let subject = Subject::new("agent");
    let (some, refused) = ([touch("tasks", READ, &["id"])], [touch("other", READ, &["id"])]);
    let ask = |mode: &str, touches: &[Touch]| {
        mode.parse::<Mode>().expect(mode).ask(&policy, &subject, &Request::new(touches), now())
    };
    assert!(matches!(ask("enforce", &some), Verdict::Done(rows) if rows.len() == 1));
    assert!(matches!(ask("enforce", &refused), Verdict::Refused(_)));
    assert!(matches!(ask("observe", &some), Verdict::Observed(Decision::Allowed(_))));
    assert!(matches!(ask("observe", &refused), Verdict::Observed(Decision::Refused(_))));
    assert_eq!(ask("off", &refused), Verdict::Done(Vec::new()));
    assert!("of".parse::<Mode>().is_err());
}

#[test]
fn values_of_attributes_are_shown_nowhere() {
    let policy = policy(&[r#"table = "tasks"; rows = { title = { "$subject" = "who" } }"#]).expect("sound");
    let subject = Subject::new("agent").with("who", "hush").expect("sound");
    let decision = policy.decide(&subject, &Request::new(&[touch("tasks", READ, &["id"])]), now());
    assert!(!format!("{subject:?} {decision:?}").contains("hush"));
}
