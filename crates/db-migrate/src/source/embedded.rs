//! Migrations that were compiled into the program.

use super::draft::{Draft, Text};
use crate::MigrationId;

/// One migration folder as a build script embeds it: its name and the text of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Name of the folder, such as `0001_core_tables`.
    pub folder: &'static str,
    /// Text of `up.sql`.
    pub up: &'static str,
    /// Text of `down.sql`, if there is one.
    pub down: Option<&'static str>,
    /// Text of `meta.toml`, if there is one.
    pub meta: Option<&'static str>,
}

impl Embedded {
    /// `None` when the folder's name is not of the form `0001_core_tables`.
    pub(super) fn draft(&self) -> Option<Draft> {
        let (id, name) = MigrationId::parse_folder(self.folder)?;
        let text = |file: &str, sql: &str| Text {
            file: format!("{}/{file}", self.folder),
            line: 1,
            sql: sql.to_owned(),
            original: None,
        };
        Some(Draft {
            version: id.to_string(),
            name: name.to_owned(),
            label: self.folder.to_owned(),
            up: Some(text("up.sql", self.up)),
            down: self.down.map(|sql| text("down.sql", sql)),
            meta: Some(self.meta.unwrap_or_default().to_owned()),
            ..Draft::default()
        })
    }
}
