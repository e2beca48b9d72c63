//! A web server that keeps checkpoints, and some that do not.

use db_core::{Secret, with_causes};
use db_security::audit::{
    Checkpoint, CheckpointSigner, Hash, SignedCheckpoint, WebhookWitness, Witness as _,
};
use db_testkit::{Asked, Webhook, eventually};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use std::{io, net::TcpListener, sync::Arc};

fn signed() -> SignedCheckpoint {
    let signer = CheckpointSigner::from_seed("w", &[1; 32]).expect("a name");
    signer.sign(&Checkpoint { origin: "cairn-audit/x".to_owned(), size: 3, root: Hash::of_leaf(&[1]) })
}

#[tokio::test]
async fn it_gets_the_note_and_who_asks() {
    let server = Webhook::start("204 No Content").expect("a port");
    let address = Secret::new(format!("http://:abc@localhost:{}/checkpoints?log=x", server.port()));
    let witness = WebhookWitness::parse(&address).expect("an address");
    witness.keep(&signed()).await.expect("kept");
    let [Ok(Asked { head, body })] = &server.asked()[..] else { panic!("{:?}", server.asked()) };
    assert!(head.starts_with("post /checkpoints?log=x http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer abc\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{head}");
    assert_eq!(body.parse(), Ok(signed()));
}

#[tokio::test]
async fn whatever_else_it_answers_is_no_keeping() {
    for status in ["302 Found", "307 Temporary Redirect", "404 Not Found", "500 Internal Server Error"] {
        let server = Webhook::start(status).expect("a port");
        let port = server.port();
        let hidden = "hidden-token";
        let address = Secret::new(format!("http://:{hidden}@127.0.0.1:{port}/{hidden}"));
        let witness = WebhookWitness::parse(&address).expect("an address");
        let refused = with_causes(&*witness.keep(&signed()).await.expect_err(status));
        assert!(refused.starts_with(&format!("http://127.0.0.1:{port} answers {status}")), "{refused}");
        assert!(!refused.contains(hidden), "{refused}");
        assert_eq!(server.asked().len(), 1, "it is asked once");
    }
    let (port, listener) = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        (listener.local_addr().expect("bound").port(), listener)
    };
    drop(listener);
    let witness =
        WebhookWitness::parse(&Secret::new(format!("http://127.0.0.1:{port}"))).expect("an address");
    let refused = with_causes(&*witness.keep(&signed()).await.expect_err("nobody there"));
    assert!(refused.starts_with(&format!("http://127.0.0.1:{port} could not be asked: ")), "{refused}");
}

#[tokio::test]
async fn it_must_be_who_it_says_it_is() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("its key");
    let config = Arc::new(config);

    let server = || {
        let config = Arc::clone(&config);
        let wrap = move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        };
        Webhook::start_with("200 OK", Box::new(wrap)).expect("a port")
    };
    let trusted = server();
    let address = Secret::new(format!("https://localhost:{}/", trusted.port()));
    let trusting = WebhookWitness::with_root_certificates(&address, cert.pem().as_bytes());
    trusting.expect("an address").keep(&signed()).await.expect("kept");
    let [Ok(Asked { body, .. })] = &trusted.asked()[..] else { panic!("{:?}", trusted.asked()) };
    assert_eq!(body.parse(), Ok(signed()));

    let unknown = server();
    let witness = WebhookWitness::parse(&Secret::new(format!("https://localhost:{}/", unknown.port())));
    let refused =
        witness.expect("an address").keep(&signed()).await.expect_err("the system does not know it");
    assert!(with_causes(&*refused).contains("certificate"), "{}", with_causes(&*refused));
    eventually("nothing was sent", async || matches!(&unknown.asked()[..], [Err(_)])).await;
}
