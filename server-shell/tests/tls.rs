//! TLS: certificates as PEM and as PKCS#12, on the main listener and on an additional one.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use common::{Answer, SQLITE, Shell, asset_document, connect, free_port, request, run};
use nix::sys::signal::Signal;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

const ID: &str = "a55e7000-0000-4000-8000-000000000071";
const PASSWORD: &str = "sesame";

/// A folder with a new certificate for `localhost` in both forms, and the certificate itself for the client to trust.
fn certificates() -> (TempDir, CertificateDer<'static>) {
    let folder = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("grid.pem"), format!("{}{}", cert.pem(), signing_key.serialize_pem())).unwrap();
    fs::write(folder.path().join("grid.p12"), pkcs12(cert.der(), &signing_key)).unwrap();
    (folder, cert.der().clone())
}

fn pkcs12(certificate: &CertificateDer<'_>, key: &KeyPair) -> Vec<u8> {
    let chain = PrivateKeyChain::new(
        b"1".to_vec(),
        PrivateKey::from_der(key.serialized_der()).unwrap(),
        [Certificate::from_der(certificate).unwrap()],
    );
    let mut store = KeyStore::new();
    store.add_entry("grid", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(PASSWORD).write().unwrap()
}

/// The configuration of [`SQLITE`] with more keys in [Network].
fn with(keys: &str) -> String {
    SQLITE.replace("[ServiceList]", &format!("{keys}\n[ServiceList]"))
}

/// A TLS connection to a port, trusting only this certificate.
fn connect_tls(port: u16, trusted: &CertificateDer<'static>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = versions.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, connect(port).unwrap())
}

fn get_over_tls(port: u16, trusted: &CertificateDer<'static>, path: &str) -> Answer {
    request(&mut connect_tls(port, trusted), "GET", path, "", b"").unwrap()
}

/// Plain HTTP on a port that speaks TLS: whatever comes back, it is no answer of HTTP.
fn plain_http_is_not_answered(port: u16) {
    let mut stream = connect(port).unwrap();
    stream.write_all(b"GET /assets/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut received = Vec::new();
    // Closed, by an end or a reset.
    let _ = stream.read_to_end(&mut received);
    assert!(!received.windows(5).any(|window| window == b"HTTP/"), "{:?}", String::from_utf8_lossy(&received));
}

fn the_main_listener_speaks_tls(keys: &str) {
    let (folder, certificate) = certificates();
    let mut shell = Shell::launch_in(folder, &with(keys), &["-console=none"], std::process::Stdio::null());
    shell.wait_until_ready();
    let mut stream = connect_tls(shell.port, &certificate);
    let body = asset_document(ID, "aGVsbG8=");
    assert_eq!(request(&mut stream, "POST", "/assets/", "Content-Type: text/xml\r\n", body.as_bytes()).unwrap().status, 200);
    // The same connection goes on.
    assert_eq!(request(&mut stream, "GET", &format!("/assets/{ID}/data"), "", b"").unwrap().text(), "hello");
    plain_http_is_not_answered(shell.port);
    assert_eq!(get_over_tls(shell.port, &certificate, &format!("/assets/{ID}/data")).text(), "hello");
    // All of a large answer arrives.
    let large = common::noise(1, 3_000_000).iter().map(|byte| char::from(b'A' + byte % 26)).collect::<String>();
    let stored = request(&mut stream, "POST", "/assets/", "", asset_document(&ID.replace('1', "2"), &large).as_bytes()).unwrap();
    assert_eq!(stored.status, 200);
    let answer = request(&mut stream, "GET", &format!("/assets/{}", ID.replace('1', "2")), "", b"").unwrap();
    assert!(answer.text().contains(&format!("<Data>{large}</Data>")));
}

#[test]
fn https_main_with_pkcs12() {
    the_main_listener_speaks_tls(&format!("https_main = true\ncert_path = grid.p12\ncert_pass = {PASSWORD}"));
}

#[test]
fn https_main_with_pem_and_no_password() {
    the_main_listener_speaks_tls("https_main = true\ncert_path = grid.pem");
}

#[test]
fn https_listener_is_one_more_listener_that_connectors_name() {
    let (folder, certificate) = certificates();
    let secure = free_port();
    let ini = with(&format!("https_listener = true\nhttps_port = {secure}\ncert_path = grid.p12\ncert_pass = {PASSWORD}"));
    let ini = ini.replace(
        "[ServiceList]",
        &format!("[ServiceList]\nPublic = \"{secure}/OpenSim.Server.Handlers.dll:AssetServiceConnector\""),
    );
    let shell = Shell::start_in(folder, &ini);
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(get_over_tls(secure, &certificate, &format!("/assets/{ID}/data")).text(), "hello");
    plain_http_is_not_answered(secure);
    // The connectors that do not name the port are not on it.
    assert_eq!(
        get_over_tls(secure, &certificate, "/bakes/11111111-2222-3333-4444-555555555555").header("Content-Type"),
        Some("text/html")
    );
}

#[test]
fn https_external_is_plain_http_for_a_proxy() {
    let proxied = free_port();
    let ini = with(&format!("https_listener = true\nhttps_port = {proxied}\nhttps_external = true"));
    let ini = ini.replace(
        "[ServiceList]",
        &format!("[ServiceList]\nPublic = \"{proxied}/OpenSim.Server.Handlers.dll:AssetServiceConnector\""),
    );
    let _shell = Shell::start(&ini);
    assert_eq!(common::try_get(proxied, "/assets/").unwrap().status, 200);
}

fn run_with(folder: &Path, keys: &str) -> (Option<i32>, String) {
    let ini = with(keys).replace("${port}", &free_port().to_string()).replace("${admin}", "0");
    fs::write(folder.join("Robust.ini"), ini).unwrap();
    run(folder, &["-console=none"])
}

#[test]
fn certificates_that_cannot_be_used_end_the_program() {
    let (folder, _) = certificates();
    let pem = fs::read_to_string(folder.path().join("grid.pem")).unwrap();
    let key_at = pem.find("-----BEGIN PRIVATE").unwrap();
    fs::write(folder.path().join("certificate.pem"), &pem[..key_at]).unwrap();
    fs::write(folder.path().join("key.pem"), &pem[key_at..]).unwrap();
    fs::write(folder.path().join("garbage.p12"), common::noise(1, 2000)).unwrap();
    let half = fs::read(folder.path().join("grid.p12")).unwrap();
    fs::write(folder.path().join("half.p12"), &half[..half.len() / 2]).unwrap();
    // What belongs to another key.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("mismatch.pem"), format!("{}{}", other.cert.pem(), &pem[key_at..])).unwrap();
    for (name, file, password, message) in [
        ("wrong password", "grid.p12", "simsalabim", "cert_pass is not its password"),
        ("no password", "grid.p12", "", "cert_pass is not its password"),
        ("no file", "nowhere.p12", PASSWORD, "No such file"),
        ("a PEM file without key", "certificate.pem", "", "no private key"),
        ("a PEM file without certificate", "key.pem", "", "no certificate"),
        ("garbage", "garbage.p12", PASSWORD, "no PKCS#12 file"),
        ("half a file", "half.p12", PASSWORD, "no PKCS#12 file"),
        ("the key of another certificate", "mismatch.pem", "", "[Network] cert_path"),
    ] {
        let (code, output) = run_with(folder.path(), &format!("https_main = true\ncert_path = {file}\ncert_pass = {password}"));
        assert_eq!(code, Some(1), "{name}: {output}");
        let last = output.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("gridshell: ") && last.contains("[Network] cert_path") && last.contains(file),
            "{name}: {output}"
        );
        assert!(last.contains(message), "{name}: {output}");
        assert!(!output.contains("simsalabim") && !output.contains(PASSWORD), "{name}: a password is shown: {output}");
    }
}

#[test]
fn tls_without_a_certificate_is_a_mistake_in_the_file() {
    let folder = TempDir::new().unwrap();
    for keys in ["https_main = true", "https_listener = true\nhttps_port = 9"] {
        let (code, output) = run_with(folder.path(), keys);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("Network/cert_path: Path to X509 certificate is missing, server can't start"), "{output}");
    }
}

