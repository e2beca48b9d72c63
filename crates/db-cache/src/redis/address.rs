//! Where a Redis listens.

use super::options::RedisOptionsError;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A host and a port, or a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RedisAddress {
    /// Over the network.
    Tcp {
        /// Its name or number; one of version 6 without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// On this machine.
    Unix(PathBuf),
}

impl RedisAddress {
    /// A host and a port.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// What a node calls another: `host:port`, where the last colon parts, and no host is the node's own.
    pub(crate) fn told_by(&self, text: &str) -> Option<Self> {
        // Behind an @ stands the port of the cluster's own bus, behind a comma a name.
        let text = text.split([',', '@']).next()?;
        let (host, port) = text.rsplit_once(':')?;
        self.neighbour(host, port.parse().ok()?)
    }

    /// The same by its parts.
    pub(crate) fn neighbour(&self, host: &str, port: u16) -> Option<Self> {
        match (self, host) {
            // Before a node has been met by another it does not know its own address.
            (Self::Tcp { host, .. }, "" | "?") => Some(Self::tcp(host.clone(), port)),
            (Self::Unix(_), "" | "?") => None,
            _ => Some(Self::tcp(host.trim_start_matches('[').trim_end_matches(']'), port)),
        }
    }
}

impl FromStr for RedisAddress {
    type Err = RedisOptionsError;

    /// Reads `host`, `host:port` and `[number of version 6]:port`; the port is 6379 otherwise.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What stands before an @ is a login.
        let shown = if text.contains('@') { "***" } else { text };
        let refused = || RedisOptionsError::Address { address: shown.to_owned() };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| refused())?),
            _ => (text, 6379),
        };
        let host = match host.strip_prefix('[') {
            Some(number) => number.strip_suffix(']').ok_or_else(refused)?,
            None if host.contains(':') => return Err(refused()),
            None => host,
        };
        if host.is_empty() || host.contains(['@', '/', ' ']) || port == 0 {
            return Err(refused());
        }
        Ok(Self::tcp(host, port))
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RedisAddress;

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("cache", Some("cache:6379")),
            ("cache:1", Some("cache:1")),
            ("[::1]:7", Some("[::1]:7")),
            ("[::1]", Some("[::1]:6379")),
            ("::1", None),
            ("", None),
            (":7", None),
            ("cache:0", None),
            ("cache:x", None),
            ("user:hunter2@cache:1", None),
        ] {
            let found = text.parse::<RedisAddress>();
            let shown = format!("{found:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(found.ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_node_tells_of_others() {
        let teller = RedisAddress::tcp("10.0.0.1", 6379);
        for (text, expected) in [
            ("10.0.0.2:7000", Some("10.0.0.2:7000")),
            ("::1:7000", Some("[::1]:7000")),
            (":7000", Some("10.0.0.1:7000")),
            ("?:7000", Some("10.0.0.1:7000")),
            ("10.0.0.2:7000@17000,name", Some("10.0.0.2:7000")),
            ("10.0.0.2", None),
            ("", None),
        ] {
            assert_eq!(
                teller.told_by(text).map(|address| address.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
