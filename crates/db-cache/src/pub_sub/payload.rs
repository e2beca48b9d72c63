//! What a NOTIFY carries: text of fewer than 8,000 bytes, in which there is a channel's name and a message. Pure.
//!
//! It is the base64 of these bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | random: of two notifications in a transaction that are the same, PostgreSQL sends one |
//! | 8..10 | length of the name, little-endian |
//! | 10.. | the name, then the message |

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use db_core::PubSubLimits;

const HEAD_BYTES: usize = 10;

/// 7,999 letters of base64 hold 5,999 bytes.
pub(super) const LIMITS: PubSubLimits = PubSubLimits { channel_bytes: 255, message_bytes: 5_700 };

/// Both must be within the limits.
pub(super) fn write(random: u64, channel: &str, message: &[u8]) -> String {
    let length = u16::try_from(channel.len()).unwrap_or(u16::MAX);
    let bytes = [&random.to_le_bytes()[..], &length.to_le_bytes(), channel.as_bytes(), message].concat();
    STANDARD_NO_PAD.encode(bytes)
}

/// `None` for what is none of ours.
pub(super) fn read(text: &str) -> Option<(String, Vec<u8>)> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u16::from_le_bytes(*head.last_chunk()?);
    let (channel, message) = rest.split_at_checked(length.into())?;
    Some((str::from_utf8(channel).ok()?.to_owned(), message.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::{LIMITS, read, write};
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

    #[test]
    fn the_longest_fits() {
        let text = write(u64::MAX, &"c".repeat(LIMITS.channel_bytes), &vec![255; LIMITS.message_bytes]);
        assert!(text.len() < 8_000, "{}", text.len());
        assert!(read(&text).is_some());
    }

    #[test]
    fn what_is_none_of_ours_is_told() {
        for text in ["", "hello", "AAAAAAAAAAAAAA", "AAAAAAAAAAABAA", "AAAAAAAAAAABAP8", "=", "ü"] {
            let expected = (text == "AAAAAAAAAAAAAA").then(|| (String::new(), Vec::new()));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back_as_it_was(random: u64, channel in ".{0,60}", message in vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(read(&write(random, &channel, &message)), Some((channel, message)));
        }
    }
}
