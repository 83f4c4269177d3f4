//! `rumqttc`, whose 3.1.1 and 5.0 are two clients, with its defaults but for what is said.

use rumqttc::mqttbytes::QoS;
use rumqttc::v5;

use super::{Client, HOST, PAYLOAD, TOPIC};
use crate::Outcome;

/// How many requests its example has room for.
const REQUESTS: usize = 10;

pub(super) struct V4(rumqttc::AsyncClient);

impl Client for V4 {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let options = rumqttc::MqttOptions::new(id, HOST, port);
        let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
        // It connects whenever it is polled and not connected.
        tokio::spawn(async move {
            loop {
                drop(events.poll().await);
            }
        });
        Ok(Self(client))
    }

    async fn publish(&self) -> Outcome<()> {
        Ok(self
            .0
            .publish(TOPIC, QoS::AtLeastOnce, false, PAYLOAD)
            .await?)
    }
}

/// With so many messages in flight at most.
pub(super) struct V5<const IN_FLIGHT: u16>(v5::AsyncClient);

impl<const IN_FLIGHT: u16> Client for V5<IN_FLIGHT> {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let mut options = v5::MqttOptions::new(id, HOST, port);
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let (client, mut events) = v5::AsyncClient::new(options, REQUESTS);
        tokio::spawn(async move {
            loop {
                drop(events.poll().await);
            }
        });
        Ok(Self(client))
    }

    async fn publish(&self) -> Outcome<()> {
        let qos = v5::mqttbytes::QoS::AtLeastOnce;
        Ok(self.0.publish(TOPIC, qos, false, PAYLOAD).await?)
    }
}
