use bytes::Bytes;
use mqtt_client::mqtt_core::wire::ReasonCode;
use mqtt_client::tokio::{Client, Options, Server, SubscribeOptions};
use mqtt_client::{Filter, Message, net};
use testkit::machine::{PATIENCE, unique};

use super::{Job, options};

pub(crate) fn run(job: &Job<'_>) -> Vec<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = runtime.block_on(async { tokio::time::timeout(job.patience, exchange(job)).await });
    all.expect("everything in time")
}

async fn exchange(job: &Job<'_>) -> Vec<usize> {
    let (endpoint, net_options) = (job.endpoint.clone(), options(job.certificates));
    let server = Server::new("server", move || {
        let (endpoint, net_options) = (endpoint.clone(), net_options.clone());
        async move { net::tokio::connect(&endpoint, &net_options).await }
    });
    let options = Options {
        max_in_flight: u16::try_from(job.window).unwrap(),
        large_payloads: 64 * 1024 * 1024,
        ..Options::default()
    };
    let id = unique("tokio");
    let client = Client::new(&job.config(&id), [server], options).unwrap();
    client.connect().await.unwrap();
    let topic = unique("numbers");
    let filters = [Filter::new(&topic, job.qos)];
    let queue = SubscribeOptions::default();
    let mut numbers = client.subscribe_with(&filters, queue).await.unwrap();
    assert_eq!(numbers.granted(), [Ok(job.qos)]);

    let publish = async {
        let message = Message::new(&topic, b"").qos(job.qos);
        let mut publications = Vec::new();
        for number in 0..job.count {
            let payload = Bytes::from(job.payload(number));
            publications.push(client.publish_bytes(&message, payload).await.unwrap());
        }
        for publication in publications {
            assert_eq!(publication.await.unwrap(), ReasonCode::Success);
        }
    };
    let receive = async {
        let mut received = Vec::new();
        while received.len() < job.count {
            let message = numbers.recv().await.unwrap().unwrap();
            assert_eq!(message.topic(), topic);
            assert_eq!(message.qos, job.qos);
            received.push(job.number(&message.payload));
        }
        received
    };
    let ((), received) = tokio::join!(publish, receive);
    client.disconnect(PATIENCE).await.unwrap();
    received
}
