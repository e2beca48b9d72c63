//! Whether a hostile statement is the harmless one with other names in the same places, and nothing else.

use super::{
    filters,
    lexer::{Token, means, tokens},
    pages,
    source::{CANARY, Given},
};

/// Words that the builder writes, sorted; whatever else stands without quotes came from somebody.
const WORDS: [&str; 130] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "BitmapScan",
    "CASE",
    "CAST",
    "COLLATE",
    "CONFLICT",
    "CONSTRAINT",
    "CROSS",
    "CUBE",
    "CURRENT",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXCEPT",
    "EXCLUDED",
    "EXISTS",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "HashJoin",
    "ILIKE",
    "IN",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "IndexOnlyScan",
    "IndexScan",
    "JOIN",
    "KEY",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCKED",
    "Leading",
    "MATCHED",
    "MATERIALIZED",
    "MERGE",
    "MergeJoin",
    "NO",
    "NOT",
    "NOTHING",
    "NOWAIT",
    "NULL",
    "NULLS",
    "NestLoop",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "Parallel",
    "RECURSIVE",
    "RETURNING",
    "RIGHT",
    "ROLLUP",
    "ROW",
    "ROWS",
    "Rows",
    "SELECT",
    "SET",
    "SHARE",
    "SKIP",
    "SeqScan",
    "THEN",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "array_agg",
    "bool",
    "bytea",
    "clock_timestamp",
    "coalesce",
    "count",
    "encode",
    "float8",
    "float8send",
    "int4",
    "int8",
    "interval",
    "interval_send",
    "jsonb",
    "jsonb_build_array",
    "jsonb_typeof",
    "jsonpath",
    "lower",
    "make_interval",
    "max",
    "now",
    "row_number",
    "secs",
    "string_agg",
    "strpos",
    "sum",
    "text",
    "timestamptz",
    "to_tsvector",
    "ts_headline",
    "ts_rank_cd",
    "unnest",
    "uuid",
    "websearch_to_tsquery",
];

/// Strings that the builder writes.
const STRINGS: [&str; 8] =
    ["simple", "english", "hex", "number", "string", "null", "work_mem", "lock_timeout"];

/// Names that the builder writes in quotes, or that a catalogue of the program has.
fn is_known_name(name: &str) -> bool {
    matches!(name, "set_config" | "cursor_position" | "docs" | "lateral")
        || pages::NAMES.contains(&name)
        || filters::TABLE.fields().iter().any(|field| field.name() == name)
}

/// What has to stand at a place of the hostile text.
#[derive(Debug)]
enum Expected<'t> {
    /// A part of a name that was given.
    Name { number: usize, part: usize },
    /// A string that was given.
    Text { number: usize },
    /// Hints.
    Hints(Vec<Expected<'t>>),
    /// The same as in the harmless text.
    Same(Token<'t>),
}

/// What the harmless text says of all hostile ones of its shape.
#[derive(Debug)]
pub(super) struct Pattern<'t> {
    expected: Vec<Expected<'t>>,
    /// Which names stand in the text.
    names: Vec<bool>,
    /// Which parameters do.
    parameters: Vec<bool>,
    depth: i32,
}

impl<'t> Pattern<'t> {
    /// Reads a harmless text: it has nothing but what the builder writes, every one of the names and, once, every one of the
    /// parameters.
    pub(super) fn of(harmless: &'t str, names: usize, parameters: usize) -> Result<Self, String> {
        let mut pattern = Self {
            expected: Vec::new(),
            names: vec![false; names],
            parameters: vec![false; parameters],
            depth: 0,
        };
        pattern.expected = pattern.read(harmless, true)?;
        if pattern.depth != 0 {
            return Err("parentheses do not match".to_owned());
        }
        if let Some(lost) = pattern.names.iter().position(|seen| !seen) {
            return Err(format!("name {lost} is not in the text"));
        }
        if let Some(lost) = pattern.parameters.iter().position(|seen| !seen) {
            return Err(format!("${} is not in the text", lost + 1));
        }
        Ok(pattern)
    }

