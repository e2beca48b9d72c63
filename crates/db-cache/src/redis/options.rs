//! What a Redis store needs to know: where the servers are, how many connections, how long each wait may take.

use super::{address::RedisAddress, breaker::BreakerLimits};
use db_core::Secret;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a Redis is and how it is asked. Passwords in it are in no `Debug`, and in no error.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(crate) servers: Servers,
    pub(crate) login: Login,
    pub(crate) database: u32,
    pub(crate) tls: Tls,
    pub(crate) max_connections: NonZeroU32,
    pub(crate) command_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) breaker: BreakerLimits,
}

#[derive(Clone, Debug)]
pub(crate) enum Servers {
    Single(RedisAddress),
    /// The master is whoever they say.
    Sentinel {
        sentinels: Vec<RedisAddress>,
        master: String,
        login: Login,
    },
    /// Any of its nodes; the others are learnt from them.
    Cluster {
        seeds: Vec<RedisAddress>,
    },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

#[derive(Clone, Debug)]
pub(crate) enum Tls {
    Off,
    /// The certificate must be by one of these authorities (PEM), or by one of the machine's.
    On {
        ca: Option<String>,
    },
}

/// Options that say nothing that can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOptionsError {
    /// The URL is none; nothing of it is told, for there may be a password in it.
    #[error("not a URL of Redis ({reason}): write redis://user:password@host:port/number")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An address is none.
    #[error("{address} is not a host and a port")]
    Address {
        /// The address, unless it may hold a password.
        address: String,
    },
    /// An authority's certificate cannot be read.
    #[error("the certificates of {path} cannot be read")]
    ReadCa {
        /// Their file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate is none, or the option is given without TLS.
    #[error("certificates of authorities: {reason}")]
    Ca {
        /// What is wrong.
        reason: String,
    },
    /// Two options that exclude each other.
    #[error("{what}")]
    Conflict {
        /// Which, and why.
        what: &'static str,
    },
}

impl RedisOptions {
    /// One server, by a URL: `redis://`, `rediss://` (TLS, feature `redis-tls`) or `redis+unix://` and a path. Defaults:
    /// at most 4 connections, 250 ms for a command, 1 s to connect.
    ///
    /// # Errors
    /// [`RedisOptionsError::Url`]; parameters are refused, as none would be heeded.
    pub fn from_url(url: &Secret) -> Result<Self, RedisOptionsError> {
        let refused = |reason| RedisOptionsError::Url { reason };
        let parsed = redis::parse_redis_url(url.expose()).ok_or_else(|| refused("no such form"))?;
        let tls = match parsed.scheme() {
            "redis" | "redis+unix" => Tls::Off,
            "rediss" if cfg!(feature = "redis-tls") => Tls::On { ca: None },
            "rediss" => {
                return Err(refused("this program was built without TLS to Redis, feature redis-tls"));
            }
            _ => return Err(refused("the scheme is none of redis, rediss and redis+unix")),
        };
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refused("it has parameters"));
        }
        let info = parsed.into_connection_info().map_err(|_| refused("host, path or number"))?;
        let settings = info.redis_settings();
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                RedisAddress::tcp(host.clone(), *port)
            }
            ConnectionAddr::Unix(path) => RedisAddress::Unix(path.clone()),
            _ => return Err(refused("the address")),
        };
        Ok(Self {
            servers: Servers::Single(address),
            login: Login {
                user: settings.username().map(str::to_owned),
                password: settings.password().map(Secret::from),
            },
            database: u32::try_from(settings.db()).map_err(|_| refused("the database is no number"))?,
            tls,
            max_connections: NonZeroU32::new(4).expect("four is not zero"),
            command_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(1),
            breaker: BreakerLimits::default(),
        })
    }

    /// The URL is of one node of a cluster; `others` are more, for when that one is away.
    #[must_use]
    pub fn cluster(mut self, others: impl IntoIterator<Item = RedisAddress>) -> Self {
        self.servers = Servers::Cluster { seeds: self.servers.and(others) };
        self
    }

    /// The URL is of one Sentinel, its login that of the servers; `others` are more Sentinels. The server is whichever
    /// they call the master by that name.
    #[must_use]
    pub fn sentinel(mut self, master: &str, others: impl IntoIterator<Item = RedisAddress>) -> Self {
        let sentinels = self.servers.and(others);
        self.servers = Servers::Sentinel { sentinels, master: master.to_owned(), login: Login::default() };
        self
    }

    /// The Sentinels' own login, where they have one. Without Sentinels it does nothing.
    #[must_use]
    pub fn sentinel_login(mut self, name: Option<&str>, secret: Secret) -> Self {
        if let Servers::Sentinel { login, .. } = &mut self.servers {
            *login = Login { user: name.map(str::to_owned), password: Some(secret) };
        }
        self
    }

    /// Trusts these authorities (PEM), and no others.
    ///
    /// # Errors
    /// [`RedisOptionsError::Ca`] when there is no certificate in it, or the URL demands no TLS.
    pub fn ca(mut self, pem: &str) -> Result<Self, RedisOptionsError> {
        let refused = |reason: &str| Err(RedisOptionsError::Ca { reason: reason.to_owned() });
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return refused("there is none in the text");
        }
        let Tls::On { ca } = &mut self.tls else { return refused("the URL demands no TLS, by rediss://") };
        *ca = Some(pem.to_owned());
        self.info(&RedisAddress::tcp("ca", 1), &Login::default(), 0)?;
        Ok(self)
    }

    /// The same from a file, which is read now.
    ///
    /// # Errors
    /// [`RedisOptionsError::ReadCa`] when it cannot be read, else those of [`RedisOptions::ca`].
    pub fn ca_file(self, path: &Path) -> Result<Self, RedisOptionsError> {
        let read = std::fs::read_to_string(path);
        let pem = read.map_err(|source| RedisOptionsError::ReadCa { path: path.to_owned(), source })?;
        self.ca(&pem)
    }

    /// The most connections to each server. Commands share them, so that a few are enough; more than one only where
    /// one is busy.
    #[must_use]
    pub fn max_connections(mut self, most: NonZeroU32) -> Self {
        self.max_connections = most;
        self
    }

    /// How long a command may take, from the call to the answer; one round trip of a `clear`.
    #[must_use]
    pub fn command_timeout(mut self, most: Duration) -> Self {
        self.command_timeout = most;
        self
    }

    /// How long a connection may take to come about; no command waits longer than its own time for it.
    #[must_use]
    pub fn connect_timeout(mut self, most: Duration) -> Self {
        self.connect_timeout = most;
        self
    }

    /// When a server is not asked at all.
    #[must_use]
    pub fn breaker(mut self, limits: BreakerLimits) -> Self {
        self.breaker = limits;
        self
    }

    pub(crate) fn check(&self) -> Result<(), RedisOptionsError> {
        let conflict = |what| Err(RedisOptionsError::Conflict { what });
        match &self.servers {
            Servers::Cluster { .. } if self.database != 0 => conflict("a cluster has database 0 only"),
            Servers::Cluster { seeds } if seeds.iter().any(|seed| matches!(seed, RedisAddress::Unix(_))) => {
                conflict("the nodes of a cluster are reached by TCP only")
            }
            Servers::Sentinel { master, .. } if master.is_empty() => conflict("the master has no name"),
            _ => Ok(()),
        }
    }

    /// As the driver wants it.
    pub(crate) fn info(
        &self,
        address: &RedisAddress,
        login: &Login,
        database: u32,
    ) -> Result<ConnectionInfo, RedisOptionsError> {
        let mut settings = RedisConnectionInfo::default().set_db(i64::from(database));
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password.expose());
        }
        let plain = match (address, &self.tls) {
            (RedisAddress::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
            (RedisAddress::Tcp { host, port }, Tls::Off) => ConnectionAddr::Tcp(host.clone(), *port),
            (RedisAddress::Tcp { host, port }, Tls::On { .. }) => {
                choose_cryptography();
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
        };
        let refused = |_| RedisOptionsError::Address { address: address.to_string() };
        let info = plain.into_connection_info().map_err(refused)?;
        // Nagle's algorithm would keep commands back until others are answered.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_tcp_settings(tcp).set_redis_settings(settings);
        match &self.tls {
            Tls::On { ca: Some(pem) } if matches!(address, RedisAddress::Tcp { .. }) => trusting(info, pem),
            _ => Ok(info),
        }
    }
}

