//! Where a page of a search ends, as text.
//!
//! It is not signed: whoever makes one up sees what the same search would have shown them from there.

use super::{Search, SearchOrder};
use crate::audit::Error;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A place in the order of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) id: Uuid,
}

const VERSION: u8 = 1;
/// Version, what it belongs to, time, number, and a sum against slips of the hand.
const LENGTH: usize = 1 + 8 + 8 + 16 + 4;

impl Position {
    pub(super) fn to_cursor(self, of: &Search) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(fingerprint(of));
        bytes.extend(self.occurred_at.timestamp_micros().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        let sum = Sha256::digest(&bytes);
        bytes.extend(&sum[..4]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`Error::Cursor`] for what is none, or another search's.
    pub(super) fn of_cursor(text: &str, of: &Search) -> Result<Self, Error> {
        let no_cursor = || Error::Cursor { reason: "it was cut or mistyped" };
        // A longer text is not looked at.
        let bytes = if text.len() > 2 * LENGTH { None } else { URL_SAFE_NO_PAD.decode(text).ok() };
        let bytes: [u8; LENGTH] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(no_cursor)?;
        let (body, sum) = bytes.split_at(LENGTH - 4);
        if Sha256::digest(body)[..4] != *sum || body[0] != VERSION {
            return Err(no_cursor());
        }
        if body[1..9] != fingerprint(of) {
            return Err(Error::Cursor { reason: "it belongs to another search" });
        }
        let micros = body[9..17].first_chunk().copied().map_or(0, i64::from_be_bytes);
        let occurred_at = DateTime::from_timestamp_micros(micros).ok_or_else(no_cursor)?;
        let id = Uuid::from_slice(&body[17..33]).map_err(|_| no_cursor())?;
        Ok(Self { occurred_at, id })
    }

    /// Whether the other stands behind it.
    pub(super) fn is_before(self, other: Self, order: SearchOrder) -> bool {
        let (one, two) = ((self.occurred_at, self.id), (other.occurred_at, other.id));
        match order {
            SearchOrder::NewestFirst => one > two,
            SearchOrder::OldestFirst => one < two,
        }
    }
}

/// Tells a search from others, whatever the size of its pages.
fn fingerprint(of: &Search) -> [u8; 8] {
    let text = serde_json::to_vec(of).unwrap_or_default();
    let hash = Sha256::digest(text);
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Position;
    use crate::audit::{Error, Search, SearchOrder};
    use chrono::DateTime;
    use uuid::Uuid;

    #[test]
    fn a_cursor_is_good_for_its_own_search_only() {
        let search = Search::new().actor("ann");
        let at = DateTime::from_timestamp_micros(1_763_769_600_123_456).expect("a time");
        let position = Position { occurred_at: at, id: Uuid::from_bytes([7; 16]) };
        let cursor = position.to_cursor(&search);
        assert_eq!(Position::of_cursor(&cursor, &search).expect("its own"), position);
        assert_eq!(Position::of_cursor(&cursor, &search.clone().limit(7)).expect("its own"), position);
        for other in
            [Search::new(), Search::new().actor("bob"), search.clone().order(SearchOrder::OldestFirst)]
        {
            let refused = Position::of_cursor(&cursor, &other);
            assert!(
                matches!(refused, Err(Error::Cursor { reason: "it belongs to another search" })),
                "{refused:?}"
            );
        }
        for at in 0..cursor.len() {
            let mut altered = cursor.clone();
            altered.replace_range(at..=at, if &cursor[at..=at] == "A" { "B" } else { "A" });
            assert!(Position::of_cursor(&altered, &search).is_err(), "letter {at}");
        }
        for text in ["", "x", &cursor[1..], &"A".repeat(10_000)] {
            assert!(Position::of_cursor(text, &search).is_err(), "{text}");
        }
    }
}
