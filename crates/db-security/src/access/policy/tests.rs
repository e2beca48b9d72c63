//! Rules that cannot be used, and what is said of them.

use crate::access::{
    Actual, Catalogue, ColumnKind, Difference, Error, Owner, Policy, RelationKind, Rules, compile, diff,
};

pub(in crate::access) fn catalogue() -> Catalogue {
    let columns = [
        ("id", ColumnKind::Integer),
        ("title", ColumnKind::Text),
        ("salary", ColumnKind::Float),
        ("tags", ColumnKind::Other("jsonb".to_owned())),
    ];
    Catalogue::new("public")
        .with("tasks", RelationKind::Table, &columns)
        .and_then(|catalogue| catalogue.with("other", RelationKind::Table, &[("id", ColumnKind::Integer)]))
        .and_then(|catalogue| catalogue.with("shown", RelationKind::View, &columns))
        .and_then(|catalogue| catalogue.with_function("f", "integer"))
        .and_then(|catalogue| catalogue.with_function("g", "integer"))
        .and_then(|catalogue| catalogue.with_function("g", "text"))
        .expect("sound names")
}

/// Two roles, of which the second includes the first; `rules` are lines of keys, one rule each.
pub(in crate::access) fn policy(rules: &[&str]) -> Result<Policy, Error> {
    let mut toml =
        "[[roles]]\nname = \"agent\"\n[[roles]]\nname = \"lead\"\nincludes = [\"agent\"]\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        toml.push_str(&format!("[[rules]]\nname = \"rule-{at}\"\n"));
        for (key, default) in
            [("roles", r#"["agent"]"#), ("effect", r#""allow""#), ("permissions", r#"["read"]"#)]
        {
            if !rule.contains(&format!("{key} =")) {
                toml.push_str(&format!("{key} = {default}\n"));
            }
        }
        toml.push_str(&rule.replace("; ", "\n"));
        toml.push('\n');
    }
    Policy::new(&Rules::from_toml(&toml)?, catalogue())
}

fn check(rules: &[&str], expected: &str) {
    let error = policy(rules).expect_err(expected).to_string();
    assert!(error.contains(expected), "{rules:?}: {error}");
}

/// What is missed by those who should not see rows is no want of a right.
#[test]
fn a_policy_that_hides_rows_and_is_not_there_grants_more() {
    let deny = r#"table = "tasks"; effect = "deny"; rows = { id = 1 }"#;
    let desired = compile(&policy(&[TASKS, deny]).expect("sound"), Owner::Held);
    let differences = diff(&desired, &Actual::default());
    let more = |name: &str| {
        let is_it = |found: &&Difference| matches!(found, Difference::Policy { name: of, .. } if of == name);
        differences.iter().find(is_it).expect(name).grants_more()
    };
    assert!(more("cairn_rule-1_select"));
    assert!(!more("cairn_rule-0_select"));
}

const TASKS: &str = r#"table = "tasks""#;

