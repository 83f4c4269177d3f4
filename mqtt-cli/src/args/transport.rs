//! Options of TLS, `WebSocket` and proxies.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use mqtt_client::net::{self, Proxy};
use mqtt_client::uri::Scheme;
use transport_tls::{Connector, Identity, Options, Pin, Roots, Source, Verification};

use super::values::header;
use crate::failure::Failure;

/// How to reach the broker.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Transport")]
pub(crate) struct TransportArgs {
    /// Connect by WebSocket; in --url, say ws:// or wss:// instead
    #[arg(long, conflicts_with = "url")]
    ws: bool,
    /// The path of the WebSocket [default: /mqtt]
    #[arg(long, value_name = "PATH", requires = "ws", conflicts_with = "url")]
    pub(super) ws_path: Option<String>,
    /// A further header for the WebSocket, such as 'X-Token: 1234'; repeatable
    #[arg(long, value_name = "HEADER", value_parser = header)]
    ws_header: Vec<(String, String)>,
    /// Show user name and password to the web server, too, by basic authentication
    #[arg(long)]
    ws_basic_auth: bool,
    /// Connect through a proxy: http://user:password@host:port, or socks5://
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Any of these means TLS.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS (any of these options switches it on)")]
struct TlsArgs {
    /// Trust only the authorities with certificates in this PEM file
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Trust only the authorities with certificates in the PEM files of this directory
    #[arg(long, value_name = "DIRECTORY")]
    capath: Option<PathBuf>,
    /// Trust the authorities that the system trusts [default, without the options above]
    #[arg(long)]
    tls_use_os_certs: bool,
    /// The client's own certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Trust only this public key (sha256/BASE64), on top of all other checks; repeatable
    #[arg(long, value_name = "PIN")]
    pin: Vec<Pin>,
    /// Ask for this application protocol; repeatable
    #[arg(long, visible_alias = "alpn", value_name = "PROTOCOL")]
    tls_alpn: Vec<String>,
    /// Do not check that the certificate belongs to the host: others can pose as the broker
    #[arg(long)]
    insecure: bool,
    /// Do not check the certificate at all but for --pin: anybody can pose as the broker
    #[arg(long, conflicts_with = "insecure")]
    dangerously_skip_verification: bool,
    /// Write the secrets to the file that SSLKEYLOGFILE names, for Wireshark
    #[arg(long)]
    tls_keylog: bool,
}

impl TransportArgs {
    /// The scheme that these options make of another one.
    pub(super) fn scheme(&self, named: Scheme) -> Scheme {
        let is_tls = named.is_tls() || self.tls.is_given();
        match (is_tls, named.is_ws() || self.ws) {
            (false, false) => Scheme::Mqtt,
            (true, false) => Scheme::Mqtts,
            (false, true) => Scheme::Ws,
            (true, true) => Scheme::Wss,
        }
    }

    /// True if these options say something of a certain broker, and not only how to reach one.
    pub(super) fn is_for_a_broker(&self) -> bool {
        self.tls.is_given() || self.proxy.is_some()
    }

    /// The checks that concern more than one option.
    pub(super) fn check(&self, scheme: Scheme) -> Result<(), Failure> {
        let is_ws_given = self.ws_basic_auth || !self.ws_header.is_empty();
        if is_ws_given && !scheme.is_ws() {
            return Err(Failure::usage(
                "--ws-header and --ws-basic-auth need a WebSocket: add --ws, or ws:// in --url",
            ));
        }
        if self.tls.tls_keylog && env::var_os("SSLKEYLOGFILE").is_none() {
            return Err(Failure::usage(
                "--tls-keylog needs a file named by the environment variable SSLKEYLOGFILE",
            ));
        }
        Ok(())
    }

    /// The same for [`net::connect`]. Certificates are read here.
    pub(super) fn options(&self, scheme: Scheme) -> Result<net::Options, Failure> {
        let tls = if scheme.is_tls() {
            Some(self.tls.connector()?)
        } else {
            None
        };
        Ok(net::Options {
            tls,
            ws: transport_ws::Options {
                headers: self.ws_header.clone(),
                ..transport_ws::Options::default()
            },
            ws_basic_auth: self.ws_basic_auth,
            proxy: self.proxy.clone(),
            ..net::Options::default()
        })
    }
}

impl TlsArgs {
    fn is_given(&self) -> bool {
        self.cafile.is_some()
            || self.capath.is_some()
            || self.tls_use_os_certs
            || self.cert.is_some()
            || !self.pin.is_empty()
            || !self.tls_alpn.is_empty()
            || self.insecure
            || self.dangerously_skip_verification
            || self.tls_keylog
    }

    fn connector(&self) -> Result<Connector, Failure> {
        let mut sources: Vec<_> = self.cafile.iter().cloned().map(Source::File).collect();
        if let Some(directory) = &self.capath {
            let files = certificates(directory).map_err(|error| {
                Failure::file(
                    format_args!("the directory {}", directory.display()),
                    &error,
                )
            })?;
            if files.is_empty() {
                return Err(Failure::new(format!(
                    "There are no certificates in the directory {}: their names end with .pem, \
                     .crt or .cer, or are those that openssl rehash makes.",
                    directory.display()
                )));
            }
            sources.extend(files.into_iter().map(Source::File));
        }
        let roots = match (&*sources, self.tls_use_os_certs) {
            ([], _) => Roots::System,
            (_, false) => Roots::Only(sources),
            (_, true) => Roots::SystemAnd(sources),
        };
        let identity = self.cert.clone().zip(self.key.clone());
        let options = Options {
            roots,
            identity: identity.map(|(certificate, key)| Identity {
                certificate: Source::File(certificate),
                key: Source::File(key),
            }),
            pins: self.pin.clone(),
            verification: if self.dangerously_skip_verification {
                Verification::DangerouslySkipAll
            } else if self.insecure {
                Verification::DangerouslySkipHostName
            } else {
                Verification::Full
            },
            alpn: self.tls_alpn.iter().map(|p| p.as_bytes().into()).collect(),
            key_log: self.tls_keylog,
            ..Options::default()
        };
        Connector::new(&options).map_err(|error| Failure::tls_config(&error))
    }
}

/// The files of a directory that look like certificates.
fn certificates(directory: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_certificate = ["pem", "crt", "cer"]
            .iter()
            .any(|known| extension == *known);
        if is_certificate || is_hash(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Eight hexadecimal digits and a number.
fn is_hash(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let parts = name.and_then(|name| name.split_once('.'));
    parts.is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
            && number.parse::<u8>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates() {
        for (name, expected) in [("9d66eef0.0", true), ("9d66eef0.r0", false), ("a.0", false)] {
            assert_eq!(is_hash(Path::new(name)), expected, "{name}");
        }
    }
}
