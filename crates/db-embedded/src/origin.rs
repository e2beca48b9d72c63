//! Where a server comes from.

use std::{fmt, path::PathBuf};

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Its URL was given.
    Given,
    /// Started from native binaries.
    Native {
        /// The major version.
        major: u32,
        /// The folder with the binaries.
        folder: PathBuf,
    },
    /// Started by another process, which stops it when it ends.
    Joined {
        /// That process.
        owner: u32,
    },
    /// Started in a container.
    Container {
        /// The image with its tag.
        image: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("the server at the given URL"),
            Self::Native { major, folder } => write!(f, "PostgreSQL {major} from {}", folder.display()),
            Self::Joined { owner } => write!(f, "the server of process {owner}"),
            Self::Container { image } => write!(f, "a container of {image}"),
        }
    }
}
