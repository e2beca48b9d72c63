//! What `meta.toml` says.

use crate::TransactionMode;
use toml::{Table, Value};

/// The content of a `meta.toml`; an absent file says nothing, so all is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) description: String,
    pub(super) depends_on: Vec<u32>,
    pub(super) mode: TransactionMode,
}

const KEYS: [&str; 3] = ["description", "depends_on", "transaction"];

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
                self.description = value.as_str().ok_or("description must be a string")?.to_owned();
            }
            "depends_on" => {
                self.depends_on =
                    numbers(value).ok_or("depends_on must be a list of numbers, as in [1, 2]")?;
            }
            "transaction" => {
                self.mode = match value.as_bool().ok_or("transaction must be true or false")? {
                    true => TransactionMode::Single,
                    false => TransactionMode::None,
                };
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn numbers(value: &Value) -> Option<Vec<u32>> {
    value.as_array()?.iter().map(|item| item.as_integer().and_then(|number| number.try_into().ok())).collect()
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
    use super::{Meta, TransactionMode};

    #[test]
    fn reads_what_is_there() {
        assert_eq!(Meta::parse(""), Ok(Meta::default()));
        assert_eq!(
            Meta::parse("description = 'd'\ndepends_on = [1, 3]\ntransaction = false"),
            Ok(Meta { description: "d".into(), depends_on: vec![1, 3], mode: TransactionMode::None })
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (text, expected) in [
            ("depend_on = [1]", r#"unknown key "depend_on", did you mean "depends_on"?"#),
            ("colour = 1", r#"unknown key "colour": known are description, depends_on, transaction"#),
            ("depends_on = 1", "depends_on must be a list of numbers, as in [1, 2]"),
            ("depends_on = [-1]", "depends_on must be a list of numbers, as in [1, 2]"),
            ("depends_on = ['0001']", "depends_on must be a list of numbers, as in [1, 2]"),
            ("transaction = 'no'", "transaction must be true or false"),
            ("description = 1", "description must be a string"),
        ] {
            assert_eq!(Meta::parse(text), Err(vec![expected.to_owned()]), "{text}");
        }
        let broken = Meta::parse("description = 'd'\n???").expect_err("no TOML");
        assert!(broken[0].starts_with("line 2: "), "{broken:?}");
        assert_eq!(Meta::parse("a = 1\nb = 2").expect_err("two keys").len(), 2);
    }
}
