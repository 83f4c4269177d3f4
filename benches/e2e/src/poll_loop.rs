//! How clients of rumqttc's shape are driven: a task that publishes, and one that polls.

/// Defines `work`, which does a job with the `AsyncClient` and the `EventLoop` in scope.
#[macro_export]
macro_rules! poll_loop {
    () => {
        /// How many requests may wait for the task that polls.
        const REQUESTS: usize = 4096;

        /// How many messages are published between two looks at the clock.
        const STRIDE: u64 = 32;

        async fn work(
            job: &Job,
            client: AsyncClient,
            mut events: EventLoop,
        ) -> Result<Outcome, Box<dyn Error>> {
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU64, Ordering};

            use bytes::Bytes;
            use $crate::engine::Seen;
            use $crate::job::Work;
            use $crate::meter::Meter;
            use $crate::{END, READY, TOPIC};

            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(job.qos)];
            let payload = Bytes::from(job.payload());
            let mut seen = Seen::default();
            while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}

            if job.work == Work::Receive {
                client.subscribe(TOPIC, qos).await?;
                while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
                let meter = Meter::start(job);
                let ready = Bytes::from_static(READY);
                client
                    .publish_bytes(TOPIC, QoS::AtMostOnce, false, ready)
                    .await?;
                while !seen.is_over {
                    if let Event::Incoming(Packet::Publish(publish)) = events.poll().await? {
                        seen.message(&publish.payload, &payload)?;
                    }
                }
                return Ok(meter.stop(seen.received));
            }

            // What there is to wait for, once that is known.
            let expected = Arc::new(AtomicU64::new(u64::MAX));
            let meter = Meter::start(job);
            let publisher = tokio::spawn({
                let (meter, expected, level) = (meter, Arc::clone(&expected), job.qos);
                async move {
                    let mut sent = 0;
                    while !meter.is_over() {
                        for _ in 0..STRIDE {
                            let payload = payload.clone();
                            client.publish_bytes(TOPIC, qos, false, payload).await?;
                        }
                        sent += STRIDE;
                    }
                    let acknowledged = if level == 0 { 0 } else { sent };
                    expected.store(acknowledged + 1, Ordering::Relaxed);
                    // When this is acknowledged, all QoS 0 before it has arrived.
                    let end = Bytes::from_static(END);
                    client
                        .publish_bytes(TOPIC, QoS::AtLeastOnce, false, end)
                        .await?;
                    // Without a client the loop would end.
                    Ok::<_, Box<dyn Error + Send + Sync>>((sent, client))
                }
            });
            while seen.published < expected.load(Ordering::Relaxed) {
                if let Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) =
                    events.poll().await?
                {
                    seen.published += 1;
                }
            }
            let outcome = meter.stop(0);
            let (sent, _client) = publisher.await?.map_err(|error| error.to_string())?;
            Ok(Outcome {
                messages: sent,
                ..outcome
            })
        }
    };
}
