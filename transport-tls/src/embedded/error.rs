use core::fmt;

use embedded_io::ErrorKind;
use embedded_tls::TlsError;
use embedded_tls::alert::AlertDescription;

use crate::Pin;

/// Why a connection was not made, or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream below failed.
    Stream(ErrorKind),
    /// What the server sends is not TLS.
    NotTls,
    /// The server does not speak TLS 1.3, or only with what we do not: it must have AES-128-GCM and
    /// P-256, and a certificate for a key on P-256 or P-384.
    Incompatible,
    /// The server ended the connection during the handshake, without a word.
    ClosedInHandshake,
    /// No authority that is trusted has signed the server's certificate.
    UnknownIssuer,
    /// One of the server's certificates has expired.
    Expired {
        /// The last second of its validity, since 1970.
        not_after: u64,
    },
    /// One of the server's certificates is not valid yet. Often the clock is wrong that says so.
    NotYetValid {
        /// The first second of its validity, since 1970.
        not_before: u64,
    },
    /// The server's certificate belongs to another host.
    WrongHost,
    /// The server's public key is not among the pins.
    NotPinned {
        /// The pin that it would need.
        found: Pin,
    },
    /// There is something else wrong with one of the server's certificates.
    Certificate(webpki::Error),
    /// The server's certificate has a key that is neither on P-256 nor on P-384.
    UnsupportedKey,
    /// The server did not prove that it has the key of its certificate.
    NotAuthenticated,
    /// The server demands a client certificate, and there is none.
    ///
    /// This shows after the handshake, at the first read.
    ClientCertificateRequired,
    /// The server ended the connection during the handshake with this alert.
    Alert(AlertDescription),
    /// The server ended the connection with an alert. At the first read, with a client certificate,
    /// it means that the server does not accept that.
    EndedByAlert,
    /// The stream ended without TLS's own end (`close_notify`). Somebody may have cut it.
    Truncated,
    /// The server has ended the connection, and nothing can be written anymore.
    Closed,
    /// The host is neither a name nor an IP address.
    InvalidName,
    /// The certificate of an authority is damaged.
    InvalidAuthority,
    /// The client's private key is damaged, or is not on P-256.
    InvalidKey,
    /// A buffer is too small: for reading, for a record of the server's; for writing, for the
    /// client's certificate.
    BufferTooSmall,
    /// The server does what `embedded-tls` does not support, a change of keys for instance.
    Unsupported,
    /// Anything else: the server broke the protocol, or something between did.
    Protocol(TlsError),
}

impl Error {
    /// Whether it is the stream's and may be gone at the next try, since no byte is lost by it.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Stream(ErrorKind::TimedOut | ErrorKind::Interrupted)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(kind) => return write!(f, "the stream below TLS failed: {kind}"),
            Self::NotTls => "the server does not speak TLS (is this a plain port?)",
            Self::Incompatible => "server and client have no TLS 1.3 in common",
            Self::ClosedInHandshake => {
                "the server ended the connection during the TLS handshake (is this a plain port?)"
            }
            Self::UnknownIssuer => "the server's certificate is not signed by a known authority",
            Self::Expired { not_after } => {
                return write!(
                    f,
                    "the server's certificate has expired, {not_after} s after 1970"
                );
            }
            Self::NotYetValid { not_before } => {
                return write!(
                    f,
                    "the server's certificate is not valid yet, not before {not_before} s after 1970"
                );
            }
            Self::WrongHost => "the server's certificate is not valid for this host",
            Self::NotPinned { found } => {
                return write!(
                    f,
                    "the server's certificate has a public key that is not pinned: {found:?}"
                );
            }
            Self::Certificate(error) => {
                return write!(f, "the server's certificate is not acceptable: {error:?}");
            }
            Self::UnsupportedKey => {
                "the server's certificate has a key that is neither on P-256 nor on P-384"
            }
            Self::NotAuthenticated => {
                "the server did not prove that it has the key of its certificate"
            }
            Self::ClientCertificateRequired => "the server demands a client certificate",
            Self::Alert(alert) => {
                return write!(f, "the server ended the TLS handshake: alert {alert:?}");
            }
            Self::EndedByAlert => "the server ended the TLS connection with an alert",
            Self::Truncated => "the connection ended without TLS's end of stream (close_notify)",
            Self::Closed => "the server has ended the TLS connection",
            Self::InvalidName => "the host is neither a name nor an IP address",
            Self::InvalidAuthority => "the authority's certificate is damaged",
            Self::InvalidKey => "the client's private key is damaged, or is not on P-256",
            Self::BufferTooSmall => "a buffer for TLS is too small",
            Self::Unsupported => "the server does what this TLS does not support",
            Self::Protocol(error) => return write!(f, "TLS failed: {error}"),
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream(kind) => *kind,
            Self::ClosedInHandshake => ErrorKind::ConnectionAborted,
            Self::Truncated => ErrorKind::ConnectionReset,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::ClientCertificateRequired => ErrorKind::PermissionDenied,
            Self::InvalidName | Self::InvalidAuthority | Self::InvalidKey => {
                ErrorKind::InvalidInput
            }
            Self::BufferTooSmall => ErrorKind::OutOfMemory,
            Self::Unsupported | Self::Incompatible => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidData,
        }
    }
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Io(kind) => Self::Stream(kind),
            TlsError::InsufficientSpace | TlsError::OutOfMemory | TlsError::EncodeError => {
                Self::BufferTooSmall
            }
            TlsError::Unimplemented => Self::Unsupported,
            TlsError::MissingHandshake => Self::Closed,
            TlsError::HandshakeAborted(_, alert) => match alert {
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity => Self::Incompatible,
                AlertDescription::CertificateRequired => Self::ClientCertificateRequired,
                alert => Self::Alert(alert),
            },
            error => Self::Protocol(error),
        }
    }
}