#[test]
fn what_does_not_exist_is_refused_with_the_nearest_name() {
    check(&[r#"table = "task""#], r#"rule "rule-0": table: there is no table "task"; did you mean "tasks"?"#);
    check(&[r#"schema = "publik""#], r#"schema: there is no schema "publik"; did you mean "public"?"#);
    check(
        &[r#"roles = ["agnet"]; table = "tasks""#],
        r#"roles: there is no role "agnet"; did you mean "agent"?"#,
    );
    check(
        &[r#"table = "tasks"; columns = ["titel"]"#],
        r#"columns: there is no column "titel"; did you mean "title"?"#,
    );
    check(&[r#"permissions = ["execute"]; function = "h""#], r#"there is no function "h""#);
    check(&[r#"permissions = ["execute"]; function = "g""#], "several functions");
    check(&[r#"permissions = ["execute"]; function = "f(text)""#], r#"there is no function "f(text)""#);
    check(
        &[r#"table = "tasks"; rows = { titel = "a" }"#],
        r#"rows: titel: there is no such column; did you mean "title"?"#,
    );
}

#[test]
fn filters_that_mean_nothing_are_refused() {
    for (rows, expected) in [
        (r#"{ title = { "$gt" = 1 } }"#, "rows: title.$gt: the column holds texts"),
        (r#"{ id = { "$subject" = "No" } }"#, "rows: id: an attribute has 1 to 40"),
        (r#"{ id = { "$subject" = "a", "$gt" = 1 } }"#, "there should be a value, or"),
        (r#"{ salary = { "$subject" = "a" } }"#, "an attribute is a text, an integer, a UUID"),
        (r#"{ tags = 1 }"#, "a column of type jsonb can only be NULL or not"),
        (r#"{ "$nand" = [] }"#, r#"there is no such operator here; did you mean "$and"?"#),
        (r#"{ title = { "$regex" = "a" } }"#, "there is no such operator here"),
        (r#"{ "$or" = [] }"#, "one at least"),
        (r#"{ title = {} }"#, "an operator at least"),
    ] {
        check(&[&format!(r#"table = "tasks"; rows = {rows}"#)], expected);
    }
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    check(
        &[r#"table = "tasks"; permissions = ["delete"]; columns = ["id"]"#],
        "columns go with read and write only",
    );
    check(
        &[r#"table = "tasks"; permissions = ["admin"]; rows = { id = 1 }"#],
        "admin holds for the whole table",
    );
    check(&[r#"table = "tasks"; permissions = ["execute"]"#], "execute does not go with a table");
    check(&[r#"function = "f""#], "read does not go with a function");
    check(&[r#"permissions = ["execute"]; function = "f"; rows = { id = 1 }"#], "a function has no columns");
    check(&[r#"table = "shown"; permissions = ["write"]"#], "write does not go with a view");
    check(
        &[r#"table = "shown"; rows = { id = 1 }"#],
        "public.shown is a view, which has no row-level security",
    );
    check(
        &[r#"table = "tasks"; effect = "deny"; columns = ["id"]; rows = { id = 1 }"#],
        "a deny of columns holds always",
    );
    check(&[r#"table = "tasks"; columns = []"#], "columns: it is empty");
    check(&[r#"table = "tasks"; permissions = []"#], "permissions: it is empty");
    check(
        &[r#"table = "tasks"; valid_from = "2026-01-02T00:00:00Z"; valid_until = "2026-01-01T00:00:00Z""#],
        "is not after valid_from",
    );
    check(&[r#"table = "tasks"; when = { dept = "" }"#], "a value is empty");
}

#[test]
fn rules_that_contradict_each_other_are_named() {
    let deny = r#"table = "tasks"; effect = "deny""#;
    check(
        &[TASKS, deny],
        r#"rule "rule-0": it allows read on public.tasks to role "agent", which rule "rule-1" denies always"#,
    );
    check(&[TASKS, r#"schema = "public"; effect = "deny""#], r#"which rule "rule-1" denies always"#);
    // What a role includes holds for it, also what is denied.
    check(&[r#"roles = ["lead"]; table = "tasks""#, deny], r#"to role "lead", which rule "rule-1" denies"#);
    check(
        &[
            r#"table = "tasks"; columns = ["id"]"#,
            r#"table = "tasks"; effect = "deny"; columns = ["id", "title"]"#,
        ],
        "denies always",
    );
    let function = r#"permissions = ["execute"]; function = "f""#;
    check(
        &[function, &format!("{function}; effect = \"deny\"")],
        r#"execute on public.f(integer) to role "agent""#,
    );
    // One table of a schema, or some rows or columns, are no contradiction.
    policy(&[r#"schema = "public""#, deny]).expect("an exception");
    policy(&[TASKS, r#"table = "tasks"; effect = "deny"; rows = { id = 1 }"#]).expect("some rows");
    policy(&[TASKS, r#"table = "tasks"; effect = "deny"; columns = ["salary"]"#]).expect("a column");
}

#[test]
fn what_the_server_cannot_hold_apart_is_refused_with_both_rules() {
    let some = r#"table = "tasks"; columns = ["id", "title"]; rows = { id = 1 }"#;
    let mixed = r#"rule "rule-1": it and rule "rule-0" let role "agent" read different columns of different rows of public.tasks"#;
    check(&[some, r#"table = "tasks"; columns = ["salary"]; rows = { id = 2 }"#], mixed);
    check(&[r#"table = "tasks"; columns = ["salary"]"#, some], mixed);
    policy(&[some, r#"table = "tasks"; columns = ["id", "title"]; rows = { id = 2 }"#])
        .expect("the same columns");
    policy(&[some, r#"table = "tasks"; columns = ["salary"]; rows = { id = 1 }"#]).expect("the same rows");
    policy(&[TASKS, some]).expect("allowed for all rows anyway");
    let denied = r#"table = "tasks"; effect = "deny"; columns = ["salary", "tags"]"#;
    policy(&[some, r#"table = "tasks"; rows = { id = 2 }"#, denied])
        .expect("the same columns after what is denied");
}

#[test]
fn names_and_circles() {
    let error = |toml: &str| {
        let rules = Rules::from_toml(toml).expect("readable");
        Policy::new(&rules, catalogue()).expect_err(toml).to_string()
    };
    let circle = "[[roles]]\nname = \"a\"\nincludes = [\"b\"]\n[[roles]]\nname = \"b\"\nincludes = [\"a\"]";
    assert!(error(circle).contains(r#"line 2: role "a": includes: it includes itself by way of "b""#));
    assert!(error("[[roles]]\nname = \"pg_read\"").contains("PostgreSQL keeps it for itself"));
    assert!(
        error("[[roles]]\nname = \"a\"\n[[roles]]\nname = \"a\"")
            .contains("there is another role of this name")
    );
    let rule = "[[rules]]\nname = \"X\"\nroles = [\"a\"]\neffect = \"allow\"\npermissions = [\"read\"]\ntable = \"tasks\"\n";
    assert!(error(&format!("[[roles]]\nname = \"a\"\n{rule}")).contains(r#""X" is no name here"#));
    let twice = rule.replace('X', "x").repeat(2);
    assert!(
        error(&format!("[[roles]]\nname = \"a\"\n{twice}")).contains("there is another rule of this name")
    );
}
