//! Rules from TOML or JSON. Unknown keys are refused, and mistakes are told with rule, key and line.

use crate::access::{
    AttributeName, Effect, Error, Fault, Nearest, Permission, Problem, Resource, Role, Rule, Rules,
    json::Strict,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

impl Rules {
    /// Reads a file in TOML, as in `docs/access.md`.
    ///
    /// # Errors
    /// [`Error::File`] for what is no TOML, and for unknown keys; [`Error::Rules`] for values that mean nothing, all of
    /// them at once.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let file: File<Spanned<String>> = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            file_error(line, error.message())
        })?;
        build(file, text)
    }

    /// Reads a file in JSON, of the same form.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let file: File<String> = serde_json::from_str(text)
            .map_err(|error| file_error(Some(error.line()).filter(|line| *line > 0), &error.to_string()))?;
        build(file, text)
    }
}

/// A name, with its place where the reader knows it.
trait Named: DeserializeOwned {
    fn take(self, text: &str) -> (String, Option<usize>);
}

impl Named for Spanned<String> {
    fn take(self, text: &str) -> (String, Option<usize>) {
        let line = line_at(text, self.span().start);
        (self.into_inner(), Some(line))
    }
}

impl Named for String {
    fn take(self, _: &str) -> (String, Option<usize>) {
        (self, None)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "N: Named")]
struct File<N: Named> {
    #[serde(default)]
    roles: Vec<RoleEntry<N>>,
    #[serde(default)]
    rules: Vec<RuleEntry<N>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "N: Named")]
struct RoleEntry<N: Named> {
    name: N,
    #[serde(default)]
    description: String,
    #[serde(default)]
    includes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "N: Named")]
struct RuleEntry<N: Named> {
    name: N,
    roles: Vec<String>,
    #[serde(default)]
    when: BTreeMap<String, String>,
    effect: String,
    permissions: Vec<String>,
    table: Option<String>,
    schema: Option<String>,
    function: Option<String>,
    columns: Option<Vec<String>>,
    rows: Option<Strict>,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

fn build<N: Named>(file: File<N>, text: &str) -> Result<Rules, Error> {
    let mut faults = Vec::new();
    let roles = file.roles.into_iter().map(|entry| {
        let (name, line) = entry.name.take(text);
        Role { name, description: entry.description, includes: entry.includes, line }
    });
    let roles = roles.collect();
    let rules = file.rules.into_iter().filter_map(|entry| rule(entry, text, &mut faults)).collect();
    if faults.is_empty() { Ok(Rules { roles, rules }) } else { Err(Error::Rules { faults }) }
}

fn rule<N: Named>(entry: RuleEntry<N>, text: &str, faults: &mut Vec<Fault>) -> Option<Rule> {
    let (name, line) = entry.name.take(text);
    let mut note = |problem| faults.push(Fault { of: format!("rule {name:?}"), line, problem });
    let resource = match (entry.table, entry.schema, entry.function) {
        (Some(table), None, None) => Some(Resource::Table(table)),
        (None, Some(schema), None) => Some(Resource::Schema(schema)),
        (None, None, Some(function)) => Some(Resource::Function(function)),
        _ => {
            note(Problem::Together("it needs one of table, schema and function"));
            None
        }
    };
    let effect = one_of("effect", &entry.effect, &[("allow", Effect::Allow), ("deny", Effect::Deny)])
        .map_err(&mut note)
        .ok();
    let mut permissions = BTreeSet::new();
    for word in &entry.permissions {
        match one_of("permissions", word, &Permission::WORDS) {
            Ok(permission) => drop(permissions.insert(permission)),
            Err(problem) => note(problem),
        }
    }
    let mut when = BTreeMap::new();
    for (attribute, value) in entry.when {
        match AttributeName::parse(&attribute) {
            Ok(attribute) => drop(when.insert(attribute, value)),
            Err(problem) => note(problem),
        }
    }
    let valid_from = time("valid_from", entry.valid_from, &mut note);
    let valid_until = time("valid_until", entry.valid_until, &mut note);
    Some(Rule {
        name: name.clone(),
        roles: entry.roles,
        when,
        effect: effect?,
        permissions,
        resource: resource?,
        columns: entry.columns.map(|columns| columns.into_iter().collect()),
        rows: entry.rows.map(|Strict(rows)| rows),
        valid_from,
        valid_until,
        line,
    })
}

fn one_of<T: Copy>(key: &'static str, word: &str, known: &[(&'static str, T)]) -> Result<T, Problem> {
    let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| Problem::Unknown {
        key,
        what: "value",
        name: word.to_owned(),
        nearest: Nearest::of(word, known.iter().map(|(name, _)| *name)),
    })
}

