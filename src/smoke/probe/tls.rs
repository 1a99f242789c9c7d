//! TLS for `http` checks, with the machine's own trust.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
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
        builder.with_root_certificates(roots(resource, facts)?)
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

fn roots(resource: &Resource, facts: &Facts) -> Result<RootCertStore, String> {
    let bundle = match http::contents(resource, "ca-file", facts)? {
        Some(bundle) => bundle,
        None => facts.of(&trusted())?.body("content").unwrap_or_default(),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok));
    match settings::text(resource, "ca-file") {
        Some(path) if roots.is_empty() => Err(format!("Failed parse root certificate: {path}")),
        _ => Ok(roots),
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
