//! The number of a migration, and the name of its folder.

use std::fmt;

/// Number of a migration, from 1; written with at least four digits, so that folders sort by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MigrationId(u32);

impl MigrationId {
    /// The migration of this number, or `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Takes a folder name such as `0001_core_tables` apart; `None` when it is not of that form.
    pub(crate) fn parse_folder(folder: &str) -> Option<(Self, &str)> {
        let (digits, name) = folder.split_once('_')?;
        let padded = digits.len() == 4 || (digits.len() > 4 && !digits.starts_with('0'));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !padded || name.is_empty() || !name.bytes().all(plain) {
            return None;
        }
        // `parse` alone would also take a sign.
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some((Self::new(number)?, name))
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::MigrationId;

    #[test]
    fn takes_folder_names_apart() {
        for (folder, expected) in [
            ("0001_core_tables", Some((1, "core_tables"))),
            ("0042_2fa", Some((42, "2fa"))),
            ("12345_x", Some((12345, "x"))),
            ("0000_zero", None),
            ("1_short", None),
            ("00001_long", None),
            ("0001-dash", None),
            ("0001_", None),
            ("0001", None),
            ("0001_Upper", None),
            ("+001_sign", None),
            ("notes", None),
        ] {
            let found = MigrationId::parse_folder(folder).map(|(id, name)| (id.get(), name));
            assert_eq!(found, expected, "{folder}");
        }
    }
}
