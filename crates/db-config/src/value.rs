//! A parsed value of one key, and what of it may be printed.

use crate::host::Address;
use crate::{Host, Pem, mask, span};
use db_core::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// The value behind a key; which variant is decided by the key's [`Kind`](crate::schema::Kind).
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Secret(Secret),
    Word(&'static str),
    Flag(bool),
    Count(u32),
    /// `None` is "off".
    Span(Option<Duration>),
    Addresses(Vec<Address>),
    Ports(Vec<u16>),
    Path(PathBuf),
    Pem(Pem),
    /// Program and arguments; an argument may be a secret.
    Command(Vec<Secret>),
    Replicas(Vec<ReplicaAddress>),
    Redis(RedisUrl),
}

/// A replica as it was written; what it leaves out is the primary's.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaAddress {
    pub(crate) address: Address,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// A Redis URL and the part of it that may be shown.
#[derive(Clone, Debug)]
pub(crate) struct RedisUrl {
    pub(crate) url: Secret,
    pub(crate) masked: String,
    pub(crate) tls: bool,
}

impl Value {
    /// The value for a reader.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => mask::shown(text),
            Self::Secret(_) => mask::MASK.to_owned(),
            Self::Word(word) => (*word).to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Span(span) => span.map_or_else(|| "off".to_owned(), span::render),
            Self::Addresses(addresses) => joined(addresses),
            Self::Ports(ports) => joined(ports),
            Self::Path(path) => mask::shown(&path.display().to_string()),
            Self::Pem(pem) => pem.shown(),
            Self::Command(words) => shown_command(words),
            Self::Replicas(replicas) => {
                joined(&replicas.iter().map(ReplicaAddress::shown).collect::<Vec<_>>())
            }
            Self::Redis(redis) => redis.masked.clone(),
        }
    }

    /// Whether two values mean the same. Compares secrets too, so it says no more than yes or no.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(two)) => one.expose() == two.expose(),
            (Self::Pem(one), Self::Pem(two)) => one.agrees(two),
            (Self::Command(one), Self::Command(two)) => same(one, two, |a, b| a.expose() == b.expose()),
            (Self::Replicas(one), Self::Replicas(two)) => same(one, two, ReplicaAddress::agrees),
            (Self::Redis(one), Self::Redis(two)) => one.url.expose() == two.url.expose(),
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Path(one), Self::Path(two)) => one == two,
            // What remains is shown whole.
            _ => self.shown() == other.shown(),
        }
    }
}

impl ReplicaAddress {
    pub(crate) fn shown(&self) -> String {
        let credentials = match (&self.user, &self.password) {
            (Some(user), Some(_)) => format!("{}:{}@", mask::shown(user), mask::MASK),
            (Some(user), None) => format!("{}@", mask::shown(user)),
            (None, _) => String::new(),
        };
        let database =
            self.database.as_deref().map(|name| format!("/{}", mask::shown(name))).unwrap_or_default();
        format!("{credentials}{}{database}", Host::new(&self.address, self.port))
    }

    fn agrees(&self, other: &Self) -> bool {
        let password = |replica: &Self| replica.password.as_ref().map(|secret| secret.expose().to_owned());
        (&self.address, self.port, &self.database, &self.user)
            == (&other.address, other.port, &other.database, &other.user)
            && password(self) == password(other)
    }
}

/// The program when it is a plain absolute path; anything else may be a password that was put into the wrong place.
fn shown_command(words: &[Secret]) -> String {
    let program = words.first().map_or("", |word| word.expose());
    let plain =
        program.starts_with('/') && program.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    let program = if plain { mask::shown(program) } else { mask::MASK.to_owned() };
    match words.len() {
        0 | 1 => program,
        count => format!("{program} ({} arguments hidden)", count - 1),
    }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn same<T>(one: &[T], two: &[T], agrees: impl Fn(&T, &T) -> bool) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(a, b)| agrees(a, b))
}
