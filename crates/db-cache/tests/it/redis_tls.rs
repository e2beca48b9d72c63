//! TLS: by an authority of one's own, or not at all.

use crate::redis_server::{Server, free_port, get, is_unavailable, options, put};
use db_cache::RedisStore;
use std::path::Path;
use std::process::{Command, Stdio};

/// An authority and a server's certificate by it, made in that folder.
fn certificates(folder: &Path, authority: &str) {
    let run = |command: String| {
        let done = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.expect("sh").success(), "openssl, of the package openssl: {command}");
    };
    run(format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={authority} \
         -keyout {authority}.key -out {authority}.pem"
    ));
    run(format!(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out s.csr
         printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > s.ext
         openssl x509 -req -in s.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 \
         -extfile s.ext -out server.pem"
    ));
}

#[tokio::test]
async fn a_certificate_must_be_by_the_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path(), "other");
    certificates(folder.path(), "ours");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let port = free_port().to_string();
    let _server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ours.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    let ours = std::fs::read_to_string(path("ours.pem")).expect("made");
    let by_file = options(&url).ca_file(Path::new(&path("ours.pem"))).expect("a certificate");
    let by_text = options(&url).ca(&ours).expect("a certificate");
    for options in [by_file, by_text] {
        let store = RedisStore::new(&options).expect("a store");
        put(&store, "key", "value").await.expect("put");
        assert_eq!(get(&store, "key").await.expect("get").as_deref(), Some("value"));
    }
    let other = options(&url).ca_file(Path::new(&path("other.pem"))).expect("a certificate");
    for options in [other, options(&url)] {
        let store = RedisStore::new(&options).expect("a store");
        assert!(is_unavailable(&get(&store, "key").await), "nobody vouches for it");
    }
    let plain = RedisStore::new(&options(&format!("redis://localhost:{port}"))).expect("a store");
    assert!(is_unavailable(&get(&plain, "key").await), "nothing goes in the clear");
}
