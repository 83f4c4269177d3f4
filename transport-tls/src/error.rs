use core::fmt;
use core::time::Duration;
use std::error;
use std::io;
use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, OtherError, PeerIncompatible};
use x509_cert::der::DateTime;

use crate::Pin;

/// Why a connection was not made, or ended: TLS, or the stream below with an error of type `E`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The stream below failed. A time-out is among its errors.
    Stream(E),
    /// TLS failed; the connection is of no use anymore.
    Tls(TlsError),
    /// There is nothing for the caller, but something to send: flush, then read again.
    Flush,
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Flush => f.write_str("TLS has something to send before it can read on"),
        }
    }
}

impl<E: error::Error> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Stream(error) => error.source(),
            Self::Tls(error) => error.source(),
            Self::Flush => None,
        }
    }
}

impl<E: embedded_io::Error> embedded_io::Error for Error<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::Tls(error) => error.kind().into(),
            Self::Flush => embedded_io::ErrorKind::Interrupted,
        }
    }
}

impl From<Error<Self>> for io::Error {
    fn from(error: Error<Self>) -> Self {
        match error {
            Error::Stream(error) => error,
            Error::Tls(error) => error.into(),
            Error::Flush => io::ErrorKind::Interrupted.into(),
        }
    }
}

/// Why TLS failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The server's certificate is not to be trusted.
    Certificate(CertificateError),
    /// The server demands a client certificate, and there is none.
    ///
    /// With TLS 1.3 this shows after the handshake, at the first read.
    ClientCertificateRequired,
    /// The server does not accept the client's certificate, and says why.
    ///
    /// With TLS 1.3 this shows after the handshake, at the first read.
    ClientCertificateRefused(AlertDescription),
    /// What the server sends is not TLS.
    NotTls,
    /// The server ended the connection during the handshake, without a word.
    ClosedInHandshake,
    /// Server and client have no version, cipher suite or application protocol in common.
    Incompatible(rustls::Error),
    /// The server ended the connection with this alert.
    Alert(AlertDescription),
    /// The stream ended without TLS's own end (`close_notify`). Somebody may have cut it.
    Truncated,
    /// The stream has been closed by [`close`](crate::blocking::TlsStream::close).
    Closed,
    /// This is no name of a server: neither a host name nor an IP address.
    InvalidName(String),
    /// Anything else: the server broke the protocol, or something between did.
    Other(rustls::Error),
}

