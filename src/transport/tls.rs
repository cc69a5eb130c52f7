//! Mutual TLS between nodes: each side shows a certificate that the cluster's own authority has signed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::network::Bytes;
use crate::error::{Error, Result, state};

/// Files in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificates {
    /// The certificates of the authority that signs the nodes'.
    pub authority: PathBuf,
    /// This node's certificate, and those between it and the authority's. It must be good for the host
    /// names by which others call this node.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Encryption for both directions.
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

fn refused(path: &std::path::Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(state::CONFIG_FILE_ERROR, format!("could not use \"{}\": {error}", path.display()))
}

impl Tls {
    /// Reads the files. F0000 if they cannot be used.
    pub fn load(files: &Certificates) -> Result<Tls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let read = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>> {
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refused(path, &error))?;
            certificates.collect::<Result<_, _>>().map_err(|error| refused(path, &error))
        };
        let mut roots = RootCertStore::empty();
        for certificate in read(&files.authority)? {
            roots.add(certificate).map_err(|error| refused(&files.authority, &error))?;
        }
        let roots = Arc::new(roots);
        let chain = read(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| refused(&files.key, &error))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| refused(&files.authority, &error))?;
        let versions = &[&rustls::version::TLS13];
        let unusable = |error: rustls::Error| refused(&files.certificate, &error);
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unusable)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unusable)?;
        Ok(Tls { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    pub(super) async fn accept(&self, stream: Box<dyn Bytes>) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(self.acceptor.accept(stream).await?))
    }

    /// Encrypts a connection to `host:port`; the certificate must be good for the host.
    pub(super) async fn connect(&self, address: &str, stream: Box<dyn Bytes>) -> io::Result<Box<dyn Bytes>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }
}
