//! A certificate or key: where it lies, or its text.

use crate::mask;
use db_core::Secret;
use std::path::PathBuf;

/// PEM material, by file or in place.
///
/// The Node.js programs whose variables are taken over put the text itself into `DB_SSL_CA`, `DB_SSL_CERT` and
/// `DB_SSL_KEY`; libpq takes paths. Both work.
#[derive(Clone, Debug)]
pub enum Pem {
    /// A file in PEM format, read by whoever connects.
    File(PathBuf),
    /// The PEM text; a secret, since it may be a private key.
    Text(Secret),
}

impl Pem {
    /// Text with a PEM header is the material itself (`\n` written as two characters is accepted, since many places
    /// cannot hold line breaks); anything else is a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains("-----BEGIN") {
            return Some(Self::Text(Secret::new(text.replace("\\n", "\n"))));
        }
        let plain = !text.is_empty() && !text.contains(char::is_control) && !mask::may_hold_secret(text);
        plain.then(|| Self::File(PathBuf::from(text)))
    }

    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => mask::shown(&path.display().to_string()),
            Self::Text(_) => format!("{} (PEM text)", mask::MASK),
        }
    }

    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => one.expose() == two.expose(),
            _ => false,
        }
    }
}
