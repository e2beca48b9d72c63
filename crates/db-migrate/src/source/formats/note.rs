//! What is worth saying about migration files that can be used all the same.

use super::Format;
use std::fmt;

/// A remark about the files; nothing is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The file or folder, relative to the directory; empty for the directory itself.
    pub file: String,
    /// What there is to say.
    pub text: String,
}

impl Note {
    pub(crate) fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// The tool passes over the file without a word, which its author may not know.
    pub(crate) fn ignored(file: &str, format: Format) -> Self {
        Self::new(file, format!("ignored, as {format} does: its names are like {}", format.form()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_str() {
            "" => f.write_str(&self.text),
            file => write!(f, "{file}: {}", self.text),
        }
    }
}
