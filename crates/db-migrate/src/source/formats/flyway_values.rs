//! What Flyway's placeholders stand for besides what is set: its own names, and its files of settings.
//!
//! As Flyway's `ParsingContext` has the names that begin with `flyway:`. The files are `flyway.conf` and `flyway.toml`, in
//! the directory or above it; the nearest has its way. They say, too, what placeholders stand between, and whether there
//! are any.

use super::builder::{Builder, without_mark};
use super::tree::Tree;
use crate::source::template::Marks;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The names of the files, of which the later one wins within a folder.
const FILES: [&str; 2] = ["flyway.conf", "flyway.toml"];

/// What is known without the server. `flyway:user` and `flyway:database` are only where they are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// By name.
    pub(super) values: BTreeMap<String, String>,
    /// Whether there are placeholders where the script's own settings do not say.
    pub(super) replaces: bool,
    pub(super) marks: Marks,
}

/// What the files and the occasion give.
pub(super) fn known(tree: &Tree, builder: &mut Builder<'_>) -> Known {
    let defaults = [
        ("defaultSchema", "public"),
        ("table", "flyway_schema_history"),
        ("environment", "default"),
        ("timestamp", &tree.occasion.timestamp),
        ("workingDirectory", &tree.occasion.directory),
    ];
    let values = defaults.map(|(name, value)| (format!("flyway:{name}"), value.to_owned()));
    let mut known = Known { values: values.into(), replaces: true, marks: Marks::default() };
    for (name, text) in files(tree) {
        let read = if name.ends_with(".toml") { toml(text) } else { Ok(properties(text)) };
        match read {
            Ok(settings) => {
                for (key, value) in settings {
                    if let Err(reason) = known.take(&key, value) {
                        builder.settings(name, reason);
                    }
                }
            }
            Err(reason) => builder.settings(name, reason),
        }
    }
    known
}

/// The files of settings with their texts, the nearest last.
fn files(tree: &Tree) -> Vec<(&str, &str)> {
    let above = tree.around.iter().rev().map(|nearby| (nearby.name.as_str(), nearby.text.as_str()));
    let here = FILES.iter().filter_map(|name| Some((*name, tree.file(name)?.text()?)));
    above.filter(|(name, _)| FILES.contains(name)).chain(here).collect()
}

impl Known {
    fn take(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "flyway.placeholderPrefix" | "flyway.placeholderSuffix" if value.is_empty() => {
                return Err(format!("{key} is empty: take it out, or say what placeholders stand between"));
            }
            "flyway.placeholderPrefix" => self.marks.prefix = value,
            "flyway.placeholderSuffix" => self.marks.suffix = value,
            "flyway.placeholderReplacement" => self.replaces = !value.eq_ignore_ascii_case("false"),
            _ => self.take_value(key, value),
        }
        Ok(())
    }

    fn take_value(&mut self, key: &str, value: String) {
        let schema = |value: &str| value.split(',').next().unwrap_or_default().trim().to_owned();
        let (name, value) = match key {
            "flyway.defaultSchema" => ("flyway:defaultSchema", value),
            // The first of the schemas is the default one where nothing else is said.
            "flyway.schemas" if self.has_schema() => return,
            "flyway.schemas" => ("flyway:defaultSchema", schema(&value)),
            "flyway.table" => ("flyway:table", value),
            "flyway.user" => ("flyway:user", value),
            "flyway.environment" => ("flyway:environment", value),
            key => match key.strip_prefix("flyway.placeholders.") {
                Some(name) => (name, value),
                None => return,
            },
        };
        self.values.insert(name.to_owned(), value);
    }

    fn has_schema(&self) -> bool {
        self.values.get("flyway:defaultSchema").is_some_and(|schema| schema != "public")
    }
}

