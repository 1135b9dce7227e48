//! Upstreams over https.

use std::sync::Arc;

use gridshell_connectors::upstream::{GroupOptions, Trust};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{get, group, options};

/// An https server that answers every request with "secret"; its port, and its certificate for `name`.
async fn start(name: &str) -> (u16, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
                    if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, certificate)
}

async fn ask(port: u16, trust: Trust) -> Result<String, String> {
    let group = group(&format!("https://localhost:{port}"), GroupOptions { trust, ..options() });
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let answer = get(&group, "/").await.map_err(|error| error.to_string())?;
        bodies.push(String::from_utf8(answer.body.to_vec()).unwrap());
    }
    assert_eq!(group.state().members[0].idle_connections, 1);
    Ok(bodies.join(" "))
}

#[tokio::test]
async fn certificates_are_checked_unless_the_operator_waives_it() {
    let (port, certificate) = start("localhost").await;
    let (other_port, other_certificate) = start("elsewhere.example").await;
    let known = Trust { extra_roots: vec![certificate, other_certificate], ..Trust::default() };
    let unknown = Trust { any_chain: true, ..Trust::default() };
    assert_eq!(ask(port, known.clone()).await.unwrap(), "secret secret");
    assert_eq!(ask(port, unknown.clone()).await.unwrap(), "secret secret");
    assert_eq!(ask(other_port, Trust { any_name: true, ..known.clone() }).await.unwrap(), "secret secret");
    assert_eq!(ask(other_port, Trust { any_name: true, ..unknown.clone() }).await.unwrap(), "secret secret");
    for trust in [known, unknown] {
        let error = ask(other_port, trust).await.unwrap_err();
        assert!(error.contains("TLS: ") && error.contains("localhost"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_has_signed_is_refused() {
    let (port, _) = start("localhost").await;
    let (_, other_certificate) = start("localhost").await;
    let trust = Trust { extra_roots: vec![other_certificate], ..Trust::default() };
    let error = ask(port, trust).await.unwrap_err();
    assert!(error.contains("TLS: invalid peer certificate"), "{error}");
}
