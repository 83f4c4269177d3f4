//! `rumqttc-v5-next`: with its defaults, and with requests in batches of 64.

use std::error::Error;

use e2e::engine;
use e2e::job::{self, Job, Outcome};
use e2e::socket::{HOST, tls_config};
use e2e::{CLIENT_ID, TOPIC};
use rumqttc_next::mqttbytes::QoS;
use rumqttc_next::mqttbytes::v5::Packet;
use rumqttc_next::{
    AsyncClient, Broker, Event, EventLoop, MqttOptions, NetworkOptions, PublishOptions,
    TlsConfiguration, Transport,
};

e2e::poll_loop!(|client, qos, payload| client.publish(TOPIC, payload, PublishOptions::new(qos)));

async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let mut options = match job.transport {
        job::Transport::Tcp => MqttOptions::new(CLIENT_ID, ("127.0.0.1", job.port)),
        job::Transport::Tls => {
            let mut options = MqttOptions::new(CLIENT_ID, (HOST, job.port));
            let config = TlsConfiguration::Rustls(tls_config(job)?);
            options.set_transport(Transport::tls_with_config(config));
            options
        }
        job::Transport::Ws => {
            let url = format!("ws://127.0.0.1:{}/", job.port);
            MqttOptions::new(CLIENT_ID, Broker::websocket(url)?)
        }
    };
    options.set_outgoing_inflight_upper_limit(job.window);
    if job.client == "batch" {
        options.set_max_request_batch(64);
    }
    let mut network = NetworkOptions::new();
    if let Some(nodelay) = job.nodelay {
        network.set_tcp_nodelay(nodelay);
    }
    options.set_network_options(network);
    let (client, events) = AsyncClient::builder(options).capacity(REQUESTS).build();
    work(job, client, events).await
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(|job| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(run(job))
    })
}
