//! What identifies a migration.

use std::fmt;

/// Version of a migration as its format writes it: `0001`, `20240101120000`, `1.2`, `R__views`, `20240101_init`.
///
/// It says nothing of the order, which the format gives.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MigrationId(Box<str>);

/// Longer than any that a tool writes, and short enough for an index.
const MAX_BYTES: usize = 400;

impl MigrationId {
    /// The migration of this version, or `None` when the text is empty, longer than 400 bytes, or has control characters.
    #[must_use]
    pub fn new(version: &str) -> Option<Self> {
        let sound =
            !version.is_empty() && version.len() <= MAX_BYTES && !version.chars().any(char::is_control);
        sound.then(|| Self(version.into()))
    }

    /// Of our own format: written with at least four digits, so that folders sort by number.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self(format!("{number:04}").into())
    }

    /// The version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether somebody who typed this means it: as it is written, or the same numbers (`3` for `0003`, `1.2` for
    /// `1_02`).
    #[must_use]
    pub fn is_meant_by(&self, typed: &str) -> bool {
        VersionKey::of(&self.0) == VersionKey::of(typed)
    }

    /// The number of our own format, if it is one.
    pub(crate) fn number(&self) -> Option<u32> {
        self.0.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.0.parse().ok())?
    }

    /// Takes a folder name of our own format such as `0001_core_tables` apart; `None` when it is not of that form.
    pub(crate) fn parse_folder(folder: &str) -> Option<(Self, &str)> {
        let (digits, name) = folder.split_once('_')?;
        let padded = digits.len() == 4 || (digits.len() > 4 && !digits.starts_with('0'));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !padded || name.is_empty() || !name.bytes().all(plain) {
            return None;
        }
        // `parse` alone would also take a sign.
        let number: u32 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        (number > 0).then(|| (Self::numbered(number), name))
    }
}

/// What two ways to write a version have in common, in the order of versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum VersionKey {
    /// The numbers between dots and underscores, without zeros at the end.
    Numbers(Vec<u128>),
    /// All of it, where something else is between them.
    Text(Box<str>),
}

impl VersionKey {
    pub(crate) fn of(version: &str) -> Self {
        let numbers: Option<Vec<u128>> = version.split(['.', '_']).map(|part| part.parse().ok()).collect();
        let Some(mut numbers) = numbers else { return Self::Text(version.into()) };
        while numbers.len() > 1 && numbers.last() == Some(&0) {
            numbers.pop();
        }
        Self::Numbers(numbers)
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::MigrationId;

    #[test]
    fn takes_folder_names_apart() {
        for (folder, expected) in [
            ("0001_core_tables", Some(("0001", "core_tables"))),
            ("0042_2fa", Some(("0042", "2fa"))),
            ("12345_x", Some(("12345", "x"))),
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
            let found = MigrationId::parse_folder(folder);
            let found = found.as_ref().map(|(id, name)| (id.as_str(), *name));
            assert_eq!(found, expected, "{folder}");
        }
    }

    #[test]
    fn is_meant_by_its_number() {
        for (id, typed, expected) in [
            ("0003", "3", true),
            ("0003", "0003", true),
            ("0003", "30", false),
            ("1.2", "1_02", true),
            ("1.0", "1", true),
            ("R__views", "R__views", true),
            ("R__views", "views", false),
            ("0003", "", false),
        ] {
            assert_eq!(MigrationId::new(id).expect("sound").is_meant_by(typed), expected, "{id} {typed}");
        }
        assert_eq!(MigrationId::new("a\nb"), None);
        assert_eq!(MigrationId::new(""), None);
    }
}
