//! How the drivers of this project are told where to connect.

use std::error::Error;

use mqtt_client::net::{self, transport_tls};
use mqtt_client::uri::Endpoint;

use crate::job::{Job, Transport};
use crate::socket::HOST;

/// The broker, and how to connect to it.
///
/// # Errors
/// There is no certificate in the job's file.
pub fn endpoint(job: &Job) -> Result<(Endpoint, net::Options), Box<dyn Error>> {
    let mut options = net::Options::default();
    if let Some(nodelay) = job.nodelay {
        options.tcp.nodelay = nodelay;
    }
    let (scheme, host) = match job.transport {
        Transport::Tcp => ("mqtt", "127.0.0.1"),
        Transport::Ws => ("ws", "127.0.0.1"),
        Transport::Tls => {
            options.tls = Some(transport_tls::Connector::new(&transport_tls::Options {
                roots: transport_tls::Roots::Only(vec![transport_tls::Source::File(
                    job.ca.clone().into(),
                )]),
                ..transport_tls::Options::default()
            })?);
            ("mqtts", HOST)
        }
    };
    Ok((format!("{scheme}://{host}:{}", job.port).parse()?, options))
}