impl TlsError {
    /// Returns the standard library's kind for this.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Truncated => io::ErrorKind::UnexpectedEof,
            Self::ClosedInHandshake => io::ErrorKind::ConnectionAborted,
            Self::Closed => io::ErrorKind::BrokenPipe,
            Self::InvalidName(_) => io::ErrorKind::InvalidInput,
            Self::ClientCertificateRequired | Self::ClientCertificateRefused(_) => {
                io::ErrorKind::PermissionDenied
            }
            _ => io::ErrorKind::InvalidData,
        }
    }

    /// Says what `error` means, with which a connection has ended: before or after the server had
    /// agreed to a version and a cipher suite, to a client with a certificate or without.
    pub(crate) fn of(error: rustls::Error, is_agreed: bool, has_certificate: bool) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => {
                Self::Certificate(CertificateError::unwrap(error))
            }
            rustls::Error::AlertReceived(alert) => {
                Self::of_alert(alert, is_agreed, has_certificate)
            }
            rustls::Error::InvalidMessage(_) if !is_agreed => Self::NotTls,
            rustls::Error::NoApplicationProtocol
            | rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::Incompatible(error),
            error => Self::Other(error),
        }
    }

    fn of_alert(alert: AlertDescription, is_agreed: bool, has_certificate: bool) -> Self {
        use AlertDescription as A;

        match alert {
            A::CertificateRequired => Self::ClientCertificateRequired,
            // What TLS 1.2 has for it. Once version and cipher suite are agreed upon, there is
            // nothing else that a handshake fails for.
            A::HandshakeFailure | A::BadCertificate if is_agreed && !has_certificate => {
                Self::ClientCertificateRequired
            }
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
                if has_certificate =>
            {
                Self::ClientCertificateRefused(alert)
            }
            A::HandshakeFailure | A::ProtocolVersion | A::InsufficientSecurity if !is_agreed => {
                Self::Incompatible(rustls::Error::AlertReceived(alert))
            }
            A::NoApplicationProtocol => Self::Incompatible(rustls::Error::AlertReceived(alert)),
            alert => Self::Alert(alert),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AlertDescription as A;

        match self {
            Self::Certificate(error) => error.fmt(f),
            Self::ClientCertificateRequired => {
                f.write_str("the server demands a client certificate")
            }
            Self::ClientCertificateRefused(alert) => {
                f.write_str("the server refuses the client certificate: ")?;
                match alert {
                    A::UnknownCA => f.write_str("it does not know the authority that signed it"),
                    A::CertificateExpired => f.write_str("it has expired, or is not valid yet"),
                    A::CertificateRevoked => f.write_str("it is revoked"),
                    alert => write!(f, "{}", Alert(*alert)),
                }
            }
            Self::NotTls => f.write_str("the server does not speak TLS (is this a plain port?)"),
            Self::ClosedInHandshake => f.write_str(
                "the server ended the connection during the TLS handshake (is this a plain port?)",
            ),
            Self::Incompatible(rustls::Error::AlertReceived(A::ProtocolVersion))
            | Self::Incompatible(rustls::Error::PeerIncompatible(_)) => {
                f.write_str("the server speaks no TLS version that the client does")
            }
            Self::Incompatible(
                rustls::Error::NoApplicationProtocol
                | rustls::Error::AlertReceived(A::NoApplicationProtocol),
            ) => f.write_str("the server has none of the application protocols asked for (ALPN)"),
            Self::Incompatible(_) => {
                f.write_str("server and client have no TLS version or cipher suite in common")
            }
            Self::Alert(alert) => {
                write!(f, "the server ended the TLS connection: {}", Alert(*alert))
            }
            Self::Truncated => {
                f.write_str("the connection ended without TLS's end of stream (close_notify)")
            }
            Self::Closed => f.write_str("the TLS stream has been closed"),
            Self::InvalidName(name) => {
                write!(f, "{name:?} is neither a host name nor an IP address")
            }
            Self::Other(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

impl error::Error for TlsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Incompatible(error) | Self::Other(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// An alert in the words of its name: `BadRecordMac` is "alert bad record mac".
struct Alert(AlertDescription);

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("alert")?;
        let name = std::format!("{:?}", self.0);
        let mut was_upper = false;
        for c in name.chars() {
            if c.is_ascii_uppercase() && !was_upper {
                f.write_str(" ")?;
            }
            was_upper = c.is_ascii_uppercase();
            write!(f, "{}", c.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Which of the server's certificates is not to be trusted, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateError {
    /// Whose certificate it is, as it says itself: `CN=broker,O=Example`. `None` when it could not
    /// be read, and when the connector was made of a configuration with a verifier of its own.
    pub subject: Option<String>,
    /// Who signed it, likewise.
    pub issuer: Option<String>,
    /// What is wrong with it.
    pub problem: CertificateProblem,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// None of the authorities that are trusted has signed it.
    UnknownIssuer,
    /// It has expired.
    Expired {
        /// The last second of its validity.
        not_after: Option<UnixTime>,
    },
    /// It is not valid yet. Often the clock is wrong that says so.
    NotYetValid {
        /// The first second of its validity.
        not_before: Option<UnixTime>,
    },
    /// It belongs to another host.
    WrongHost {
        /// The host that was to be reached.
        expected: Option<ServerName<'static>>,
        /// The names in the certificate.
        valid_for: Vec<String>,
    },
    /// Its public key is not among the pins.
    NotPinned {
        /// The pin that it would need.
        found: Pin,
    },
    /// Something else.
    Other(rustls::CertificateError),
}

impl CertificateProblem {
    pub(crate) fn of(error: rustls::CertificateError) -> Self {
        use rustls::CertificateError as E;

        match error {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Expired => Self::Expired { not_after: None },
            E::ExpiredContext { not_after, .. } => Self::Expired {
                not_after: Some(not_after),
            },
            E::NotValidYet => Self::NotYetValid { not_before: None },
            E::NotValidYetContext { not_before, .. } => Self::NotYetValid {
                not_before: Some(not_before),
            },
            E::NotValidForName => Self::WrongHost {
                expected: None,
                valid_for: Vec::new(),
            },
            E::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongHost {
                expected: Some(expected),
                valid_for: presented,
            },
            error => Self::Other(error),
        }
    }
}

impl CertificateError {
    /// Returns what our verifier has wrapped up, or what another one has said.
    fn unwrap(error: rustls::CertificateError) -> Self {
        if let rustls::CertificateError::Other(OtherError(other)) = &error {
            if let Some(error) = other.downcast_ref::<Self>() {
                return error.clone();
            }
        }
        Self {
            subject: None,
            issuer: None,
            problem: CertificateProblem::of(error),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's certificate ")?;
        if let (Some(subject), Some(issuer)) = (&self.subject, &self.issuer) {
            write!(f, "(subject {subject}, issuer {issuer}) ")?;
        }
        match &self.problem {
            CertificateProblem::UnknownIssuer => {
                f.write_str("is not signed by a known authority")?;
                match (&self.subject, &self.issuer) {
                    (Some(subject), Some(issuer)) if subject == issuer => {
                        f.write_str(", but by itself")
                    }
                    _ => Ok(()),
                }
            }
            CertificateProblem::Expired { not_after } => {
                f.write_str("has expired")?;
                on(f, *not_after)
            }
            CertificateProblem::NotYetValid { not_before } => {
                f.write_str("is not valid yet")?;
                if not_before.is_some() {
                    f.write_str(", it begins")?;
                }
                on(f, *not_before)
            }
            CertificateProblem::WrongHost {
                expected,
                valid_for,
            } => {
                f.write_str("is not valid for ")?;
                match expected {
                    Some(host) => write!(f, "host '{}'", host.to_str())?,
                    None => f.write_str("this host")?,
                }
                if !valid_for.is_empty() {
                    f.write_str(", only for ")?;
                    for (n, name) in valid_for.iter().enumerate() {
                        write!(f, "{}{name}", if n == 0 { "" } else { ", " })?;
                    }
                }
                Ok(())
            }
            CertificateProblem::NotPinned { found } => {
                write!(f, "has a public key that is not pinned: {found}")
            }
            CertificateProblem::Other(error) => write!(f, "is not acceptable: {error}"),
        }
    }
}

impl error::Error for CertificateError {}

fn on(f: &mut fmt::Formatter<'_>, time: Option<UnixTime>) -> fmt::Result {
    let Some(time) = time else { return Ok(()) };
    match DateTime::from_unix_duration(Duration::from_secs(time.as_secs())) {
        Ok(date) => write!(
            f,
            " on {:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        ),
        Err(_) => Ok(()),
    }
}

/// Why there is no connector.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no certificate in it.
    NoCertificate(Origin),
    /// There is no private key in it.
    NoKey(Origin),
    /// The private key is encrypted, which is not supported.
    EncryptedKey(Origin),
    /// It is damaged.
    Malformed(Origin, String),
    /// The private key is of a kind that cannot be used.
    UnusableKey(Origin, rustls::Error),
    /// The private key is another certificate's.
    KeyMismatch {
        /// Where the certificate is from.
        certificate: Origin,
        /// Where the key is from.
        key: Origin,
    },
    /// The system has no certificates of authorities, and there are no others.
    NoSystemRoots(String),
    /// The features `ring` and `aws-lc-rs` are both off, and no other cryptography was given.
    NoProvider,
    /// The cryptography given is not enough for TLS 1.2 and 1.3.
    Provider(rustls::Error),
}

/// Where something is from, for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Memory, and what it is meant to be.
    Memory(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(what) => write!(f, "what was given as {what}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoCertificate(origin) => write!(f, "there is no PEM certificate in {origin}"),
            Self::NoKey(origin) => write!(f, "there is no PEM private key in {origin}"),
            Self::EncryptedKey(origin) => write!(
                f,
                "the private key in {origin} is encrypted; decrypt it first (openssl pkey)"
            ),
            Self::Malformed(origin, what) => write!(f, "{origin} is damaged: {what}"),
            Self::UnusableKey(origin, error) => {
                write!(f, "the private key in {origin} cannot be used: {error}")
            }
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {key} does not belong to the certificate in {certificate}"
            ),
            Self::NoSystemRoots(why) => {
                f.write_str("the system has no certificates of authorities")?;
                if !why.is_empty() {
                    write!(f, ": {why}")?;
                }
                Ok(())
            }
            Self::NoProvider => f.write_str(
                "no cryptography: enable the feature `ring` or `aws-lc-rs`, or give a provider",
            ),
            Self::Provider(error) => write!(f, "the cryptography cannot be used: {error}"),
        }
    }
}

impl error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::UnusableKey(_, error) | Self::Provider(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        let kind = match &error {
            ConfigError::File { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
