//! Why there is no connection.

use std::io;

use mqtt_client::net::{self, ProxyError, Step};
use transport_tcp::ConnectError;
use transport_tls::{CertificateProblem, ConfigError, TlsError};
use transport_ws::ResponseError;

use super::Failure;
use crate::args::Target;
use crate::trace::Foreign;

impl Failure {
    /// No connection over which to speak MQTT.
    pub(crate) fn connect(target: &Target, error: &net::Error) -> Self {
        use net::Error as E;
        let advice = match error {
            E::Connect(error) => return Self::tcp(target, error),
            E::Tls(error) => return Self::tls(target, error),
            E::TlsConfig(error) => return Self::tls_config(error),
            E::TimedOut(Step::Proxy) | E::Io(Step::Proxy, _) => "Check --proxy.",
            E::Proxy(error) => proxy_advice(error),
            E::TimedOut(Step::Tls) | E::Io(Step::Tls, _) => "Is this port for TLS?",
            E::TimedOut(Step::WebSocket) | E::Io(Step::WebSocket, _) => {
                "Is this port for WebSockets?"
            }
            E::Request(_) => "Check the path in --url or --ws-path, and --ws-header.",
            E::WebSocket(error) => websocket_advice(error),
            _ => "",
        };
        Self::new(format!("Could not connect to {target}: {error}. {advice}").trim_end())
    }

    fn tcp(target: &Target, error: &ConnectError) -> Self {
        let other = if target.is_url {
            "Choose another in --url."
        } else {
            "Choose another with --host and --port."
        };
        Self::new(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!(
                "Could not connect to {target}: connection refused. \
                 Is a broker running there? {other}"
            ),
            io::ErrorKind::TimedOut => format!(
                "Could not connect to {target}: no answer. \
                 Check the address, and whether a firewall is in the way. {other}"
            ),
            io::ErrorKind::NotFound if error.tried().is_empty() => format!(
                "Could not find the host {}: no address is known for this name. \
                 Check its spelling. {other}",
                target.endpoint.host
            ),
            _ => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                let cause = cause.unwrap_or_else(|| error.to_string());
                format!("Could not connect to {target}: {cause}. {other}")
            }
        })
    }

    fn tls(target: &Target, error: &TlsError) -> Self {
        let advice = match error {
            TlsError::Certificate(error) => match error.problem {
                CertificateProblem::UnknownIssuer => {
                    "If you trust it, name its authority's certificate with --cafile."
                }
                CertificateProblem::Expired { .. } => {
                    "It has to be renewed, if the clock of this machine is right."
                }
                CertificateProblem::NotYetValid { .. } => "Is the clock of this machine right?",
                CertificateProblem::WrongHost { .. } => {
                    "Connect to a name that it is valid for, \
                     or leave this check out with --insecure."
                }
                CertificateProblem::NotPinned { .. } => "If you trust it, give it with --pin.",
                _ => "",
            },
            TlsError::ClientCertificateRequired => "Give one with --cert and --key.",
            TlsError::ClientCertificateRefused(_) => "Choose another with --cert and --key.",
            TlsError::NotTls | TlsError::ClosedInHandshake => {
                "Choose another port, or connect without TLS."
            }
            TlsError::Incompatible(_) => "Is the broker too old, or --tls-alpn wrong?",
            _ => "",
        };
        Self::new(format!("Could not connect to {target}: {error}. {advice}").trim_end())
    }

    /// The options of TLS are of no use.
    pub(crate) fn tls_config(error: &ConfigError) -> Self {
        let advice = match error {
            ConfigError::NoSystemRoots(_) => " Name certificates to trust with --cafile.",
            _ => "",
        };
        Self::new(format!("Could not prepare TLS: {error}.{advice}"))
    }

    /// A connection that was there has failed, or what is at its other end is no broker.
    pub(super) fn stream(target: &Target, error: &io::Error) -> Self {
        let cause = error.get_ref();
        // With TLS 1.3 a client has shown its certificate before it hears what becomes of it.
        if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<TlsError>())
            && matches!(
                error,
                TlsError::ClientCertificateRequired | TlsError::ClientCertificateRefused(_)
            )
        {
            return Self::tls(target, error);
        }
        match cause.and_then(|cause| cause.downcast_ref::<Foreign>()) {
            Some(Foreign::Tls) => Self::new(format!(
                "Could not connect to {target}: the server speaks TLS. Connect with TLS by \
                 --cafile or --tls-use-os-certs, or by mqtts:// in --url."
            )),
            Some(Foreign::Http) => Self::new(format!(
                "Could not connect to {target}: the server speaks HTTP. Connect by WebSocket with \
                 --ws, or with ws:// in --url."
            )),
            None => Self::new(format!("The connection to {target} has failed: {error}.")),
        }
    }
}

const fn proxy_advice(error: &ProxyError) -> &'static str {
    match error {
        ProxyError::Authentication { .. } => {
            "Give them in --proxy, before the host: http://user:password@host."
        }
        ProxyError::ConnectionRefused
        | ProxyError::HostUnreachable
        | ProxyError::NetworkUnreachable => "Check host and port of the broker.",
        _ => "Check --proxy.",
    }
}

const fn websocket_advice(error: &ResponseError) -> &'static str {
    match error {
        ResponseError::Status(401 | 403) => "Give a user name and a password, and --ws-basic-auth.",
        ResponseError::Status(404) => "Choose another path with --ws-path, or in --url.",
        ResponseError::NotHttp | ResponseError::Ended => "Is this port for WebSockets?",
        ResponseError::Protocol => "Is there a broker behind it? Check the path.",
        _ => "",
    }
}
