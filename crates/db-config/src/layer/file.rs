//! A YAML or TOML file, parsed by the `config` crate.
//!
//! The texts of that crate and of the parsers below it quote the file, so none of them is passed on.

use super::{Layer, is_passed_over};
use crate::error::{Problem, ProblemKind};
use crate::parse::Raw;
use crate::{Source, mask, schema};
use config::{ConfigError, FileFormat, Map, Value, ValueKind};
use std::path::Path;

/// Reads the text of a file; `path` names it and its extension decides the format.
pub(crate) fn read(path: &Path, text: &str, passed_over: &[String]) -> Layer {
    let mut layer = Layer::default();
    let place = |key: &str, line| Source::File { path: path.to_owned(), key: key.to_owned(), line };
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => FileFormat::Yaml,
        Some("toml") => FileFormat::Toml,
        _ => {
            let problem =
                Problem::new(ProblemKind::Unreadable, "of no known format", "name it .yaml, .yml or .toml");
            layer.problems.push(problem.at(place("", None)));
            return layer;
        }
    };
    match config::Source::collect(&config::File::from_str(text, format)) {
        Ok(root) => Walk { path, passed_over, layer: &mut layer }.table("", root),
        Err(error) => {
            let name = if format == FileFormat::Toml { "TOML" } else { "YAML" };
            let what = format!("not valid {name}");
            let fix = "check the syntax there; values with : # { [ , or quotes belong into quotes";
            let line = line_of(&error, text);
            layer.problems.push(Problem::new(ProblemKind::Unreadable, what, fix).at(place("", line)));
        }
    }
    layer
}

/// The line that a parser names in its error: the number alone, and only if the file has that many lines.
fn line_of(error: &ConfigError, text: &str) -> Option<usize> {
    let ConfigError::FileParse { cause, .. } = error else { return None };
    let message = cause.to_string();
    // TOML names the line first and quotes it then; YAML names it last.
    let at = if message.starts_with("TOML") { message.find("line ") } else { message.rfind("line ") }?;
    let digits = message[at + "line ".len()..].split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|line| (1..=text.lines().count() + 1).contains(line))
}

struct Walk<'a> {
    path: &'a Path,
    passed_over: &'a [String],
    layer: &'a mut Layer,
}

impl Walk<'_> {
    fn table(&mut self, section: &str, table: Map<String, Value>) {
        // The parser's map has no order; the problems should.
        let mut entries: Vec<(String, Value)> = table.into_iter().collect();
        entries.sort_by(|one, two| one.0.cmp(&two.0));
        for (name, value) in entries {
            if section.is_empty() && is_passed_over(&name, self.passed_over) {
                continue;
            }
            let path = if section.is_empty() { name } else { format!("{section}.{name}") };
            self.entry(section, &path, value.kind);
        }
    }

    fn entry(&mut self, section: &str, path: &str, kind: ValueKind) {
        match (schema::of_path(path), kind) {
            (None, ValueKind::Table(table)) if schema::is_section(path) => self.table(path, table),
            (None, ValueKind::Nil) if schema::is_section(path) => {}
            (None, _) if schema::is_section(path) => {
                self.problem(path, ProblemKind::Invalid, "a section, not a value", "put its keys below it");
            }
            (None, kind) => self.unknown(section, path, matches!(kind, ValueKind::Nil)),
            (Some((key, bare)), kind) => match raw(kind) {
                Some(raw) => {
                    let source = self.place(path);
                    self.layer.take(key, bare, &raw, &source);
                }
                None => self.problem(
                    path,
                    ProblemKind::Invalid,
                    "neither a value nor a list of values",
                    "give a value",
                ),
            },
        }
    }

    /// An unknown name may be a piece of a password that was not quoted (`{password: a, b}`), so it is printed only when it
    /// reads like a name: near to a known one, or lower-case words with a value.
    fn unknown(&mut self, section: &str, path: &str, without_value: bool) {
        let last = path.rsplit('.').next().unwrap_or(path);
        let near = schema::nearest_path(path);
        let reads_like_a_name = !without_value
            && last.len() <= 40
            && last.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            && !mask::may_hold_secret(path);
        let place = match (near.is_some() || reads_like_a_name, section) {
            (true, _) => path.to_owned(),
            (false, "") => mask::MASK.to_owned(),
            (false, section) => format!("{section}.{}", mask::MASK),
        };
        let fix = "correct the name, or let Loader::pass_over skip a section of another program";
        let problem = Problem::new(ProblemKind::Unknown, "no such key", fix).hint(near);
        self.layer.problems.push(problem.at(self.place(&place)));
    }

    fn problem(&mut self, path: &str, kind: ProblemKind, what: &str, fix: &str) {
        self.layer.problems.push(Problem::new(kind, what, fix).at(self.place(path)));
    }

    fn place(&self, key: &str) -> Source {
        Source::File { path: self.path.to_owned(), key: key.to_owned(), line: None }
    }
}

/// A value or a list of values; a list's `{host, port}` tables become `host:port`.
fn raw(kind: ValueKind) -> Option<Raw> {
    match kind {
        ValueKind::Array(items) => {
            items.into_iter().map(|item| item_text(item.kind)).collect::<Option<_>>().map(Raw::List)
        }
        ValueKind::Table(_) => None,
        ValueKind::Nil => Some(Raw::Text(String::new())),
        ValueKind::String(text) => Some(Raw::Text(text)),
        other => literal(&other).map(Raw::Literal),
    }
}

fn item_text(kind: ValueKind) -> Option<String> {
    match kind {
        ValueKind::String(text) => Some(text),
        ValueKind::Table(mut table) => {
            let host = table.remove("host").and_then(|value| item_text(value.kind))?;
            let port = table.remove("port").and_then(|value| literal(&value.kind));
            table.is_empty().then(|| port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
        }
        other => literal(&other),
    }
}

/// The decimal point of a float is kept: it decides the unit of some spans.
fn literal(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::Boolean(flag) => Some(flag.to_string()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::U64(number) => Some(number.to_string()),
        ValueKind::I128(number) => Some(number.to_string()),
        ValueKind::U128(number) => Some(number.to_string()),
        ValueKind::Float(number) => Some(format!("{number:?}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
