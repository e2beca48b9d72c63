//! Who asks.

use crate::access::{AttributeName, Problem, literal::is_text};
use std::{collections::BTreeMap, fmt};

/// Who asks: a role, and attributes of whoever acts in it.
///
/// In a session the role is PostgreSQL's own (`set_config('role', ..)`), and an attribute is the setting
/// `cairn.subject.<name>`; [`settings`](Self::settings) gives both.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    role: String,
    attributes: BTreeMap<AttributeName, String>,
}

impl Subject {
    /// A subject of a role, without attributes.
    #[must_use]
    pub fn new(role: &str) -> Self {
        Self { role: role.to_owned(), attributes: BTreeMap::new() }
    }

    /// The same with an attribute. An empty value is as good as none: PostgreSQL cannot tell a setting that was reset from
    /// an empty one.
    ///
    /// # Errors
    /// [`Problem::Name`] for a name that no attribute has; [`Problem::Value`] for a value with a NUL.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, Problem> {
        let name = AttributeName::parse(name)?;
        if !is_text(value) {
            return Err(Problem::Value { key: "attribute", reason: "it holds a NUL".to_owned() });
        }
        self.attributes.insert(name, value.to_owned());
        Ok(self)
    }

    /// Its role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// An attribute; `None` where there is none, or an empty one.
    #[must_use]
    pub fn attribute(&self, name: &AttributeName) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What a session must be set to before it works for the subject: names of settings and their values, the role first.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, &str)> {
        let attributes = self.attributes.iter().map(|(name, value)| (name.setting(), value.as_str()));
        std::iter::once(("role".to_owned(), self.role.as_str())).chain(attributes).collect()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the values: they are somebody's data.
        let names: Vec<&str> = self.attributes.keys().map(AttributeName::as_str).collect();
        f.debug_struct("Subject").field("role", &self.role).field("attributes", &names).finish()
    }
}
