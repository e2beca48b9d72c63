//! A `.env` file, read by `dotenvy`'s iterator; the process environment is neither changed nor consulted.

use super::{Layer, variables};
use crate::Source;
use crate::error::{Problem, ProblemKind};
use crate::schema;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

/// Reads the text of a `.env` file. `path` only names it.
pub(crate) fn read(path: &Path, text: &str, passed_over: &[String]) -> Layer {
    let mut layer = Layer::default();
    let lines: Vec<&str> = text.lines().collect();
    let at = Cell::new(0);
    let mut pairs = dotenvy::from_read_iter(LineByLine { rest: text.as_bytes(), line: &at });
    loop {
        let before = at.get();
        let Some(pair) = pairs.next() else { break };
        let (start, chunk) = logical_line(&lines, before, at.get());
        let source =
            |name: &str| Source::Dotenv { path: path.to_owned(), name: name.to_owned(), line: start };
        match pair {
            Ok((name, _)) if variables::is_ours(&name) && substitutes(chunk) => {
                let what = "holds a $ that stands for another variable";
                let fix = "write the value in single quotes, or the $ as \\$; nothing is substituted here";
                let key = schema::of_variable(&name).map_or("", |(key, _)| key.name);
                layer.problems.push(Problem::new(ProblemKind::Invalid, what, fix).key(key).at(source(&name)));
            }
            Ok((name, value)) => {
                variables::take(&mut layer, &name, OsStr::new(&value), passed_over, &source(&name));
            }
            // The error's own text quotes the line, so it goes no further.
            Err(_) => {
                let name = assigned_name(chunk);
                let spans_lines = chunk.len() > 1;
                if spans_lines || name.is_none_or(variables::is_ours) {
                    let known = name.filter(|name| schema::of_variable(name).is_some()).unwrap_or_default();
                    let what = "not NAME=value, or a quote is not closed";
                    let fix = "put a value with spaces, quotes or # into single quotes";
                    layer.problems.push(Problem::new(ProblemKind::Unreadable, what, fix).at(source(known)));
                }
            }
        }
    }
    layer
}

/// Hands out one line at a time, so that whoever counts knows how far the parser has come.
struct LineByLine<'a> {
    rest: &'a [u8],
    line: &'a Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let length = end.min(buffer.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        if length == end && length > 0 {
            self.line.set(self.line.get() + 1);
        }
        Ok(length)
    }
}

/// The lines that the parser has just used, from the first that is neither blank nor a comment, and its number.
fn logical_line<'a, 'b>(lines: &'a [&'b str], before: usize, after: usize) -> (usize, &'a [&'b str]) {
    let used = lines.get(before..after).unwrap_or_default();
    let skipped =
        used.iter().take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#')).count();
    (before + skipped + 1, &used[skipped..])
}

/// Whether the value has a `$` outside single quotes and without a backslash.
fn substitutes(chunk: &[&str]) -> bool {
    let text = chunk.join("\n");
    let value = text.split_once('=').map_or("", |(_, value)| value);
    let (mut single, mut double, mut escaped, mut blank) = (false, false, false, true);
    for letter in value.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\'' if !double => single = !single,
            _ if single => {}
            '\\' => escaped = true,
            '"' => double = !double,
            '#' if blank && !double => return false,
            '$' => return true,
            _ => {}
        }
        blank = letter.is_whitespace();
    }
    false
}

/// The name before the first `=`, if it is a name.
fn assigned_name<'a>(chunk: &[&'a str]) -> Option<&'a str> {
    let line = chunk.first()?.trim_start();
    let (name, _) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim();
    let clean = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    clean.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::path::Path;

    fn check(text: &str, expected: &[&str]) {
        let layer = read(Path::new(".env"), text, &[]);
        let given = layer
            .given
            .iter()
            .map(|(part, source)| format!("{source} {}", part.value.shown()))
            .collect::<Vec<_>>();
        let problems: Vec<String> = layer.problems.iter().map(ToString::to_string).collect();
        let found: Vec<&String> = given.iter().chain(&problems).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (line, part) in found.iter().zip(expected) {
            assert!(line.starts_with(part) && !line.contains("hunter2"), "{line} is not {part}");
        }
    }

    #[test]
    fn names_the_line_of_each_value() {
        let long = format!("# {}\nDB_PORT=1", "x".repeat(20_000));
        check(
            "# comment\n\nDB_HOST=h\nexport DB_NAME='a b'\nFOO=bar\n",
            &[".env:3 DB_HOST h", ".env:4 DB_NAME a b"],
        );
        check("DB_PASSWORD=\"hunter2\nsecond\"\nDB_HOST=h", &[".env:1 DB_PASSWORD ***", ".env:3 DB_HOST h"]);
        check(&long, &[".env:2 DB_PORT 1"]);
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number_only() {
        check(
            "DB_HOST=h\nDB_PASSWORD=hunter2 x\nDB_PORT=1",
            &[".env:1", ".env:3", ".env:2 DB_PASSWORD: not NAME"],
        );
        check("\nhunter2\n", &[".env:2: not NAME"]);
        check("\n\nDB_PASSWORD='hunter2\nDB_HOST=h\n", &[".env:3 DB_PASSWORD: not NAME"]);
        check("TITLE=My app\nDB_PORT=1", &[".env:2 DB_PORT 1"]);
        check("TITLE='My app\nDB_PORT=1", &[".env:1: not NAME"]);
    }

    #[test]
    fn a_dollar_is_never_substituted() {
        check("DB_PASSWORD=hunter2$HOME", &[".env:1 DB_PASSWORD: database.password: holds a $"]);
        check("DB_PASSWORD=\"hunter2${HOME}\"", &[".env:1 DB_PASSWORD: database.password: holds a $"]);
        check("DB_NAME='a$b'", &[".env:1 DB_NAME a$b"]);
        check("DB_NAME=a\\$b", &[".env:1 DB_NAME a$b"]);
        check("DB_NAME=a # $b", &[".env:1 DB_NAME a"]);
        check("OTHER=$HOME", &[]);
    }
}
