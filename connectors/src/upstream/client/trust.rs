//! Whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Which certificates of upstreams are believed: those that lead to a root that the system believes, and what is said here.
#[derive(Clone, Default, PartialEq)]
pub struct Trust {
    /// Roots to believe besides the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Believe any certificate that has the right name (`NoVerifyCertChain`, shell.md section 7.6).
    pub any_chain: bool,
    /// Believe a certificate for another name (`NoVerifyCertHostname`, shell.md section 7.6).
    pub any_name: bool,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { extra_roots, any_chain, any_name } = self;
        write!(f, "Trust {{ extra_roots: {}, any_chain: {any_chain}, any_name: {any_name} }}", extra_roots.len())
    }
}

impl Trust {
    /// The configuration of TLS clients.
    ///
    /// # Errors
    /// A root is malformed, or there is none at all and one is needed.
    pub(in crate::upstream) fn client_config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let chain = if self.any_chain { None } else { Some(self.chain_verifier(&provider)?) };
        let verifier = Verifier { chain, any_name: self.any_name, provider: provider.clone() };
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| error.to_string())?;
        Ok(versions.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
    }

    fn chain_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        for root in &self.extra_roots {
            roots.add(root.clone()).map_err(|error| format!("an extra root certificate cannot be used: {error}"))?;
        }
        if roots.is_empty() {
            let reasons: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
            return Err(format!("the system has no root certificates to check others with. {}", reasons.join(", ")));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build();
        verifier.map_err(|error| error.to_string())
    }
}

/// rustls' own verifier, less what the operator waives.
#[derive(Debug)]
struct Verifier {
    /// `None` believes any chain.
    chain: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => ParsedCertificate::try_from(end_entity)
                .and_then(|certificate| verify_server_name(&certificate, server_name))
                .map(|()| ServerCertVerified::assertion()),
        };
        match verdict {
            // The name is looked at last: what fails by it has passed everything else.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
