//! What the clients of this project are told, each in the same way.

use std::error::Error;

use mqtt_client::net::{self, transport_tls};
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, QoS, Version};

use crate::job::{Job, Transport};
use crate::socket::HOST;
use crate::{CLIENT_ID, TOPIC};

/// The configuration of the protocol.
#[must_use]
pub fn config(job: &Job) -> Config<'static> {
    Config {
        version: if job.level == 5 {
            Version::V5
        } else {
            Version::V311
        },
        ..Config::new(CLIENT_ID)
    }
}

/// The quality of service.
#[must_use]
pub fn qos(qos: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}

/// How large a transmit buffer has to be for a window of messages, which QoS 0 has none of. It is a
/// third more than they are, as control packets have a quarter.
#[must_use]
pub fn window_len(job: &Job) -> usize {
    let window = usize::from(job.window) * usize::from(job.qos.min(1));
    window * (job.size + TOPIC.len() + 16) * 4 / 3
}

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
