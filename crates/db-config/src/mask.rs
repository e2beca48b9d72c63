//! What of a value may be printed. Whatever is not known to be harmless is written as `***`.

use crate::hint;

/// What stands in place of a value that is secret, or may be.
pub(crate) const MASK: &str = "***";

/// Names that announce a secret when `=` or `:` follows them.
const ANNOUNCERS: [&str; 6] = ["password", "passwd", "pwd", "secret", "token", "pass"];

/// Words that people write behind a number; a number with one of them is no password.
const UNIT_WORDS: [&str; 24] = [
    "ns",
    "us",
    "ms",
    "msec",
    "msecs",
    "millis",
    "milliseconds",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "m",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hr",
    "hour",
    "hours",
    "d",
    "day",
    "days",
];

/// The longest text that is printed; a longer one is not a setting but something pasted.
const LONGEST: usize = 200;

/// Whether the text has the shape of a connection string, a credential or a key. Such a text is refused wherever plain
/// text is expected, so that no typed field ever holds one.
pub(crate) fn may_hold_secret(text: &str) -> bool {
    text.contains("://")
        || text.contains("-----BEGIN")
        || (text.contains(':') && text.contains('@'))
        || text.split_once('@').is_some_and(|(_, host)| host.contains('/'))
        || announces_secret(text)
}

/// The text for a reader, or the mask when its shape forbids it. Control characters are escaped.
pub(crate) fn shown(text: &str) -> String {
    if text.len() > LONGEST || may_hold_secret(text) {
        MASK.to_owned()
    } else {
        text.escape_debug().to_string()
    }
}

/// An offending value where a number was expected: shown when it resembles one, else it may be a secret that was put
/// into the wrong place.
pub(crate) fn shown_number(text: &str) -> String {
    let rest = text
        .trim()
        .trim_start_matches(['+', '-'])
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let unit = rest.trim().to_ascii_lowercase();
    let resembles = text.len() <= 20 && (unit.is_empty() || UNIT_WORDS.contains(&unit.as_str()));
    if resembles { text.escape_debug().to_string() } else { MASK.to_owned() }
}

/// An offending value where one of `words` was expected: shown when it resembles one of them.
pub(crate) fn shown_word<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    if hint::nearest(text, words).is_some() { shown(text) } else { MASK.to_owned() }
}

fn announces_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ANNOUNCERS.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let behind =
                lower[at + word.len()..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            behind.trim_start().starts_with(['=', ':'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{MASK, may_hold_secret, shown_number, shown_word};

    #[test]
    fn shapes_that_may_hold_a_secret() {
        for (text, expected) in [
            ("postgres://u:p@h", true),
            ("u:p@h", true),
            ("p@h/db", true),
            ("service/host@REALM", false),
            ("host=h password=p", true),
            ("host=h Password = p", true),
            ("sslpassword=x", true),
            ("-c app.token=1", true),
            ("-----BEGIN PRIVATE KEY-----", true),
            ("password_reader", false),
            ("me@corp", false),
            ("db.example.com", false),
            ("-c statement_timeout=5s", false),
        ] {
            assert_eq!(may_hold_secret(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_only_when_they_resemble_one() {
        for (text, expected) in [
            ("30", "30"),
            ("-1", "-1"),
            ("30 secs", "30 secs"),
            ("1.5.2", "1.5.2"),
            ("hunter2", MASK),
            ("7hunter", MASK),
        ] {
            assert_eq!(shown_number(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_shown_only_when_near() {
        assert_eq!(shown_word("requre", ["require", "prefer"]), "requre");
        assert_eq!(shown_word("hunter2", ["require", "prefer"]), MASK);
    }
}