fn time(key: &'static str, text: Option<String>, note: &mut impl FnMut(Problem)) -> Option<DateTime<Utc>> {
    let text = text?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Some(time.to_utc()),
        Err(error) => {
            note(Problem::Value { key, reason: format!("{text:?} is no time as in RFC 3339: {error}") });
            None
        }
    }
}

/// The reader's message, with the key that may be meant where it names an unknown one.
fn file_error(line: Option<usize>, message: &str) -> Error {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = if message.contains("unknown field") { words.next() } else { None };
    let nearest = unknown.map(|unknown| Nearest::of(unknown, words)).unwrap_or_default();
    Error::File { line, reason: message.trim().to_owned(), nearest }
}

/// The number of the line that a byte is in, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[[roles]]
name = "agent"
description = "works on tasks"

[[rules]]
name = "own-tasks"
roles = ["agent"]
effect = "allow"
permissions = ["read", "write"]
table = "tasks"
columns = ["id", "title"]
rows = { tenant = { "$subject" = "tenant" }, since = { "$gt" = 2026-01-01T00:00:00Z } }
valid_from = "2026-01-01T00:00:00Z"
[rules.when]
department = "sales"
"#;

    #[test]
    fn toml_and_json_say_the_same() {
        let json = r#"{"roles": [{"name": "agent", "description": "works on tasks"}], "rules": [{"name": "own-tasks",
            "roles": ["agent"], "effect": "allow", "permissions": ["read", "write"], "table": "tasks",
            "columns": ["id", "title"],
            "rows": {"tenant": {"$subject": "tenant"}, "since": {"$gt": "2026-01-01T00:00:00Z"}},
            "valid_from": "2026-01-01T00:00:00Z", "when": {"department": "sales"}}]}"#;
        let mut from_toml = Rules::from_toml(WHOLE).expect("sound");
        assert_eq!((from_toml.roles[0].line, from_toml.rules[0].line), (Some(3), Some(7)));
        from_toml.roles[0].line = None;
        from_toml.rules[0].line = None;
        assert_eq!(from_toml, Rules::from_json(json).expect("sound"));
    }

    fn check(replace: &str, with: &str, expected: &str) {
        assert!(WHOLE.contains(replace), "{replace}");
        let error = Rules::from_toml(&WHOLE.replacen(replace, with, 1)).expect_err(with);
        assert!(error.to_string().contains(expected), "{with}: {error}");
    }

    #[test]
    fn mistakes_are_told_with_rule_key_line_and_the_nearest_name() {
        check("columns = ", "colums = ", r#"line 12: the rules cannot be read: unknown field `colums`"#);
        check("columns = ", "colums = ", r#"did you mean "columns"?"#);
        check(
            r#""write""#,
            r#""writ""#,
            r#"line 7: rule "own-tasks": permissions: there is no value "writ"; did you mean "write"?"#,
        );
        check(r#""allow""#, r#""permit""#, r#"effect: there is no value "permit""#);
        check(r#"table = "tasks""#, "", "it needs one of table, schema and function");
        check(r#"table = "tasks""#, "table = \"a\"\nschema = \"b\"", "it needs one of");
        check(r#"valid_from = "2026"#, r#"valid_from = "2026-13"#, "valid_from: ");
        check("department = ", "Department = ", r#""Department" is no name here"#);
        check(r#"name = "own-tasks""#, "", "line 6: the rules cannot be read: missing field `name`");
    }

    #[test]
    fn the_example_of_the_page_is_read() {
        let page = include_str!("../../../../docs/access.md");
        let example =
            page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let rules = Rules::from_toml(example).expect("sound");
        assert_eq!((rules.roles.len(), rules.rules.len()), (1, 1));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let rule = r#"{"rules": [{"name": "a", "roles": ["r"], "effect": "allow", "permissions": ["read"], "table": "t",
            "rows": {"a": 1, "a": 2}}]}"#;
        assert!(
            Rules::from_json(rule)
                .expect_err("twice")
                .to_string()
                .contains(r#""a" stands in an object twice"#)
        );
    }
}
