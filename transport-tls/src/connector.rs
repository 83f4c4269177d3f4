use std::borrow::ToOwned;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, KeyLogFile, RootCertStore};

use crate::verify::Verifier;
use crate::{ConfigError, Options, TlsError, Verification};

/// Makes TLS connections over streams that are connected already.
///
/// Cloning is cheap, and clones share the sessions that can be resumed. Making one reads files and
/// the system's certificates, so a program makes one and keeps it.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
}

impl Connector {
    /// Makes a connector.
    ///
    /// # Errors
    ///
    /// Fails when a certificate or a key cannot be read, is not what it should be, or does not fit;
    /// [`ConfigError`] says which.
    pub fn new(options: &Options) -> Result<Self, ConfigError> {
        let provider = options
            .provider
            .clone()
            .or_else(default_provider)
            .ok_or(ConfigError::NoProvider)?;
        let verifier = Verifier {
            roots: match options.verification {
                Verification::DangerouslySkipAll => RootCertStore::empty(),
                _ => options.roots.load()?,
            },
            verification: options.verification,
            pins: options.pins.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(ConfigError::Provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &options.identity {
            Some(identity) => {
                let key = identity.load(&provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&options.alpn);
        config.enable_sni = options.sni;
        if !options.resumption {
            config.resumption = Resumption::disabled();
        }
        if options.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(Self::from_config(Arc::new(config)))
    }

    /// Makes a connector of rustls' own configuration, for what [`Options`] does not have.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// Returns rustls' configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(crate) fn has_certificate(&self) -> bool {
        self.config.client_auth_cert_resolver.has_certs()
    }

    /// Begins a connection to `host`, for the streams.
    pub(crate) fn begin(&self, host: &str) -> Result<ClientConnection, TlsError> {
        let name = server_name(host)?;
        ClientConnection::new(self.config.clone(), name).map_err(TlsError::Other)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "without features there is none")]
fn default_provider() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "ring")]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    None
}

/// Reads a host name, with a dot at its end or not, or an IP address, in brackets or not.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let invalid = || TlsError::InvalidName(host.to_owned());
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(invalid)?,
        None => host,
    };
    let name = ServerName::try_from(bare)
        .map_err(|_| invalid())?
        .to_owned();
    // Only IPv6 addresses have brackets.
    match name {
        ServerName::DnsName(_) if bare.len() != host.len() => Err(invalid()),
        name => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn names() {
        let name = |host: &str| server_name(host).map(|name| name.to_str().into_owned());
        for (host, expected) in [
            ("broker.example", "broker.example"),
            ("broker.example.", "broker.example"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(name(host).unwrap(), expected);
            let is_address = expected.parse::<IpAddr>().is_ok();
            let found = matches!(server_name(host), Ok(ServerName::IpAddress(_)));
            assert_eq!(found, is_address, "{host}");
        }
        for host in [
            "",
            ".",
            "a b",
            "[",
            "[]",
            "[::1",
            "[localhost]",
            "bücher.example",
            "a\0",
        ] {
            let error = name(host).unwrap_err();
            assert!(
                matches!(&error, TlsError::InvalidName(of) if of == host),
                "{error}"
            );
        }
    }
}
