//! Names of columns and fields whose values are not shown.

use super::patterns::SECRET_NAMES;
use regex::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

/// Names that say by themselves that their values are secret, as a whole or at the end: `db_password`, `api-key`.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(?:^|[_.\s-]|\b)(?i-u:{SECRET_NAMES}|pass|hash|salt|ssn|iban|card[_-]?number|cvc|cvv)(?i-u:s?)$"
    ))
    .expect("a form of this program's own")
});

#[cfg(test)]
pub(super) fn form() -> &'static str {
    SECRET.as_str()
}

/// Names of columns and fields whose values are not shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    named: BTreeSet<String>,
}

impl Tags {
    pub(super) fn add(&mut self, name: &str) {
        self.named.insert(name.to_ascii_lowercase());
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains(&name.to_ascii_lowercase()) || SECRET.is_match(name)
    }
}
