//! Certificates and keys: where they are, or what they say.

use db_core::Secret;
use sqlx::postgres::PgConnectOptions;
use std::path::PathBuf;

/// A certificate or a key in PEM form.
#[derive(Clone, Debug)]
pub enum PemSource {
    /// In this file.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

impl From<PathBuf> for PemSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// What vouches for the server, and for us. Sessions have it in their options, which do not tell it again; `pg_dump` is
/// told by this.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(feature = "backup"),
    expect(dead_code, reason = "only a backup starts programs that ask for it")
)]
pub(crate) struct Certificates {
    pub(crate) root: Option<PemSource>,
    pub(crate) certificate: Option<PemSource>,
    pub(crate) key: Option<PemSource>,
}

#[cfg(feature = "backup")]
impl Certificates {
    /// By the names of libpq's variables, each of which takes a file.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &PemSource)> {
        let all = [("PGSSLROOTCERT", &self.root), ("PGSSLCERT", &self.certificate), ("PGSSLKEY", &self.key)];
        all.into_iter().filter_map(|(name, source)| Some((name, source.as_ref()?)))
    }
}

pub(crate) fn with_root(options: PgConnectOptions, root: &PemSource) -> PgConnectOptions {
    match root {
        PemSource::File(path) => options.ssl_root_cert(path),
        PemSource::Text(text) => options.ssl_root_cert_from_pem(text.expose().as_bytes().to_vec()),
    }
}

pub(crate) fn with_client(
    options: PgConnectOptions,
    certificate: &PemSource,
    key: &PemSource,
) -> PgConnectOptions {
    let options = match certificate {
        PemSource::File(path) => options.ssl_client_cert(path),
        PemSource::Text(text) => options.ssl_client_cert_from_pem(text.expose()),
    };
    match key {
        PemSource::File(path) => options.ssl_client_key(path),
        PemSource::Text(text) => options.ssl_client_key_from_pem(text.expose()),
    }
}
