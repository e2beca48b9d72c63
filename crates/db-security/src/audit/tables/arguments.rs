//! What a trigger was told, as the catalogue keeps it.

/// The arguments of `audit_row_changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) entity_type: String,
    pub(super) keys: Vec<String>,
    pub(super) excluded: Vec<String>,
    pub(super) personal: Vec<String>,
    pub(super) subject: Option<String>,
}

impl Arguments {
    /// From `pg_trigger.tgargs`: texts with a zero byte behind each. `None` where they are not five that we have written.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split_terminator('\0');
        let arguments = Self {
            entity_type: parts.next()?.to_owned(),
            keys: array(parts.next()?)?,
            excluded: array(parts.next()?)?,
            personal: array(parts.next()?)?,
            // A NULL has become a word on its way through CREATE TRIGGER.
            subject: parts.next().filter(|subject| *subject != "null").map(str::to_owned),
        };
        parts.next().is_none().then_some(arguments)
    }
}

/// An array of texts as PostgreSQL writes it, of one dimension and without NULLs.
fn array(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut letters = inner.chars().peekable();
    while letters.peek().is_some() {
        let mut item = String::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => item.push(letters.next()?),
                    letter => item.push(letter),
                }
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                item.push(if letter == '\\' { letters.next()? } else { letter });
            }
        }
        items.push(item);
        match letters.next() {
            None => break,
            Some(',') if letters.peek().is_some() => {}
            Some(_) => return None,
        }
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::{Arguments, array};

    #[test]
    fn arrays_are_read_as_they_are_written() {
        for (text, expected) in [
            ("{}", Some(vec![])),
            ("{a}", Some(vec!["a"])),
            ("{a,b c,d}", Some(vec!["a", "b c", "d"])),
            (r#"{"a,b","c\"d","e\\f",""}"#, Some(vec!["a,b", "c\"d", "e\\f", ""])),
            ("{a,}", None),
            ("a", None),
            (r#"{"a"#, None),
            (r#"{"a"b}"#, None),
        ] {
            assert_eq!(
                array(text),
                expected.map(|items| items.into_iter().map(str::to_owned).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn arguments_that_are_not_ours_are_none() {
        let ours = Arguments::parse(b"people\0{region,id}\0{}\0{email}\0id\0").expect("ours");
        assert_eq!((ours.entity_type.as_str(), ours.subject.as_deref()), ("people", Some("id")));
        assert_eq!((ours.keys.len(), ours.excluded.len(), ours.personal.len()), (2, 0, 1));
        assert_eq!(Arguments::parse(b"t\0{}\0{}\0{}\0null\0").expect("ours").subject, None);
        assert_eq!(Arguments::parse(b"t\0{}\0"), None);
        assert_eq!(Arguments::parse(b"t\0{}\0{}\0{}\0a\0b\0"), None);
    }
}
