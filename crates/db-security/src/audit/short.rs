//! Names of bounded length: an index holds no text of more than a third of a page, and one long name must not stop the log.

use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, fmt::Write as _};

/// Bytes of the longest name that stands in the log as it is.
pub(crate) const MAX_BYTES: usize = 1_000;
/// Characters that are left of a longer one.
const LEFT: usize = 200;

/// A name as it stands in the log: a longer one is its beginning, three dots and the SHA-256 of all of it, in hexadecimal.
pub(crate) fn short(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_BYTES {
        return Cow::Borrowed(name);
    }
    let mut short: String = name.chars().take(LEFT).collect();
    short.push_str("...");
    for byte in Sha256::digest(name) {
        let _ = write!(short, "{byte:02x}");
    }
    Cow::Owned(short)
}

/// The same in SQL.
pub(crate) fn short_sql(column: &str) -> String {
    format!(
        "CASE WHEN octet_length({column}) > {MAX_BYTES} THEN left({column}, {LEFT}) || '...' || \
         encode(sha256(convert_to({column}, 'UTF8')), 'hex') ELSE {column} END"
    )
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, short};

    #[test]
    fn only_what_is_too_long_is_cut_and_stays_what_it_was_told_from() {
        let longest = "é".repeat(MAX_BYTES / 2);
        assert_eq!(short(&longest), longest);
        let (one, two) = (format!("{longest}1"), format!("{longest}2"));
        assert!(short(&one).len() < MAX_BYTES && short(&one).starts_with("éé"));
        assert_ne!(short(&one), short(&two));
        assert_eq!(short(&short(&one)), short(&one));
    }
}
