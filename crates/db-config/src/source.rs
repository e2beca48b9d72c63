//! Where a value came from.

use crate::{Environment, Profile};
use std::fmt;
use std::path::PathBuf;

/// The place at which a value was given; its text names that place and never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Nobody gave it.
    Default {
        /// The environment whose default it is.
        environment: Environment,
        /// The workload profile whose default it is.
        profile: Profile,
        /// The key that was given and to which this default had to yield.
        fitted_to: Option<&'static str>,
    },
    /// A YAML or TOML file.
    File {
        /// The file as it was named to the loader.
        path: PathBuf,
        /// The key inside it, sections joined by dots; empty for the file as a whole.
        key: String,
        /// The line, where the parser tells it.
        line: Option<usize>,
    },
    /// A `.env` file.
    Dotenv {
        /// The file as it was named to the loader.
        path: PathBuf,
        /// The variable; empty when the line holds none.
        name: String,
        /// The line on which it starts; 0 for the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
    },
    /// [`Loader::set`](crate::Loader::set) and the loader's other methods.
    Code {
        /// The key that was set.
        key: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { environment, profile, fitted_to } => {
                write!(f, "default ({environment}, {profile})")?;
                fitted_to.map_or(Ok(()), |key| write!(f, ", fitted to {key}"))
            }
            Self::File { path, key, line } => {
                write!(f, "{}", path.display())?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
                if key.is_empty() { Ok(()) } else { write!(f, " {key}") }
            }
            Self::Dotenv { path, name, line } => {
                write!(f, "{}", path.display())?;
                if *line > 0 {
                    write!(f, ":{line}")?;
                }
                if name.is_empty() { Ok(()) } else { write!(f, " {name}") }
            }
            Self::Variable { name } => write!(f, "environment variable {name}"),
            Self::Code { key } => write!(f, "set in code {key}"),
        }
    }
}
