//! Values that stand in migrations by name, as in `${schema}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The values that `${name}` stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// What the caller sets; replaced in the files of every format, and ahead of all other values.
    ///
    /// Flyway's files may ask for names of its own, between the marks that such a file of settings says. `flyway:user` and
    /// `flyway:database`, which only the caller knows, have no value unless they are set here; `flyway:defaultSchema` is `public`, `flyway:table` is `flyway_schema_history` and
    /// `flyway:environment` is `default` unless set here or in a `flyway.conf` or `flyway.toml` in the directory or above;
    /// `flyway:timestamp` is the local time of reading, as `2026-01-02 03:04:05`, and `flyway:workingDirectory` the folder
    /// that the process is in. So are the placeholders of such a file.
    pub set: BTreeMap<String, String>,
    /// The process's environment, which only goose's files may ask for, between their own marks.
    pub environment: BTreeMap<String, String>,
}

/// What a placeholder stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl Default for Marks {
    fn default() -> Self {
        Self { prefix: "${".to_owned(), suffix: "}".to_owned() }
    }
}

/// A placeholder without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) name: String,
    /// Counted from 1 in the text that was filled in.
    pub(crate) line: usize,
}

impl Variables {
    /// Puts in the values that are set and leaves every other `$` as it is, since `$` has meanings of its own in SQL.
    pub(crate) fn fill<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.set.is_empty() {
            return Cow::Borrowed(text);
        }
        replace(text, &Marks::default(), |name, _| self.set.get(name).map(String::as_str))
    }

    /// Puts in every value, as Flyway does: a placeholder without one is an error wherever it stands, also in a comment.
    pub(crate) fn fill_all<'a>(
        &self,
        text: &'a str,
        marks: &Marks,
        known: &BTreeMap<&str, &str>,
    ) -> Result<Cow<'a, str>, Vec<Missing>> {
        let mut missing = Vec::new();
        let filled = replace(text, marks, |name, at| {
            let value = self.set.get(name).map(String::as_str).or_else(|| known.get(name).copied());
            let value = value.or_else(|| self.named_alike(name, known));
            if value.is_none() {
                let line = 1 + text[..at].matches('\n').count();
                missing.push(Missing { name: name.to_owned(), line });
            }
            value
        });
        if missing.is_empty() { Ok(filled) } else { Err(missing) }
    }

    /// Flyway's names are the same in letters of either case.
    fn named_alike<'v>(&'v self, name: &str, known: &BTreeMap<&str, &'v str>) -> Option<&'v str> {
        let set = self.set.iter().map(|(of, value)| (of.as_str(), value.as_str()));
        let mut all = set.chain(known.iter().map(|(of, value)| (*of, *value)));
        all.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn replace<'a, 'v>(
    text: &'a str,
    Marks { prefix, suffix }: &Marks,
    mut value: impl FnMut(&str, usize) -> Option<&'v str>,
) -> Cow<'a, str> {
    let mut filled = String::new();
    let mut done = 0;
    let mut from = 0;
    while let Some(start) = text[from..].find(prefix).map(|at| from + at) {
        let name_at = start + prefix.len();
        let Some(length) = text[name_at..].find(suffix) else {
            // Flyway reads to the end for it; the name in the error is then the first line.
            let name = text[name_at..].lines().next().unwrap_or_default();
            value(name, start);
            break;
        };
        let end = name_at + length + suffix.len();
        match value(&text[name_at..name_at + length], start) {
            Some(value) => {
                filled.push_str(&text[done..start]);
                filled.push_str(value);
                done = end;
                from = end;
            }
            // An inner prefix may begin a name that is known.
            None => from = name_at,
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    filled.push_str(&text[done..]);
    Cow::Owned(filled)
}

#[cfg(test)]
mod tests {
    use super::{Marks, Missing, Variables};
    use std::collections::BTreeMap;

    fn variables() -> Variables {
        let set = [("schema", "app"), ("empty", "")].map(|(name, value)| (name.into(), value.into()));
        Variables { set: set.into(), environment: BTreeMap::new() }
    }

    #[test]
    fn puts_in_what_is_set_and_nothing_else() {
        for (text, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("${schema}.a\n, ${schema}.b${empty}", "app.a\n, app.b"),
            ("${other} ${ schema } $schema ${schema", "${other} ${ schema } $schema ${schema"),
            ("DO $${schema}$$", "DO $app$$"),
            ("${a ${schema}", "${a app"),
            ("ü${schema}ü", "üappü"),
        ] {
            assert_eq!(variables().fill(text), expected, "{text}");
        }
        assert_eq!(Variables::default().fill("${schema}"), "${schema}");
    }

    #[test]
    fn says_what_has_no_value_and_where() {
        let known = BTreeMap::from([("flyway:filename", "V1__a.sql")]);
        let fill = |text| variables().fill_all(text, &Marks::default(), &known).map(String::from);
        assert_eq!(fill("-- ${flyway:filename} ${schema}"), Ok("-- V1__a.sql app".to_owned()));
        let missing = |name: &str, line| Missing { name: name.to_owned(), line };
        assert_eq!(fill("\n${a}\n\n${schema}${b}"), Err(vec![missing("a", 2), missing("b", 4)]));
        assert_eq!(fill("\n${a\n"), Err(vec![missing("a", 2)]));
        let marks = Marks { prefix: "@<".into(), suffix: ">@".into() };
        let fill = |text| variables().fill_all(text, &marks, &known).map(String::from);
        assert_eq!(fill("@<schema>@.a > ${schema}@<empty>@ü"), Ok("app.a > ${schema}ü".to_owned()));
        assert_eq!(fill("\n@<a>@"), Err(vec![missing("a", 2)]));
    }
}
