//! Licence expressions (SPDX 2.3, annex D), and the `/` of old manifests, which means OR.

/// An expression: a licence, or two joined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Licence {
    /// By its name, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    One(String),
    Any(Box<Licence>, Box<Licence>),
    All(Box<Licence>, Box<Licence>),
}

impl Licence {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
        let licence = any(&mut words).ok_or_else(|| format!("`{text}` is no licence expression"))?;
        if words.is_empty() { Ok(licence) } else { Err(format!("`{text}` goes on after its end")) }
    }

    /// Whether it can be fulfilled by licences of which `allowed` is true. All that could be chosen are asked for, so
    /// that the caller learns which are in use.
    pub(crate) fn is_met(&self, allowed: &mut impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::One(name) => allowed(name),
            Self::Any(a, b) => a.is_met(allowed) | b.is_met(allowed),
            Self::All(a, b) => a.is_met(allowed) & b.is_met(allowed),
        }
    }
}

/// AND binds more closely than OR. The words are a stack, the next one last.
fn any(words: &mut Vec<&str>) -> Option<Licence> {
    let first = all(words)?;
    if take(words, "OR") { Some(Licence::Any(first.into(), any(words)?.into())) } else { Some(first) }
}

fn all(words: &mut Vec<&str>) -> Option<Licence> {
    let first = one(words)?;
    if take(words, "AND") { Some(Licence::All(first.into(), all(words)?.into())) } else { Some(first) }
}

fn one(words: &mut Vec<&str>) -> Option<Licence> {
    if take(words, "(") {
        let inner = any(words)?;
        return take(words, ")").then_some(inner);
    }
    let name = words.pop().filter(|word| !is_operator(word))?;
    if take(words, "WITH") {
        let exception = words.pop().filter(|word| !is_operator(word))?;
        return Some(Licence::One(format!("{name} WITH {exception}")));
    }
    Some(Licence::One(name.to_owned()))
}

fn take(words: &mut Vec<&str>, word: &str) -> bool {
    let is_next = words.last().is_some_and(|next| *next == word);
    if is_next {
        words.pop();
    }
    is_next
}

fn is_operator(word: &str) -> bool {
    matches!(word, "AND" | "OR" | "WITH" | "(" | ")")
}

#[cfg(test)]
mod tests {
    use super::Licence;

    #[test]
    fn an_expression_is_met_or_not() {
        for (text, met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only/MIT", true),
            ("GPL-3.0-only / MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-3.0-only) AND ISC", true),
            ("MIT OR GPL-3.0-only AND ISC", true),
            ("(MIT OR ISC) AND GPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
        ] {
            let mut allowed = |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
            assert_eq!(Licence::parse(text).expect(text).is_met(&mut allowed), met, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "OR", "MIT OR", "(MIT", "MIT)", "MIT ISC", "MIT WITH", "AND MIT"] {
            assert!(Licence::parse(text).is_err(), "{text}");
        }
    }
}
