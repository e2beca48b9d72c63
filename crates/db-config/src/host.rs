//! Where a PostgreSQL server listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name or address and a port.
    Tcp {
        /// A host name, an IPv4 address, or an IPv6 address without brackets.
        name: String,
        /// 1 to 65535.
        port: u16,
    },
    /// The directory of a Unix-domain socket; the port is part of the socket's file name.
    Unix {
        /// An absolute path.
        directory: PathBuf,
        /// 1 to 65535.
        port: u16,
    },
}

impl Host {
    pub(crate) fn new(address: &Address, port: u16) -> Self {
        match address {
            Address::Name(name) => Self::Tcp { name: name.clone(), port },
            Address::Directory(directory) => Self::Unix { directory: directory.clone(), port },
        }
    }

    /// The port, whichever way the server is reached.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } | Self::Unix { port, .. } => *port,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "{name}:{port}"),
            Self::Unix { directory, port } => write!(f, "{}:{port}", directory.display()),
        }
    }
}

/// A host before its port is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Name(String),
    Directory(PathBuf),
}

impl Address {
    /// Parses a host name, an address (IPv6 with or without brackets) or an absolute directory.
    ///
    /// Everything else is refused: a text with `@`, `:` or spaces is a connection string in the wrong place, and may
    /// hold a password.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            let clean =
                text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            return clean.then(|| Self::Directory(PathBuf::from(text)));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Some(Self::Name(bare.to_owned()));
        }
        let clean = (1..=253).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        clean.then(|| Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Directory(directory) => write!(f, "{}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn accepts_names_addresses_and_directories_only() {
        for (text, expected) in [
            ("localhost", Some("localhost")),
            ("db-1.example.com", Some("db-1.example.com")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("::1", Some("::1")),
            ("[fe80::1]", Some("fe80::1")),
            ("/var/run/postgresql", Some("/var/run/postgresql")),
            ("", None),
            ("u:p@h", None),
            ("h:5432", None),
            ("p@h", None),
            ("my host", None),
            ("/tmp/p@ss", None),
            ("-h", None),
        ] {
            assert_eq!(
                Address::parse(text).map(|address| address.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
