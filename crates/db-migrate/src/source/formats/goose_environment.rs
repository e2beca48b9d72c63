//! What goose puts in place of `$NAME` between `-- +goose ENVSUB ON` and `-- +goose ENVSUB OFF`.
//!
//! The grammar is that of its interpolate library: `$NAME`, `${NAME}`, `${NAME-default}` where it is not set,
//! `${NAME:-default}` where it is not set or empty, `${NAME?message}` where it must be set; `$$` and `\$` are a dollar.

use crate::source::template::Variables;
use std::collections::BTreeSet;

/// One line with its variables put in; a variable that is not set is nothing, and is added to `unset`.
pub(super) fn expand(
    text: &str,
    variables: &Variables,
    unset: &mut BTreeSet<String>,
) -> Result<String, String> {
    let mut expander = Expander { rest: text, variables, unset };
    expander.until(None)
}

struct Expander<'a, 'u> {
    rest: &'a str,
    variables: &'a Variables,
    unset: &'u mut BTreeSet<String>,
}

impl<'a> Expander<'a, '_> {
    /// Everything up to a character outside any variable, or up to the end.
    fn until(&mut self, stop: Option<char>) -> Result<String, String> {
        let mut made = String::new();
        while let Some(first) = self.rest.chars().next().filter(|first| Some(*first) != stop) {
            let kept = [(r"\\", r"\\"), (r"\$", "$"), ("$$", "$"), ("$(", "$(")];
            if let Some((taken, kept)) = kept.into_iter().find(|(taken, _)| self.rest.starts_with(taken)) {
                self.rest = &self.rest[taken.len()..];
                made.push_str(kept);
            } else if first == '$' && !self.rest[1..].trim_end_matches(['\r', '\n']).is_empty() {
                self.rest = &self.rest[1..];
                made.push_str(&self.variable()?);
            } else {
                self.rest = &self.rest[first.len_utf8()..];
                made.push(first);
            }
        }
        Ok(made)
    }

    fn variable(&mut self) -> Result<String, String> {
        let Some(rest) = self.rest.strip_prefix('{') else {
            let name = self.name()?;
            return Ok(self.value_or_nothing(name));
        };
        self.rest = rest;
        let name = self.name()?;
        let operator = [":-", "-", "?", "}"].into_iter().find(|operator| self.rest.starts_with(operator));
        let operator = operator.ok_or_else(|| {
            format!("${{{name}...: only :-, - and ? can follow the name of a variable here")
        })?;
        self.rest = &self.rest[operator.len()..];
        if operator == "}" {
            return Ok(self.value_or_nothing(name));
        }
        let more = self.inner()?;
        match (operator, self.value(name)) {
            ("?", None) => Err(format!("{name} is not set: {more}")),
            (":-", Some(value)) if value.is_empty() => Ok(more),
            (_, Some(value)) => Ok(value),
            (_, None) => Ok(more),
        }
    }

    /// What stands after an operator, without the brace that ends it. A variable in a default that may not be needed is
    /// not said to be missing.
    fn inner(&mut self) -> Result<String, String> {
        let mut unset = BTreeSet::new();
        let mut inner = Expander { rest: self.rest, variables: self.variables, unset: &mut unset };
        let more = inner.until(Some('}'))?;
        self.rest = inner.rest.strip_prefix('}').ok_or("a ${ is never closed")?;
        Ok(more)
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if !name.starts_with(|letter: char| letter.is_alphabetic()) {
            return Err("a $ that no name follows: write $$ for a dollar while ENVSUB is ON".to_owned());
        }
        self.rest = rest;
        Ok(name)
    }

    fn value(&self, name: &str) -> Option<String> {
        self.variables.set.get(name).or_else(|| self.variables.environment.get(name)).cloned()
    }

    fn value_or_nothing(&mut self, name: &str) -> String {
        let value = self.value(name);
        if value.is_none() {
            self.unset.insert(name.to_owned());
        }
        value.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Variables, expand};
    use std::collections::BTreeSet;

    #[test]
    fn follows_the_grammar() {
        let text = |pairs: [(&str, &str); 2]| pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let variables = Variables {
            set: text([("A", "set"), ("EMPTY", "")]),
            environment: text([("A", "environment"), ("B_2", "b")]),
        };
        for (line, expected) in [
            ("$A ${A} $B_2.x", "set set b.x"),
            ("[$NO] [${NO}]", "[] []"),
            ("${NO:-d} ${NO-d} ${EMPTY:-d} ${EMPTY-d} ${A:-d}", "d d d  set"),
            ("${NO:-${A}x} ${NO:-}", "setx "),
            (r"$$ \$A \\ $( $", r"$ $A \\ $( $"),
            ("ü$A;\r\n", "üset;\r\n"),
            ("$\n", "$\n"),
        ] {
            assert_eq!(expand(line, &variables, &mut BTreeSet::new()).as_deref(), Ok(expected), "{line}");
        }
        for (line, expected) in [
            ("$1", "a $ that no name follows"),
            ("${NO?is needed}", "NO is not set: is needed"),
            ("${A:1:2}", "${A...: only"),
            ("${NO:-x", "a ${ is never closed"),
        ] {
            let error = expand(line, &variables, &mut BTreeSet::new()).expect_err("refused");
            assert!(error.starts_with(expected), "{error}");
        }
        let mut unset = BTreeSet::new();
        expand("$NO ${NO2:-d} ${NO3}", &variables, &mut unset).expect("it can be");
        assert_eq!(unset.into_iter().collect::<Vec<_>>(), ["NO", "NO3"]);
    }
}
