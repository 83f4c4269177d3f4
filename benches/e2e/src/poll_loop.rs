//! How clients of rumqttc's shape are driven: a task that publishes, and one that polls.

/// Defines `work`, which does a job with the `AsyncClient` and the `EventLoop` in scope, given how
/// to publish to a topic.
#[macro_export]
macro_rules! poll_loop {
    (|$client:ident, $qos:ident, $payload:ident| $publish:expr) => {
        /// How many requests may wait for the task that polls.
        const REQUESTS: usize = 4096;

        /// How many messages are published between two looks at the clock.
        const STRIDE: u64 = 32;

        type Published = Result<(), Box<dyn Error + Send + Sync>>;

        async fn publish($client: &AsyncClient, $qos: QoS, $payload: bytes::Bytes) -> Published {
            Ok($publish.await?)
        }

        async fn work(
            job: &Job,
            client: AsyncClient,
            mut events: EventLoop,
        ) -> Result<Outcome, Box<dyn Error>> {
            use $crate::job::Work;

            while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
            match job.work {
                Work::Publish => publish_all(job, client, events).await,
                Work::Receive | Work::Slow => receive_all(job, &client, events).await,
                Work::Latency => pace(job, client, events).await,
            }
        }

        fn level(qos: u8) -> QoS {
            [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
        }

        async fn publish_all(
            job: &Job,
            client: AsyncClient,
            mut events: EventLoop,
        ) -> Result<Outcome, Box<dyn Error>> {
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU64, Ordering};

            use bytes::Bytes;
            use $crate::END;
            use $crate::meter::Meter;

            let payload = Bytes::from(job.payload());
            // What there is to wait for, once that is known.
            let expected = Arc::new(AtomicU64::new(u64::MAX));
            let meter = Meter::start(job);
            let publisher = tokio::spawn({
                let (expected, qos) = (Arc::clone(&expected), job.qos);
                async move {
                    let mut sent = 0;
                    while !meter.is_over() {
                        for _ in 0..STRIDE {
                            publish(&client, level(qos), payload.clone()).await?;
                        }
                        sent += STRIDE;
                    }
                    let acknowledged = if qos == 0 { 0 } else { sent };
                    expected.store(acknowledged + 1, Ordering::Relaxed);
                    // When this is acknowledged, all QoS 0 before it has arrived.
                    publish(&client, QoS::AtLeastOnce, Bytes::from_static(END)).await?;
                    // Without a client the loop would end.
                    Ok::<_, Box<dyn Error + Send + Sync>>((sent, client))
                }
            });
            let mut published = 0;
            while published < expected.load(Ordering::Relaxed) {
                if let Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) =
                    events.poll().await?
                {
                    published += 1;
                }
            }
            let outcome = meter.stop(0);
            let (sent, _client) = publisher.await?.map_err(|error| error.to_string())?;
            Ok(Outcome {
                messages: sent,
                ..outcome
            })
        }

        async fn receive_all(
            job: &Job,
            client: &AsyncClient,
            mut events: EventLoop,
        ) -> Result<Outcome, Box<dyn Error>> {
            use bytes::Bytes;
            use $crate::engine::Seen;
            use $crate::job::Work;
            use $crate::meter::Meter;
            use $crate::{READY, TOPIC};

            let expected = job.payload();
            client.subscribe(TOPIC, level(job.qos)).await?;
            while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
            let mut seen = Seen::default();
            let meter = Meter::start(job);
            publish(client, QoS::AtMostOnce, Bytes::from_static(READY))
                .await
                .map_err(|error| error.to_string())?;
            while !seen.is_over {
                if let Event::Incoming(Packet::Publish(publish)) = events.poll().await? {
                    seen.message(&publish.payload, &expected)?;
                    if job.work == Work::Slow {
                        if meter.is_over() {
                            break;
                        }
                        tokio::time::sleep(job.pause()).await;
                    }
                }
            }
            Ok(meter.stop(seen.received))
        }

        async fn pace(
            job: &Job,
            client: AsyncClient,
            mut events: EventLoop,
        ) -> Result<Outcome, Box<dyn Error>> {
            use $crate::pace::{Latencies, Schedule};

            let payload = bytes::Bytes::from(job.payload());
            let qos = level(job.qos);
            let runtime = tokio::runtime::Handle::current();
            let schedule = Schedule::start(job);
            let mut latencies = Latencies::new(schedule, job);
            let publisher = std::thread::spawn(move || {
                for n in 0.. {
                    if !schedule.wait(n) {
                        break;
                    }
                    runtime.block_on(publish(&client, qos, payload.clone()))?;
                }
                // Without a client the loop would end.
                Ok::<_, Box<dyn Error + Send + Sync>>(client)
            });
            while !latencies.is_done() {
                if let Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) =
                    events.poll().await?
                {
                    latencies.end();
                }
            }
            let outcome = latencies.stop();
            let publisher = publisher.join().map_err(|_| "the publisher panicked")?;
            publisher.map_err(|error| error.to_string())?;
            Ok(outcome)
        }
    };
}
