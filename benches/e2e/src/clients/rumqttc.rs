//! `rumqttc`, whose 3.1.1 and 5.0 are two clients.

use std::error::Error;

use e2e::CLIENT_ID;
use e2e::engine;
use e2e::job::{self, Job, Outcome};
use e2e::socket::{HOST, tls_config};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

fn network(job: &Job) -> NetworkOptions {
    let mut network = NetworkOptions::new();
    if let Some(nodelay) = job.nodelay {
        network.set_tcp_nodelay(nodelay);
    }
    network
}

/// What is below MQTT, and whom to connect to.
fn transport(job: &Job) -> Result<(Transport, String), Box<dyn Error>> {
    Ok(match job.transport {
        job::Transport::Tcp => (Transport::Tcp, "127.0.0.1".into()),
        job::Transport::Tls => {
            let config = TlsConfiguration::Rustls(tls_config(job)?);
            (Transport::tls_with_config(config), HOST.into())
        }
        job::Transport::Ws => (Transport::Ws, format!("ws://127.0.0.1:{}/", job.port)),
    })
}

mod v4 {
    use rumqttc::mqttbytes::QoS;
    use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet};

    use super::*;

    e2e::poll_loop!(|client, qos, payload| client.publish_bytes(e2e::TOPIC, qos, false, payload));

    pub(super) async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
        let (transport, host) = transport(job)?;
        let mut options = MqttOptions::new(CLIENT_ID, host, job.port);
        options.set_transport(transport);
        options.set_inflight(job.window);
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        events.set_network_options(network(job));
        work(job, client, events).await
    }
}

mod v5 {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::Packet;
    use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

    use super::*;

    e2e::poll_loop!(|client, qos, payload| client.publish_bytes(e2e::TOPIC, qos, false, payload));

    pub(super) async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
        let (transport, host) = transport(job)?;
        let mut options = MqttOptions::new(CLIENT_ID, host, job.port);
        options.set_transport(transport);
        options.set_outgoing_inflight_upper_limit(job.window);
        options.set_network_options(network(job));
        let (client, events) = AsyncClient::new(options, REQUESTS);
        work(job, client, events).await
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(|job| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            match job.level {
                5 => v5::run(job).await,
                _ => v4::run(job).await,
            }
        })
    })
}