/// The keys and values of a Java file of properties.
fn properties(text: &str) -> Vec<(String, String)> {
    let lines = without_mark(text).lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pair = |line: &str| {
        let (key, value) = line.split_once(['=', ':'])?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// The same of `flyway.toml`, in which the environment that is in use has the user and the schemas.
fn toml(text: &str) -> Result<Vec<(String, String)>, String> {
    let root: Table =
        without_mark(text).parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut found = Vec::new();
    let flyway = root.get("flyway").and_then(Value::as_table);
    let environment =
        flyway.and_then(|flyway| flyway.get("environment")).and_then(Value::as_str).unwrap_or("default");
    let of = root.get("environments").and_then(|all| all.get(environment)).and_then(Value::as_table);
    for (key, value) in flyway.into_iter().chain(of).flatten() {
        match value {
            Value::Table(inner) if key == "placeholders" => {
                let pairs = inner.iter().filter_map(|(name, value)| {
                    Some((format!("flyway.placeholders.{name}"), written(value)?))
                });
                found.extend(pairs);
            }
            value => found.extend(written(value).map(|value| (format!("flyway.{key}"), value))),
        }
    }
    Ok(found)
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(either) => Some(either.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Datetime(time) => Some(time.to_string()),
        Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::flyway::understand;
    use super::super::tree::{Nearby, Occasion, Tree, tests::tree};
    use super::super::{Format, builder::Builder};
    use crate::source::template::Variables;

    /// What is made of a script, or what is wrong.
    fn made(sql: &str, files: &[(&str, &str)], above: &[(&str, &str)], set: &[(&str, &str)]) -> String {
        let nearby = |(name, text): &(&str, &str)| Nearby { name: (*name).into(), text: (*text).into() };
        let files = [files, &[("V1__a.sql", sql)]].concat();
        let occasion = Occasion { timestamp: "2026-01-02 03:04:05".into(), directory: "/work".into() };
        let tree = Tree { around: above.iter().map(nearby).collect(), occasion, ..tree(&files) };
        let set = set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let variables = Variables { set, ..Variables::default() };
        let mut builder = Builder::new(Format::Flyway, &variables);
        understand(&tree, &mut builder);
        let problems = builder.contents.problems.iter().map(ToString::to_string);
        let sql = builder.contents.drafts.iter().filter_map(|draft| Some(draft.up.as_ref()?.sql.clone()));
        problems.chain(sql).next().expect("one of the two")
    }

    #[test]
    fn flyways_own_names_have_values() {
        for (name, expected) in [
            ("defaultSchema", "public"),
            ("timestamp", "2026-01-02 03:04:05"),
            ("workingDirectory", "/work"),
            ("environment", "default"),
            ("table", "flyway_schema_history"),
            ("filename", "V1__a.sql"),
            ("user", "V1__a.sql:1: ${flyway:user} has no value: set it with --set flyway:user=VALUE"),
        ] {
            assert_eq!(made(&format!("${{flyway:{name}}}"), &[], &[], &[]), expected);
        }
        let set = [("flyway:user", "ann"), ("flyway:defaultSchema", "app"), ("flyway:database", "d")];
        let sql = "${flyway:user} ${flyway:defaultSchema} ${flyway:database}";
        assert_eq!(made(sql, &[], &[], &set), "ann app d");
    }

    #[test]
    fn settings_give_values_and_what_is_set_has_its_way() {
        let conf = "\u{feff}flyway.placeholders.who = ann\n# no\nflyway.placeholders.where:home\nflyway.schemas=app, b\n";
        let toml = "[flyway]\nenvironment = 'dev'\ntable = 't'\n[flyway.placeholders]\nwho = 'bob'\ncount = 3\n\
                    [environments.dev]\nuser = 'eve'\nschemas = ['x', 'y']\n[environments.default]\nuser = 'no'\n";
        let sql = "${who} ${flyway:defaultSchema}";
        assert_eq!(made(sql, &[("flyway.conf", conf)], &[], &[]), "ann app");
        assert_eq!(made(sql, &[], &[("flyway.conf", conf)], &[("who", "set")]), "set app");
        assert_eq!(made(sql, &[("flyway.conf", conf)], &[("flyway.toml", toml)], &[]), "ann x");
        assert_eq!(made(sql, &[], &[("flyway.toml", toml), ("flyway.conf", conf)], &[]), "bob app");
        let all = "${count} ${flyway:user} ${flyway:environment} ${flyway:table} ${flyway:defaultSchema}";
        assert_eq!(made(all, &[], &[("flyway.toml", toml)], &[]), "3 eve dev t x");
        let off = "flyway.placeholderReplacement=false";
        assert_eq!(made("${who}", &[], &[("flyway.conf", off)], &[]), "${who}");
        let own = ("V1__a.sql.conf", "placeholderReplacement=true");
        assert_eq!(made("${who}", &[own], &[("flyway.conf", off)], &[("who", "set")]), "set");
        assert!(made("A", &[("flyway.toml", "[flyway")], &[], &[]).starts_with("flyway.toml: "));
    }

    #[test]
    fn placeholders_stand_between_what_the_settings_say() {
        let conf = "flyway.placeholderPrefix=#[\nflyway.placeholderSuffix = ]#\nflyway.placeholders.who=ann";
        let sql = "#[who]# ${who} #[flyway:table]#";
        assert_eq!(made(sql, &[("flyway.conf", conf)], &[], &[]), "ann ${who} flyway_schema_history");
        let unknown = made("\n#[where]#", &[("flyway.conf", conf)], &[], &[]);
        assert_eq!(unknown, "V1__a.sql:2: #[where]# has no value: set it with --set where=VALUE");
        let toml = "[flyway]\nplaceholderPrefix = '@{'\n[flyway.placeholders]\nwho = 'bob'";
        assert_eq!(made("@{who} ${who}", &[], &[("flyway.toml", toml)], &[]), "bob ${who}");
        assert_eq!(made("@{who]#", &[("flyway.toml", toml)], &[("flyway.conf", conf)], &[]), "bob");
        let off = "[flyway]\nplaceholderReplacement = false\nplaceholderPrefix = '@{'";
        assert_eq!(made("@{who}", &[], &[("flyway.toml", off)], &[]), "@{who}");
        for key in ["flyway.placeholderPrefix", "flyway.placeholderSuffix"] {
            let empty = made("A", &[("flyway.conf", &format!("{key}="))], &[], &[]);
            let expected = "is empty: take it out, or say what placeholders stand between";
            assert_eq!(empty, format!("flyway.conf: {key} {expected}"));
        }
    }

    #[test]
    fn names_are_the_same_in_letters_of_either_case() {
        assert_eq!(made("${WHO}", &[], &[], &[("who", "ann")]), "ann");
        assert_eq!(made("${FLYWAY:Table}", &[], &[], &[]), "flyway_schema_history");
    }
}
