//! deny.toml, as far as it can be applied without cargo-deny.

use std::collections::BTreeSet;
use toml::{Table, Value};

/// What is applied here, as `section.key`; the rest is cargo-deny's alone.
const APPLIED: &[&str] = &[
    "graph.all-features",
    "licenses.allow",
    "licenses.exceptions",
    "licenses.unused-allowed-license",
    "licenses.private",
    "bans.deny",
    "bans.multiple-versions",
    "bans.wildcards",
    "sources.unknown-registry",
    "sources.unknown-git",
    "sources.allow-registry",
    "sources.allow-git",
];
/// Of no use here: we read no licence texts and look up no advisories.
const POINTLESS: &[&str] = &["licenses.confidence-threshold"];

/// What may come in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Licences that any package may have.
    pub(crate) allowed: BTreeSet<String>,
    /// Package and licence that only it may have.
    pub(crate) exceptions: Vec<(String, String)>,
    /// Whether an allowed licence that nobody has is an error.
    pub(crate) unused_is_error: bool,
    /// Package and why it is banned.
    pub(crate) banned: Vec<(String, String)>,
    pub(crate) wildcards_are_errors: bool,
    pub(crate) duplicates_are_errors: bool,
    pub(crate) sources: BTreeSet<String>,
    /// Keys that say something which is not applied here.
    pub(crate) left_out: Vec<String>,
}

impl Policy {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut policy = Self { left_out: left_out(&file), ..Self::default() };
        policy.allowed = texts(&file, "licenses", "allow").collect();
        for exception in list(&file, "licenses", "exceptions") {
            let name = package(exception)?;
            for licence in exception.get("allow").and_then(Value::as_array).into_iter().flatten() {
                policy.exceptions.push((name.clone(), licence.as_str().unwrap_or_default().to_owned()));
            }
        }
        for ban in list(&file, "bans", "deny") {
            let reason = ban.get("reason").and_then(Value::as_str).unwrap_or("no reason is given");
            policy.banned.push((package(ban)?, reason.to_owned()));
        }
        policy.unused_is_error = level(&file, "licenses", "unused-allowed-license") == Some("deny");
        policy.wildcards_are_errors = level(&file, "bans", "wildcards") == Some("deny");
        policy.duplicates_are_errors = level(&file, "bans", "multiple-versions") == Some("deny");
        policy.sources =
            texts(&file, "sources", "allow-registry").chain(texts(&file, "sources", "allow-git")).collect();
        Ok(policy)
    }
}

fn left_out(file: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (section, keys) in file {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let name = format!("{section}.{key}");
            let says_nothing = value.as_array().is_some_and(Vec::is_empty);
            let known = APPLIED.contains(&name.as_str()) || POINTLESS.contains(&name.as_str());
            if section != "advisories" && !known && !says_nothing {
                found.push(name);
            }
        }
    }
    found
}

/// `{ crate = "name" }` or a bare name. A version behind an `@` would narrow the rule, so it is refused.
fn package(value: &Value) -> Result<String, String> {
    let named = value.get("crate").or_else(|| value.get("name")).unwrap_or(value);
    match named.as_str() {
        Some(name) if !name.contains(['@', ':']) => Ok(name.to_owned()),
        _ => Err(format!("{value:?}: a package is named as {{ crate = \"name\" }}, without a version")),
    }
}

fn list<'a>(file: &'a Table, section: &str, key: &str) -> impl Iterator<Item = &'a Value> {
    file.get(section).and_then(|section| section.get(key)).and_then(Value::as_array).into_iter().flatten()
}

fn texts(file: &Table, section: &str, key: &str) -> impl Iterator<Item = String> {
    list(file, section, key).filter_map(Value::as_str).map(str::to_owned)
}

fn level<'a>(file: &'a Table, section: &str, key: &str) -> Option<&'a str> {
    file.get(section)?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn the_file_in_this_repository_is_applied_whole() {
        let policy = Policy::parse(include_str!("../../../deny.toml")).expect("it is sound");
        assert!(policy.allowed.contains("MIT") && !policy.banned.is_empty() && policy.unused_is_error);
        assert_eq!(policy.sources.len(), 1);
        assert_eq!(policy.left_out, [""; 0]);
    }

    #[test]
    fn what_is_not_applied_is_told() {
        let policy = Policy::parse("[bans]\nskip = ['a']\nskip-tree = []\n").expect("it is sound");
        assert_eq!(policy.left_out, ["bans.skip"]);
        assert!(Policy::parse("[bans]\ndeny = [{ crate = 'a@1' }]\n").is_err());
    }
}
