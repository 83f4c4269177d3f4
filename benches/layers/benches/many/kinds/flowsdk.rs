//! `flowsdk`'s client for tokio, with its defaults but for the delays.

use flowsdk::mqtt_client::{
    MqttClientOptions, TokioAsyncClientConfig, TokioAsyncMqttClient, TokioMqttEventHandler,
};

use super::{Client, HOST, PAYLOAD, TOPIC};
use crate::Outcome;

pub(super) struct Flowsdk(TokioAsyncMqttClient);

struct Deaf;

#[async_trait::async_trait]
impl TokioMqttEventHandler for Deaf {}

impl Client for Flowsdk {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let options = MqttClientOptions::builder()
            .peer(format!("{HOST}:{port}"))
            .client_id(id)
            .mqtt_version(5)
            .build();
        let config = TokioAsyncClientConfig::builder()
            .auto_reconnect(true)
            .max_reconnect_delay_ms(1)
            .build();
        let client = TokioAsyncMqttClient::new(options, Box::new(Deaf), config).await?;
        client.connect_sync().await?;
        Ok(Self(client))
    }

    async fn publish(&self) -> Outcome<()> {
        self.0.publish_sync(TOPIC, PAYLOAD, 1, false).await?;
        Ok(())
    }
}
