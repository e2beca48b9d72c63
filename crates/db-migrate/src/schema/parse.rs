//! Reads the text of a snapshot back.

use super::snapshot::HEADER;
use super::{Kind, Object, Snapshot};
use db_core::{Classify, Retry};

/// The text is not that of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is no snapshot, or of a format that this version does not know.
    #[error("line 1 is {found:?} where {HEADER:?} is expected: take the snapshot again with this version")]
    Header {
        /// The first line.
        found: String,
    },
    /// A line does not belong there.
    #[error("line {line} is {found:?}, which is neither an object nor a property of one")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text.
        found: String,
    },
}

impl Classify for SnapshotError {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Snapshot {
    /// Reads what `Display` has written.
    ///
    /// # Errors
    /// [`SnapshotError`] when the text is something else, with the line.
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let header = lines.next().unwrap_or_default();
        if header != HEADER {
            return Err(SnapshotError::Header { found: header.to_owned() });
        }
        let mut objects: Vec<Object> = Vec::new();
        for (index, line) in lines.enumerate() {
            add_line(&mut objects, line)
                .ok_or_else(|| SnapshotError::Line { line: index + 2, found: line.to_owned() })?;
        }
        Ok(objects.into_iter().collect())
    }
}

/// `None` when the line does not belong there.
fn add_line(objects: &mut Vec<Object>, line: &str) -> Option<()> {
    if let Some(more) = line.strip_prefix("  |") {
        let (_, value) = objects.last_mut()?.properties.last_mut()?;
        value.push('\n');
        value.push_str(more);
    } else if let Some(property) = line.strip_prefix("  ") {
        let at = end_of_name(property)?;
        let value = property[at + 1..].strip_prefix(' ').unwrap_or_default();
        objects.last_mut()?.properties.push((unescaped(&property[..at]), value.to_owned()));
    } else {
        objects.push(object(line)?);
    }
    Some(())
}

fn object(line: &str) -> Option<Object> {
    // "operator" is the beginning of "operator class": the longest kind it is.
    let kind = Kind::ALL.iter().copied().filter(|kind| name_after(*kind, line).is_some());
    let kind = kind.max_by_key(|kind| kind.as_str().len())?;
    Some(Object { kind, name: unescaped(name_after(kind, line)?), properties: Vec::new() })
}

fn name_after(kind: Kind, line: &str) -> Option<&str> {
    line.strip_prefix(kind.as_str())?.strip_prefix(' ').filter(|name| !name.is_empty())
}

/// Where the first colon is that is not escaped.
fn end_of_name(property: &str) -> Option<usize> {
    let mut escape = false;
    property.char_indices().find_map(|(at, c)| {
        let ends = c == ':' && !escape;
        escape = c == '\\' && !escape;
        ends.then_some(at)
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                other => other.unwrap_or('\\'),
            },
            c => c,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Kind, Object, Snapshot, SnapshotError};

    fn object(kind: Kind, name: &str, properties: &[(&str, &str)]) -> Object {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Object { kind, name: name.to_owned(), properties: properties.collect() }
    }

    #[test]
    fn reads_back_what_was_written() {
        let snapshot: Snapshot = [
            object(Kind::Table, "public.t", &[]),
            object(Kind::Table, "public.\"a\nb\\n: c\"", &[("kind", "table")]),
            object(Kind::OperatorClass, "public.c using btree", &[("type", "")]),
            object(Kind::Operator, "class.+(integer,integer)", &[]),
            object(
                Kind::Privileges,
                "table public.t",
                &[("\"a: b\\\"", "SELECT"), ("public", "no\n\n  a: b\n")],
            ),
        ]
        .into_iter()
        .collect();
        assert_eq!(Snapshot::parse(&snapshot.to_string()), Ok(snapshot));
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let check = |text: &str, line: usize| {
            let error =
                Snapshot::parse(&format!("schema snapshot, format 1\n{text}")).expect_err("it is wrong");
            assert!(matches!(error, SnapshotError::Line { line: found, .. } if found == line), "{error}");
        };
        check("  type: integer", 2);
        check("table public.t\n  type", 3);
        check("tables public.t", 2);
        check("table public.t\n\n", 3);
        check("table ", 2);
    }

    #[test]
    fn refuses_another_format() {
        let error = Snapshot::parse("schema snapshot, format 2\n").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "line 1 is \"schema snapshot, format 2\" where \"schema snapshot, format 1\" is expected: \
             take the snapshot again with this version"
        );
    }
}
