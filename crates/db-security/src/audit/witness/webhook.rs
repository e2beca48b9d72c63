//! A web server that keeps checkpoints.

use super::{SignedCheckpoint, Witness};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use db_core::{BoxError, Secret};
use std::{fmt, sync::Arc, time::Duration};
use ureq::{
    Agent,
    http::StatusCode,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};
use url::{Host, Url};

/// How long one request may take; less than a sequencer waits for a witness, so that the thread has ended by then.
const DEADLINE: Duration = Duration::from_secs(9);

/// Posts checkpoints to an address, each as the note that it is (`text/plain`). It is kept when the answer is of the 200s; redirects are
/// not followed.
///
/// By `https`, checked against the system's certificate authorities, or by `http` to the machine itself. What stands before an `@` is sent as
/// `authorization: Basic`, or as `Bearer` where there is no user: `https://:<token>@witness.example/checkpoints`.
pub struct WebhookWitness {
    address: Secret,
    /// Scheme, host and port: the rest may hold a secret.
    shown: String,
    authorization: Option<Secret>,
    agent: Agent,
}

impl WebhookWitness {
    /// Posts to this address.
    ///
    /// # Errors
    /// [`WebhookError`], when it is no such address.
    pub fn parse(address: &Secret) -> Result<Self, WebhookError> {
        Self::trusting(address, RootCerts::PlatformVerifier)
    }

    /// Posts to this address, whose certificate must be signed by one of these (PEM) rather than by one that the system trusts.
    ///
    /// # Errors
    /// [`WebhookError`], when it is no such address, or there is no certificate in the text.
    pub fn with_root_certificates(address: &Secret, pem: &[u8]) -> Result<Self, WebhookError> {
        let mut certificates: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|_| WebhookError::NoCertificate)? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(WebhookError::NoCertificate);
        }
        Self::trusting(address, RootCerts::Specific(Arc::new(certificates)))
    }

    fn trusting(address: &Secret, roots: RootCerts) -> Result<Self, WebhookError> {
        let mut url: Url = address.expose().trim().parse().map_err(WebhookError::Address)?;
        let Some(host) = url.host() else { return Err(WebhookError::NoHost) };
        let is_here = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}", url.scheme());
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(WebhookError::Unprotected { shown }),
        }
        let authorization = authorization(&url);
        // It goes by the header, and both are allowed for any URL that has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(crypto).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(DEADLINE))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("cairn/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { address: Secret::new(url.as_str()), shown, authorization, agent: config.new_agent() })
    }
}

/// What is sent for the user and password of an address.
fn authorization(url: &Url) -> Option<Secret> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
    if user.is_empty() && password.is_empty() {
        return None;
    }
    if user.is_empty() {
        return Some(Secret::new(format!("Bearer {}", String::from_utf8_lossy(&password))));
    }
    let both = [user, password].join(&b':');
    Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(both))))
}

#[async_trait]
impl Witness for WebhookWitness {
    fn name(&self) -> &str {
        &self.shown
    }

    /// # Cancel safety
    /// The request goes on until it ends or its nine seconds are over, and may be kept.
    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        let mut request = self.agent.post(self.address.expose()).content_type("text/plain; charset=utf-8");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose());
        }
        let note = checkpoint.note().to_owned();
        let sent = tokio::task::spawn_blocking(move || request.send(note)).await?;
        let at = &self.shown;
        let status = sent.map_err(|source| WebhookError::Unsent { at: at.clone(), source })?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(WebhookError::Refused { at: at.clone(), status }.into())
        }
    }
}

impl fmt::Debug for WebhookWitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookWitness").field("at", &self.shown).finish_non_exhaustive()
    }
}

/// Why a checkpoint cannot be, or was not, kept by a web server. None of these texts holds more of an address than its scheme, host and port.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// It is no URL.
    #[error("the address of the webhook is no URL; it looks like https://witness.example/checkpoints")]
    Address(#[source] url::ParseError),
    /// It is a URL of nothing that could be asked.
    #[error("the address of the webhook names no host; it looks like https://witness.example/checkpoints")]
    NoHost,
    /// Whoever is on the way could answer for the witness.
    #[error("the webhook {shown} is not reached by https: only this machine itself may be by http")]
    Unprotected {
        /// Scheme, host and port.
        shown: String,
    },
    /// There is no certificate in what was given for some.
    #[error("there is no certificate in the PEM text for the webhook")]
    NoCertificate,
    /// It could not be asked.
    #[error("{at} could not be asked")]
    Unsent {
        /// Scheme, host and port.
        at: String,
        /// What was in the way.
        #[source]
        source: ureq::Error,
    },
    /// It has answered, and not that it keeps it.
    #[error("{at} answers {status}")]
    Refused {
        /// Scheme, host and port.
        at: String,
        /// Of HTTP.
        status: StatusCode,
    },
}

#[cfg(test)]
mod tests {
    use super::{WebhookError, WebhookWitness, authorization};
    use crate::audit::Witness as _;
    use db_core::Secret;

    #[test]
    fn an_address_shows_no_more_than_where_it_is() {
        let hidden = "p4ss";
        let address =
            Secret::new(format!("https://me:{hidden}@w.example:8443/hook/{hidden}?token={hidden}#x"));
        let witness = WebhookWitness::parse(&address).expect("an address");
        assert_eq!(witness.name(), "https://w.example:8443");
        assert!(!format!("{witness:?}").contains(hidden), "{witness:?}");
        assert_eq!(witness.address.expose(), format!("https://w.example:8443/hook/{hidden}?token={hidden}"));
    }

    #[test]
    fn who_asks_is_told_in_a_header() {
        let of = |address: &str| {
            let url = address.parse().expect("a URL");
            authorization(&url).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(of("https://w.example/"), None);
        assert_eq!(of("https://a:b%20c@w.example/").as_deref(), Some("Basic YTpiIGM="));
        assert_eq!(of("https://:b%20c@w.example/").as_deref(), Some("Bearer b c"));
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for address in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:9/", "https://w.example"] {
            WebhookWitness::parse(&Secret::new(address)).expect(address);
        }
        for address in
            ["http://w.example/", "ftp://w.example/", "http://localhost.example/", "https:", "hook", "data:x"]
        {
            let refused = WebhookWitness::parse(&Secret::new(address)).expect_err(address);
            let is_why = matches!(
                refused,
                WebhookError::Unprotected { .. } | WebhookError::Address(_) | WebhookError::NoHost
            );
            assert!(is_why, "{address}: {refused}");
        }
        let address = Secret::new("https://w.example");
        let none = WebhookWitness::with_root_certificates(&address, b"no pem").expect_err("no certificate");
        assert!(matches!(none, WebhookError::NoCertificate), "{none}");
    }
}