#[test]
fn a_renewed_certificate_counts_after_a_reload() {
    let (folder, certificate) = certificates();
    let keys = "https_main = true\n    cert_path = grid.pem";
    let mut shell = Shell::launch_in(folder, &with(keys), &["-console=none"], std::process::Stdio::null());
    shell.wait_until_ready();
    let mut old = connect_tls(shell.port, &certificate);
    assert_eq!(request(&mut old, "GET", "/assets/", "", b"").unwrap().status, 200);
    let mut idle = connect_tls(shell.port, &certificate);
    assert_eq!(request(&mut idle, "GET", "/assets/", "", b"").unwrap().status, 200);
    let (other, renewed) = certificates();
    fs::copy(other.path().join("grid.pem"), shell.folder.path().join("grid.pem")).unwrap();
    shell.signal(Signal::SIGHUP);
    shell.wait_for_output("[RELOAD]: the configuration was read again");
    // The connection from before goes on, with the certificate that it has begun with.
    assert_eq!(request(&mut old, "GET", "/assets/", "", b"").unwrap().status, 200);
    // Both listeners accept for a moment; the end of an idle connection is that of the old one.
    while request_with(&shell, &renewed).is_err() {}
    let _ = idle.read(&mut [0]);
    assert_eq!(request_with(&shell, &renewed).unwrap().status, 200);
}

fn request_with(shell: &Shell, trusted: &CertificateDer<'static>) -> std::io::Result<Answer> {
    request(&mut connect_tls(shell.port, trusted), "GET", "/assets/", "", b"")
}
