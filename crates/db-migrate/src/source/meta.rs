//! What `meta.toml` says.

use crate::migration::About;
use crate::{Risk, TransactionMode};
use std::collections::BTreeSet;
use std::time::Duration;
use toml::{Table, Value};

/// The content of a `meta.toml`; an absent file says nothing, so all is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) about: About,
    /// Versions of others as they are written here: numbers of our own format without their zeros.
    pub(super) depends_on: Vec<String>,
    pub(super) replaces: Vec<String>,
    pub(super) mode: TransactionMode,
    pub(super) repeatable: bool,
}

const KEYS: [&str; 9] = [
    "depends_on",
    "description",
    "environment",
    "estimate",
    "repeatable",
    "replaces",
    "risk",
    "tags",
    "transaction",
];

impl Meta {
    /// Reads the text, or says everything that is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| vec![describe(text, &error)])?;
        let mut meta = Self::default();
        let mut problems = Vec::new();
        for (key, value) in table {
            if let Err(problem) = meta.set(&key, &value) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(meta) } else { Err(problems) }
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "description" => {
                self.about.description = value.as_str().ok_or("description must be a string")?.to_owned();
            }
            "depends_on" => {
                self.depends_on = versions(value)
                    .ok_or("depends_on must be a list of versions, as in [1, \"20240101\"]")?;
            }
            "replaces" => {
                self.replaces =
                    versions(value).ok_or("replaces must be a list of versions, as in [1, \"20240101\"]")?;
            }
            "transaction" => {
                self.mode = match value.as_bool().ok_or("transaction must be true or false")? {
                    true => TransactionMode::Single,
                    false => TransactionMode::None,
                };
            }
            "repeatable" => {
                self.repeatable = value.as_bool().ok_or("repeatable must be true or false")?;
            }
            "risk" => {
                let risk = value.as_str().and_then(Risk::parse);
                self.about.risk = Some(risk.ok_or_else(|| {
                    format!("risk must be \"low\", \"medium\" or \"high\", not {}", shown(value))
                })?);
            }
            "estimate" => {
                let estimate = value.as_str().and_then(duration);
                self.about.estimate = Some(estimate.ok_or_else(|| {
                    format!(
                        "estimate must be a duration with its unit, as in \"30s\", \"5m\" or \"2h\", not {}",
                        shown(value)
                    )
                })?);
            }
            "tags" => {
                self.about.tags =
                    names(value).ok_or("tags must be a list of strings, as in [\"billing\"]")?;
            }
            "environment" => {
                self.about.environments = names(value).ok_or(
                    "environment must be a string or a list of them, as in [\"staging\", \"production\"]",
                )?;
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

/// Reads a duration with its unit: `250ms`, `30s`, `5m`, `2h`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds: u64 = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn versions(value: &Value) -> Option<Vec<String>> {
    let version = |item: &Value| match item {
        Value::Integer(number) if *number >= 0 => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    value.as_array()?.iter().map(version).collect()
}

fn names(value: &Value) -> Option<BTreeSet<String>> {
    if let Some(one) = value.as_str() {
        return Some([one.to_owned()].into());
    }
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}

fn unknown(key: &str) -> String {
    let nearest = KEYS.into_iter().max_by(|a, b| similarity(key, a).total_cmp(&similarity(key, b)));
    match nearest {
        Some(near) if similarity(key, near) > 0.7 => format!("unknown key {key:?}, did you mean {near:?}?"),
        _ => format!("unknown key {key:?}: known are {}", KEYS.join(", ")),
    }
}

fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}

fn describe(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::{About, Meta, Risk, TransactionMode, duration};
    use std::time::Duration;

    #[test]
    fn reads_what_is_there() {
        assert_eq!(Meta::parse(""), Ok(Meta::default()));
        let text = "description = 'd'\ndepends_on = [1, 3]\ntransaction = false\nrisk = 'high'\nestimate = '5m'\n\
                    tags = ['a', 'b']\nenvironment = 'staging'\nreplaces = [1]\nrepeatable = true";
        let about = About {
            description: "d".into(),
            risk: Some(Risk::High),
            estimate: Some(Duration::from_secs(300)),
            tags: ["a".to_owned(), "b".to_owned()].into(),
            environments: ["staging".to_owned()].into(),
        };
        assert_eq!(
            Meta::parse(text),
            Ok(Meta {
                about,
                depends_on: vec!["1".into(), "3".into()],
                replaces: vec!["1".into()],
                mode: TransactionMode::None,
                repeatable: true
            })
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (text, expected) in [
            ("depend_on = [1]", r#"unknown key "depend_on", did you mean "depends_on"?"#),
            (
                "colour = 1",
                "unknown key \"colour\": known are depends_on, description, environment, estimate, repeatable, replaces, \
                 risk, tags, transaction",
            ),
            ("depends_on = 1", "depends_on must be a list of versions, as in [1, \"20240101\"]"),
            ("depends_on = [-1]", "depends_on must be a list of versions, as in [1, \"20240101\"]"),
            ("replaces = ['']", "replaces must be a list of versions, as in [1, \"20240101\"]"),
            ("transaction = 'no'", "transaction must be true or false"),
            ("description = 1", "description must be a string"),
            ("risk = 'huge'", r#"risk must be "low", "medium" or "high", not "huge""#),
            (
                "estimate = 30",
                r#"estimate must be a duration with its unit, as in "30s", "5m" or "2h", not 30"#,
            ),
        ] {
            assert_eq!(Meta::parse(text), Err(vec![expected.to_owned()]), "{text}");
        }
        let broken = Meta::parse("description = 'd'\n???").expect_err("no TOML");
        assert!(broken[0].starts_with("line 2: "), "{broken:?}");
        assert_eq!(Meta::parse("a = 1\nb = 2").expect_err("two keys").len(), 2);
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, expected) in [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("5 m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("30", None),
            ("", None),
            ("s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
