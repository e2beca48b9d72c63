//! TLS from the configuration to the server: each mode against certificates that fit, and that do not.

use crate::own_server::OwnServer;
use db_facade::{Database, db_config::Loader};
use db_testkit::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::{error::Error, path::Path};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A certificate and its key in PEM: for these hosts, or of this user.
fn certificate(by: &Authority, hosts: &[&str], name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, by).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// Has the server show this certificate.
async fn show(server: &OwnServer, (certificate, key): &(String, String), clients: &Authority) {
    let certificate = server.put("test.crt", certificate);
    let key = server.put("test.key", key);
    let clients = server.put("clients.crt", &clients.pem());
    let text = |path: &Path| path.display().to_string();
    for (setting, value) in
        [("ssl_cert_file", text(&certificate)), ("ssl_key_file", text(&key)), ("ssl_ca_file", text(&clients))]
    {
        server.run(&format!("ALTER SYSTEM SET {setting} = '{value}'")).await;
    }
    server.run("ALTER SYSTEM SET ssl = on").await;
    server.run("SELECT pg_reload_conf()").await;
}

/// Why there is no session: not by TLS, or by it and that. Of anything else it would be no proof that certificates are looked at.
fn refused_by(answer: Result<bool, String>, why: &[&str], case: &str) {
    let refused = answer.expect_err(case).to_lowercase();
    assert!(
        ["tls", "certificate", "fatal alert"].iter().any(|word| refused.contains(word)),
        "{case}: {refused}"
    );
    assert!(why.iter().any(|why| refused.contains(why)), "{case}: {refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

/// Whether the session is encrypted, or why there is none.
async fn connect(port: u16, settings: &[(&str, &str)]) -> Result<bool, String> {
    let port = port.to_string();
    let mut all = vec![
        ("DB_HOST", "localhost"),
        ("DB_PORT", port.as_str()),
        ("DB_NAME", "postgres"),
        ("DB_USER", "app"),
        ("DB_PASSWORD", "hunter2"),
        ("DB_POOL_MIN", "0"),
        ("DB_POOL_MAX", "1"),
    ];
    all.extend_from_slice(settings);
    let config = Loader::new().env(all).load().map_err(|error| error.to_string())?;
    let chain = |error: &dyn Error| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    };
    let db = Database::builder().config(config).build().await.map_err(|error| chain(&error))?;
    let asked = db.pool().run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar().await;
    db.close().await;
    asked.map_err(|error| chain(&error))
}

#[tokio::test]
async fn every_mode_does_what_it_says() {
    let server = OwnServer::start().await;
    server.run("CREATE ROLE app LOGIN PASSWORD 'hunter2'").await;
    server.admit("host all app 127.0.0.1/32 scram-sha-256\nhost all app ::1/128 scram-sha-256").await;
    let port = server.port;
    // Without TLS on the server.
    assert_eq!(connect(port, &[("DB_SSL_MODE", "disable")]).await, Ok(false));
    assert_eq!(connect(port, &[("DB_SSL_MODE", "prefer")]).await, Ok(false));
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = connect(port, &[("DB_SSL_MODE", mode)]).await.expect_err(mode);
        assert!(
            refused.to_lowercase().contains("tls") || refused.to_lowercase().contains("ssl"),
            "{mode}: {refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    let (our_file, their_file) = (folder.path().join("ours.pem"), folder.path().join("theirs.pem"));
    std::fs::write(&our_file, ours.pem()).expect("written");
    std::fs::write(&their_file, theirs.pem()).expect("written");
    let (our_file, their_file) = (our_file.display().to_string(), their_file.display().to_string());
    let here = certificate(&ours, &["localhost"], "here");
    show(&server, &here, &ours).await;
    eventually("it speaks TLS", async || connect(port, &[("DB_SSL_MODE", "require")]).await == Ok(true))
        .await;
    assert_eq!(connect(port, &[("DB_SSL_MODE", "disable")]).await, Ok(false));
    assert_eq!(connect(port, &[("DB_SSL_MODE", "prefer")]).await, Ok(true));
    let with = |mode: &'static str, root: &str| {
        let root = root.to_owned();
        async move { connect(port, &[("DB_SSL_MODE", mode), ("DB_SSL_CA", &root)]).await }
    };
    for root in [our_file.as_str(), &ours.pem()] {
        assert_eq!(with("verify-ca", root).await, Ok(true));
        assert_eq!(with("verify-full", root).await, Ok(true));
    }
    for mode in ["verify-ca", "verify-full"] {
        refused_by(with(mode, &their_file).await, &["unknownissuer", "unknown issuer"], "another authority");
        let of_the_machine = connect(port, &[("DB_SSL_MODE", mode)]).await;
        refused_by(of_the_machine, &["unknownissuer", "unknown issuer"], "the machine's authorities");
    }
    // Another host's certificate, of the same authority.
    show(&server, &certificate(&ours, &["db.example.org"], "elsewhere"), &ours).await;
    eventually("it shows the other", async || with("verify-full", &our_file).await.is_err()).await;
    refused_by(
        with("verify-full", &our_file).await,
        &["not valid for name", "notvalidforname"],
        "another host",
    );
    assert_eq!(with("verify-ca", &our_file).await, Ok(true));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_client_gets_it() {
    let server = OwnServer::start().await;
    server.run("CREATE ROLE app LOGIN").await;
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    show(&server, &certificate(&ours, &["localhost"], "here"), &ours).await;
    server.admit("hostssl all app 127.0.0.1/32 cert\nhostssl all app ::1/128 cert").await;
    let port = server.port;
    let root = ours.pem();
    let with = async |certificate: &str, key: &str| {
        let all = [
            ("DB_SSL_MODE", "verify-full"),
            ("DB_SSL_CA", root.as_str()),
            ("DB_SSL_CERT", certificate),
            ("DB_SSL_KEY", key),
        ];
        connect(port, &all).await
    };
    let (good, good_key) = certificate(&ours, &[], "app");
    eventually("it is let in", async || with(&good, &good_key).await == Ok(true)).await;
    let (other, other_key) = certificate(&ours, &[], "somebody");
    refused_by(with(&other, &other_key).await, &["certificate authentication failed"], "another user's");
    let (foreign, foreign_key) = certificate(&theirs, &[], "app");
    let of_theirs = with(&foreign, &foreign_key).await;
    refused_by(of_theirs, &["unknownca", "unknown ca"], "another authority's");
    let without = connect(port, &[("DB_SSL_MODE", "verify-full"), ("DB_SSL_CA", &root)]).await;
    refused_by(without, &["requires a valid client certificate", "certificaterequired"], "none");
    // From files, as most have it.
    let folder = tempfile::tempdir().expect("a folder");
    let (file, key) = (folder.path().join("app.crt"), folder.path().join("app.key"));
    std::fs::write(&file, good).expect("written");
    std::fs::write(&key, good_key).expect("written");
    assert_eq!(with(&file.display().to_string(), &key.display().to_string()).await, Ok(true));
    server.stop().await;
}
