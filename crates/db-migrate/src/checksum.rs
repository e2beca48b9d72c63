//! What tells whether a file is still the one that was applied.

use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256 over the text of `up.sql` with its line endings made `\n`, so that a checkout on Windows changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.replace("\r\n", "\n").replace('\r', "\n")).into())
    }

    /// The checksum as the history table holds it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Checksum {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn sees_the_text_and_not_the_line_endings() {
        let unix = Checksum::of("a\nb\n");
        assert_eq!(Checksum::of("a\r\nb\r\n"), unix);
        assert_eq!(Checksum::of("a\rb\r"), unix);
        assert_ne!(Checksum::of("a\nb"), unix);
        assert_eq!(unix.to_string(), "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2");
    }
}
