//! Certificates of TLS listeners: PKCS#12 as the original wants them (shell.md section 5), or PEM.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads the certificate chain and private key of a listener.
///
/// # Errors
/// The file cannot be read, holds no certificate with a private key, or the password is wrong; the message names the file.
pub fn server_config(path: &str, password: &str) -> Result<Arc<ServerConfig>> {
    let load = || -> Result<ServerConfig> {
        let content = fs::read(path)?;
        let (chain, key) = if is_pkcs12(path, &content) { from_pkcs12(&content, password)? } else { from_pem(&content)? };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(versions.with_no_client_auth().with_single_cert(chain, key)?)
    };
    load().map(Arc::new).with_context(|| format!("[Network] cert_path: cannot use the certificate {path}"))
}

/// A PEM file is text with a marker; everything else is taken for PKCS#12, whatever its name.
fn is_pkcs12(path: &str, content: &[u8]) -> bool {
    let named_pem = Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pem"));
    !named_pem && !content.windows(10).any(|window| window == b"-----BEGIN")
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_pkcs12(content: &[u8], password: &str) -> Result<ChainAndKey> {
    let store = KeyStore::from_pkcs12(content, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|error| anyhow!("it is no PKCS#12 file, or cert_pass is not its password: {error}"))?;
    let (_, chain) = store.private_key_chain().context("it holds no private key with a certificate")?;
    let certificates = chain.certs().iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec())).collect();
    let key = PrivateKeyDer::try_from(chain.key().as_der().to_vec()).map_err(|error| anyhow!("its private key: {error}"))?;
    Ok((certificates, key))
}

fn from_pem(content: &[u8]) -> Result<ChainAndKey> {
    let certificates = CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        bail!("it holds no certificate");
    }
    let key = PrivateKeyDer::from_pem_slice(content).context("it holds no private key (certificate and key go into one file)")?;
    Ok((certificates, key))
}