    fn read(&mut self, text: &'t str, mut hints: bool) -> Result<Vec<Expected<'t>>, String> {
        let mut expected = Vec::with_capacity(64);
        for token in tokens(text) {
            expected.push(self.token(token, hints).ok_or_else(|| format!("{token:?} from nowhere"))?);
            // Hints stand at the start, once.
            hints = false;
        }
        Ok(expected)
    }

    fn token(&mut self, token: Token<'t>, hints: bool) -> Option<Expected<'t>> {
        match token {
            Token::Quoted(name) => match number_and_part(name) {
                Some((number, part)) => {
                    *self.names.get_mut(number)? = true;
                    return Some(Expected::Name { number, part });
                }
                None if is_known_name(name) => {}
                None => return None,
            },
            Token::Text(text) => match number_and_part(text) {
                Some((number, _)) => {
                    *self.names.get_mut(number)? = true;
                    return Some(Expected::Text { number });
                }
                None if STRINGS.contains(&text) => {}
                None => return None,
            },
            Token::Comment(inside) if hints => {
                return Some(Expected::Hints(self.read(inside.strip_prefix('+')?, false).ok()?));
            }
            Token::Word(word) if WORDS.binary_search(&word).is_ok() => {}
            Token::Parameter(number) => {
                let seen = self.parameters.get_mut(number.checked_sub(1)?)?;
                if std::mem::replace(seen, true) {
                    return None;
                }
            }
            Token::Sign("(") => self.depth += 1,
            Token::Sign(")") if self.depth > 0 => self.depth -= 1,
            Token::Sign(sign) if sign != ";" && sign != ")" => {}
            Token::Number(_) => {}
            _ => return None,
        }
        Some(Expected::Same(token))
    }

    /// Compares a hostile text.
    pub(super) fn check(&self, hostile: &str, parameters: usize, given: &[Given]) -> Result<(), String> {
        if hostile.contains(CANARY) {
            return Err("a value stands in the text".to_owned());
        }
        if parameters != self.parameters.len() {
            return Err(format!("{parameters} parameters instead of {}", self.parameters.len()));
        }
        if given.len() != self.names.len() {
            return Err(format!("{} names instead of {}", given.len(), self.names.len()));
        }
        compare(hostile, &self.expected, given)
    }
}

fn compare(hostile: &str, expected: &[Expected<'_>], given: &[Given]) -> Result<(), String> {
    let found = tokens(hostile);
    for (&token, expected) in found.iter().zip(expected) {
        let same = match (token, expected) {
            (Token::Quoted(inside), &Expected::Name { number, part }) => {
                let name = given[number].part(part).unwrap_or_default();
                if name.is_empty() || name.len() > 63 {
                    return Err(format!("{name:?} was not refused"));
                }
                means(inside, '"', false, name)
            }
            (Token::Text(inside), &Expected::Text { number }) => {
                // A backslash would escape, were `standard_conforming_strings` off.
                !inside.contains('\\') && means(inside, '\'', false, &given[number].text)
            }
            (Token::Escaped(inside), &Expected::Text { number }) => {
                means(inside, '\'', true, &given[number].text)
            }
            (Token::Comment(inside), Expected::Hints(expected)) => {
                let hints = inside.strip_prefix('+').ok_or("a comment that is no hint")?;
                compare(hints, expected, given)?;
                true
            }
            (token, Expected::Same(same)) => token == *same,
            _ => false,
        };
        if !same {
            return Err(format!("{token:?} where {expected:?} should be"));
        }
    }
    if found.len() == expected.len() {
        return Ok(());
    }
    Err(format!("{} tokens instead of {}", found.len(), expected.len()))
}

/// The number of the name and of its part in `k<number>_<part>`, which is what the harmless side calls them.
fn number_and_part(harmless: &str) -> Option<(usize, usize)> {
    let (number, part) = harmless.strip_prefix('k')?.split_once('_')?;
    Some((number.parse().ok()?, part.parse().ok()?))
}
