//! TLS for `http` checks, with the machine's own trust.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::ask::Request;
use super::facts::Facts;
use super::{http, settings};
use crate::guest::ByteStream;
use crate::smoke::spec::Resource;

/// The bundle of certificates that the machine's own programs trust, at the places where Go looks for it.
pub(super) fn trusted() -> Request {
    Request::new("trusted", "")
}

/// Speaks TLS over a stream.
pub(super) async fn wrap(
    stream: Box<dyn ByteStream>,
    host: &str,
    resource: &Resource,
    facts: &Facts,
) -> Result<Box<dyn ByteStream>, String> {
    let config = config(resource, facts)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` is no name of a server"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| format!("tls: {error}"))?))
}

fn config(resource: &Resource, facts: &Facts) -> Result<ClientConfig, String> {
    let failed = |error: rustls::Error| error.to_string();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    let builder = if settings::switch(resource, "allow-insecure") {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        let verifier = Trusting::new(bundle(resource, facts)?, provider)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    };
    match (http::contents(resource, "cert-file", facts)?, http::contents(resource, "key-file", facts)?) {
        (Some(chain), Some(key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
            let chain = chain.map_err(|error| format!("cert-file: {error}"))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("key-file: {error}"))?;
            builder.with_client_auth_cert(chain, key).map_err(failed)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The certificates to trust.
fn bundle(resource: &Resource, facts: &Facts) -> Result<Vec<CertificateDer<'static>>, String> {
    let bundle = match http::contents(resource, "ca-file", facts)? {
        Some(bundle) => bundle,
        None => facts.of(&trusted())?.body("content").unwrap_or_default(),
    };
    let bundle: Vec<_> = CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok).collect();
    match settings::text(resource, "ca-file") {
        _ if !bundle.is_empty() => Ok(bundle),
        Some(path) => Err(format!("Failed parse root certificate: {path}")),
        None => {
            Err("x509: certificate signed by unknown authority: the machine has no bundle of trusted ones".to_owned())
        }
    }
}

/// Trusts what is signed by a certificate of the bundle, and what is in the bundle: `openssl req -x509` makes servers'
/// certificates that are authorities too, which Go accepts when they are trusted themselves.
#[derive(Debug)]
struct Trusting {
    by_signature: Arc<WebPkiServerVerifier>,
    bundle: Vec<CertificateDer<'static>>,
}

impl Trusting {
    fn new(bundle: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(bundle.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { by_signature: verifier.map_err(|error| error.to_string())?, bundle })
    }
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.by_signature.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // It is looked at after the dates and before the signature.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if why.0.to_string() == "CaUsedAsEndEntity" && self.bundle.iter().any(|known| known == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_signature.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_signature.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_signature.supported_verify_schemes()
    }
}

/// Trusts any server: what `allow-insecure` asks for.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
