use core::fmt;
use std::fs;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{ConfigError, Origin, Pin};

/// How a [`Connector`](crate::Connector) makes TLS connections. The default is right for servers
/// with a certificate of a public authority.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which authorities may have signed the server's certificate.
    pub roots: Roots,
    /// The client's own certificate, for servers that demand one (mutual TLS).
    pub identity: Option<Identity>,
    /// If there are any, the server's public key must be one of these as well.
    ///
    /// It is that of the server's own certificate, as with curl's `--pinnedpubkey`: an authority
    /// above it is not looked at. Pins come on top of all other checks, and are what remains with
    /// [`Verification::DangerouslySkipAll`]: that is how a self-signed certificate can be pinned.
    pub pins: Vec<Pin>,
    /// How much of the server's certificate is checked.
    pub verification: Verification,
    /// The application protocols to offer, the most wanted first; none to leave that out.
    pub alpn: Vec<Vec<u8>>,
    /// Whether to tell the server the name that it is reached by (SNI). An IP address is never told.
    pub sni: bool,
    /// Whether a connection may take up an earlier session of the same connector, which saves a
    /// round trip or two of certificates.
    pub resumption: bool,
    /// Whether to write the session's secrets to the file that the environment variable
    /// `SSLKEYLOGFILE` names, for Wireshark. **Who has that file can read all that is sent.**
    pub key_log: bool,
    /// The cryptography; `None` is that of ring, or without the feature `ring` that of aws-lc-rs.
    pub provider: Option<Arc<CryptoProvider>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roots: Roots::System,
            identity: None,
            pins: Vec::new(),
            verification: Verification::Full,
            alpn: Vec::new(),
            sni: true,
            resumption: true,
            key_log: false,
            provider: None,
        }
    }
}

/// The authorities that are trusted.
#[derive(Clone, Debug)]
pub enum Roots {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment.
    System,
    /// Only these.
    Only(Vec<Source>),
    /// Those of the system, and these.
    SystemAnd(Vec<Source>),
}

/// How much of the server's certificate is checked.
///
/// Certificates are not looked up in lists of revoked ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// An authority that is trusted has signed it, it is valid today and belongs to the host.
    Full,
    /// It may belong to another host. **Whoever has any certificate of a trusted authority can
    /// pose as the server.**
    DangerouslySkipHostName,
    /// Nothing but that the server has the certificate's key. **Anybody can pose as the server,
    /// unless there are [pins](Options::pins).**
    DangerouslySkipAll,
}

/// Certificates, or a private key.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file in PEM, which is read when the connector is made.
    File(PathBuf),
    /// The contents of such a file.
    Pem(Vec<u8>),
    /// One certificate or key in DER.
    Der(Vec<u8>),
}

/// Tells no key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Pem(bytes) => write!(f, "Pem({} bytes)", bytes.len()),
            Self::Der(bytes) => write!(f, "Der({} bytes)", bytes.len()),
        }
    }
}

/// A client's certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and after it those between it and the authority that the server knows.
    pub certificate: Source,
    /// Its private key: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key: Source,
}

impl Source {
    fn origin(&self, what: &'static str) -> Origin {
        match self {
            Self::File(path) => Origin::File(path.clone()),
            Self::Pem(_) | Self::Der(_) => Origin::Memory(what),
        }
    }

    /// Returns the PEM text, unless it is DER.
    fn pem(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        match self {
            Self::File(path) => fs::read(path).map(Some).map_err(|error| ConfigError::File {
                path: path.clone(),
                error,
            }),
            Self::Pem(text) => Ok(Some(text.clone())),
            Self::Der(_) => Ok(None),
        }
    }

    fn certificates(
        &self,
        what: &'static str,
    ) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        if let Self::Der(der) = self {
            return Ok(Vec::from([CertificateDer::from(der.clone())]));
        }
        let text = self.pem()?.unwrap_or_default();
        let list = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ConfigError::Malformed(self.origin(what), error.to_string()))?;
        if list.is_empty() {
            return Err(ConfigError::NoCertificate(self.origin(what)));
        }
        Ok(list)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, ConfigError> {
        let origin = || self.origin("the client's private key");
        if let Self::Der(der) = self {
            return PrivateKeyDer::try_from(der.clone())
                .map_err(|error| ConfigError::Malformed(origin(), error.to_string()));
        }
        let text = self.pem()?.unwrap_or_default();
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound if is_encrypted_key(&text) => {
                ConfigError::EncryptedKey(origin())
            }
            pem::Error::NoItemsFound => ConfigError::NoKey(origin()),
            // The older kind, whose header lines are no base64.
            _ if is_encrypted_key(&text) => ConfigError::EncryptedKey(origin()),
            error => ConfigError::Malformed(origin(), error.to_string()),
        })
    }
}

fn is_encrypted_key(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

impl Roots {
    pub(crate) fn load(&self) -> Result<RootCertStore, ConfigError> {
        let mut store = RootCertStore::empty();
        let (system, more) = match self {
            Self::System => (true, &[][..]),
            Self::Only(more) => (false, &more[..]),
            Self::SystemAnd(more) => (true, &more[..]),
        };
        for source in more {
            const WHAT: &str = "the authority's certificate";
            for certificate in source.certificates(WHAT)? {
                store.add(certificate).map_err(|error| {
                    ConfigError::Malformed(source.origin(WHAT), error.to_string())
                })?;
            }
        }
        if system {
            let found = rustls_native_certs::load_native_certs();
            // Systems have a few odd certificates that nobody misses.
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                return Err(ConfigError::NoSystemRoots(why.join("; ")));
            }
        }
        Ok(store)
    }
}

impl Identity {
    pub(crate) fn load(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<rustls::sign::CertifiedKey>, ConfigError> {
        const WHAT: &str = "the client's certificate";
        let chain = self.certificate.certificates(WHAT)?;
        let key_origin = || self.key.origin("the client's private key");
        let key = provider
            .key_provider
            .load_private_key(self.key.key()?)
            .map_err(|error| ConfigError::UnusableKey(key_origin(), error))?;
        let certified = rustls::sign::CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A key that does not tell its public part is for the server to judge.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Arc::new(certified))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(ConfigError::KeyMismatch {
                certificate: self.certificate.origin(WHAT),
                key: key_origin(),
            }),
            Err(error) => Err(ConfigError::Malformed(
                self.certificate.origin(WHAT),
                error.to_string(),
            )),
        }
    }
}
