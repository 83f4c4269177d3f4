//! Streams to the broker, for those who bring none.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::job::{Job, Transport};

/// What the certificate of the broker is for.
pub const HOST: &str = "localhost";

/// A stream to the broker.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A TCP connection, with TCP_NODELAY unless the job says otherwise.
///
/// # Errors
/// What the system says.
pub fn tcp(job: &Job) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", job.port))?;
    stream.set_nodelay(job.nodelay.unwrap_or(true))?;
    Ok(stream)
}

/// Whom all clients on rustls trust, with the cryptography of ring.
///
/// # Errors
/// There is no certificate in the job's file.
pub fn tls_config(job: &Job) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&job.ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The connection of the job, and the TCP connection below.
///
/// # Errors
/// What the system and rustls say.
pub fn connect(job: &Job) -> Result<(Box<dyn Stream>, TcpStream), Box<dyn Error>> {
    let tcp = tcp(job)?;
    let below = tcp.try_clone()?;
    let stream: Box<dyn Stream> = match job.transport {
        Transport::Tcp => Box::new(tcp),
        Transport::Tls => {
            let connection = ClientConnection::new(tls_config(job)?, HOST.try_into()?)?;
            Box::new(StreamOwned::new(connection, tcp))
        }
        Transport::Ws => return Err("no WebSocket here".into()),
    };
    Ok((stream, below))
}
