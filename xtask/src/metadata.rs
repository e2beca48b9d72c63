//! What `cargo metadata` answers, as far as the rules need it.

use crate::exit::Failed;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

/// The workspace and all packages below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

impl Metadata {
    /// The packages of the workspace itself.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, Failed> {
        let value: Value = serde_json::from_slice(json).map_err(Failed::at("cargo metadata"))?;
        let members: HashSet<&str> = list(&value, "workspace_members").filter_map(Value::as_str).collect();
        let mut packages: Vec<_> = list(&value, "packages").map(|value| package(value, &members)).collect();
        packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Self { packages, target_directory: text(&value, "target_directory").unwrap_or_default().into() })
    }
}

/// A package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `None` for a path.
    pub(crate) source: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) member: bool,
    pub(crate) targets: Vec<Target>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

impl Package {
    /// Whether others build on it: it has a library, and is no program.
    pub(crate) fn is_library(&self) -> bool {
        self.targets.contains(&Target::Library) && !self.targets.contains(&Target::Program)
    }
}

/// What a package builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Library,
    Program,
    Other,
}

/// An edge from a package, as its manifest has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) requirement: String,
    pub(crate) kind: Kind,
    pub(crate) path: bool,
    pub(crate) features: Vec<String>,
}

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Normal,
    Build,
    Dev,
}

fn package(value: &Value, members: &HashSet<&str>) -> Package {
    let features = value.get("features").and_then(Value::as_object).into_iter().flatten();
    Package {
        name: text(value, "name").unwrap_or_default(),
        version: text(value, "version").unwrap_or_default(),
        source: text(value, "source"),
        licence: text(value, "license"),
        member: value.get("id").and_then(Value::as_str).is_some_and(|id| members.contains(id)),
        targets: list(value, "targets").map(target).collect(),
        dependencies: list(value, "dependencies").map(dependency).collect(),
        features: features.map(|(name, value)| (name.clone(), texts(value))).collect(),
    }
}

fn target(value: &Value) -> Target {
    let kinds = value.get("kind").map(texts).unwrap_or_default();
    match kinds.first().map(String::as_str) {
        Some("lib" | "rlib" | "proc-macro") => Target::Library,
        Some("bin") => Target::Program,
        _ => Target::Other,
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(value, "name").unwrap_or_default(),
        requirement: text(value, "req").unwrap_or_default(),
        kind: match value.get("kind").and_then(Value::as_str) {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        path: value.get("path").is_some_and(Value::is_string),
        features: value.get("features").map(texts).unwrap_or_default(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
