//! `mqtt5`, with its defaults but for the delays.

use std::time::Duration;

use mqtt5::{ConnectOptions, MqttClient};

use super::{Client, HOST, PAYLOAD, TOPIC};
use crate::Outcome;

pub(super) struct Mqtt5(MqttClient);

impl Client for Mqtt5 {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let options = ConnectOptions::new(id)
            .with_automatic_reconnect(true)
            .with_reconnect_delay(Duration::ZERO, Duration::from_millis(1));
        let client = MqttClient::with_options(options);
        client.connect(&format!("mqtt://{HOST}:{port}")).await?;
        Ok(Self(client))
    }

    async fn publish(&self) -> Outcome<()> {
        self.0.publish_qos1(TOPIC, PAYLOAD).await?;
        Ok(())
    }
}
