//! `rumqttc-v5-next`, with its defaults but for what is said.

use rumqttc_next::mqttbytes::QoS;
use rumqttc_next::{AsyncClient, MqttOptions, PublishOptions};

use super::{Client, HOST, PAYLOAD, TOPIC};
use crate::Outcome;

/// With so many messages in flight at most.
pub(super) struct Next<const IN_FLIGHT: u16>(AsyncClient);

impl<const IN_FLIGHT: u16> Client for Next<IN_FLIGHT> {
    async fn start(port: u16, id: String) -> Outcome<Self> {
        let mut options = MqttOptions::new(id, (HOST, port));
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        // As many requests as in its example.
        let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
        tokio::spawn(async move {
            loop {
                drop(events.poll().await);
            }
        });
        Ok(Self(client))
    }

    async fn publish(&self) -> Outcome<()> {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        Ok(self.0.publish(TOPIC, PAYLOAD, options).await?)
    }
}