/// The driver takes what the process has chosen, and panics where two are to choose from and none is.
fn choose_cryptography() {
    #[cfg(feature = "redis-tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may choose at the same time, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(feature = "redis-tls")]
fn trusting(info: ConnectionInfo, pem: &str) -> Result<ConnectionInfo, RedisOptionsError> {
    let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.as_bytes().to_vec()) };
    redis::Client::build_with_tls(info, certificates)
        .map(|client| client.get_connection_info().clone())
        .map_err(|error| RedisOptionsError::Ca { reason: error.to_string() })
}

#[cfg(not(feature = "redis-tls"))]
fn trusting(info: ConnectionInfo, _pem: &str) -> Result<ConnectionInfo, RedisOptionsError> {
    // Without the feature no URL turns TLS on.
    Ok(info)
}

impl Servers {
    fn and(&self, others: impl IntoIterator<Item = RedisAddress>) -> Vec<RedisAddress> {
        let mut all = match self {
            Self::Single(address) => vec![address.clone()],
            Self::Sentinel { sentinels: all, .. } | Self::Cluster { seeds: all } => all.clone(),
        };
        all.extend(others);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{RedisOptions, Secret, Servers, Tls};

    fn told(url: &str) -> Option<String> {
        let options = RedisOptions::from_url(&Secret::from(url));
        let shown =
            options.as_ref().map_or_else(|error| format!("{error} {error:?}"), |it| format!("{it:?}"));
        assert!(!shown.contains("hunter2"), "{url}: {shown}");
        let options = options.ok()?;
        let Servers::Single(address) = &options.servers else { panic!("{options:?}") };
        let tls = if matches!(options.tls, Tls::On { .. }) { " tls" } else { "" };
        let user = options.login.user.unwrap_or_default();
        let secret = options.login.password.map_or_else(String::new, |secret| secret.expose().to_owned());
        Some(format!("{user}/{secret}@{address}/{}{tls}", options.database))
    }

    #[test]
    fn urls_are_read_and_no_secret_is_shown() {
        for (url, expected) in [
            ("redis://localhost", Some("/@localhost:6379/0")),
            ("redis://h:1/3", Some("/@h:1/3")),
            ("redis://u:hunter2@h", Some("u/hunter2@h:6379/0")),
            ("redis://:hunter2%40x@[::1]:7", Some("/hunter2@x@[::1]:7/0")),
            ("redis+unix:///tmp/r.sock", Some("/@/tmp/r.sock/0")),
            ("redis://u:hunter2", None),
            ("redis://h/hunter2", None),
            ("redis://h/-1", None),
            ("redis://h?password=hunter2", None),
            ("redis://u:hunter2@h#insecure", None),
            ("http://u:hunter2@h", None),
            ("hunter2", None),
            ("", None),
        ] {
            assert_eq!(told(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn tls_is_a_feature() {
        let expected = cfg!(feature = "redis-tls").then_some("/hunter2@h:6379/2 tls");
        assert_eq!(told("rediss://:hunter2@h/2").as_deref(), expected);
        assert_eq!(told("rediss://:hunter2@h/2#insecure"), None);
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let options = |url: &str| RedisOptions::from_url(&Secret::from(url)).expect("a URL");
        assert!(options("redis://h/1").cluster([]).check().is_err());
        assert!(options("redis+unix:///s").cluster([]).check().is_err());
        assert!(options("redis://h").sentinel("", []).check().is_err());
        assert!(options("redis://h").sentinel("main", []).check().is_ok());
        let error = options("redis://h").ca("-----BEGIN CERTIFICATE-----").expect_err("no TLS");
        assert!(error.to_string().contains("rediss"), "{error}");
        assert!(options("redis://h").ca("nothing").is_err());
        assert!(options("redis://h").ca_file("/nowhere.pem".as_ref()).is_err());
    }
}
