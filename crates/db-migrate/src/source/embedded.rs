//! Migrations that were compiled into the program.

use super::check::Folder;

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

impl From<&Embedded> for Folder {
    fn from(item: &Embedded) -> Self {
        Self {
            name: item.folder.to_owned(),
            up: Some(item.up.to_owned()),
            down: item.down.map(str::to_owned),
            meta: item.meta.map(str::to_owned),
        }
    }
}
