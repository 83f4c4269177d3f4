//! The driver for tokio.

use std::io;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use mqtt_client::mqtt_core::wire::ReasonCode;
use mqtt_client::tokio::{
    Backoff, Client, DeliveryError, Options, PublishError, Server, Subscription,
};
use mqtt_client::{Config, Message, QoS, net};
use testkit::Tap;
use tokio::select;
use tokio::time::sleep;

use super::{Context, IN_FLIGHT, ONLINE, Pace, TIMEOUT, TURN, is_complete};
use crate::ledger::lock;
use crate::payload::Name;
use crate::wire::Wire;

/// How long the orderly end may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What became of a message.
type Outcome = (Name, Result<ReasonCode, DeliveryError>);

pub(crate) async fn run(context: Context) {
    let ledger = context.ledger.clone();
    let is_v5 = context.lane.version() == mqtt_client::Version::V5;
    let config = Config {
        automatic_topic_aliases: is_v5,
        topic_alias_maximum: if is_v5 { 10 } else { 0 },
        ..context.config()
    };
    let options = Options {
        max_in_flight: IN_FLIGHT,
        backoff: Backoff {
            initial: Duration::from_millis(20),
            max: Duration::from_millis(100),
        },
        open_timeout: TIMEOUT,
        ..Options::default()
    };
    let client = match Client::new(&config, [server(&context)], options) {
        Ok(client) => client,
        Err(error) => return lock(&ledger).problem(format!("no client: {error}")),
    };
    client.start();
    let mut messages = match client.subscribe(&context.filter(), QoS::ExactlyOnce).await {
        Ok(messages) => messages,
        Err(error) => return lock(&ledger).problem(format!("no subscription: {error}")),
    };
    select! {
        () = receive(&client, &mut messages, &context) => {}
        () = publish(&client, &context) => {}
    }
    if let Err(error) = client.disconnect(FAREWELL).await {
        lock(&ledger).note(format!("disconnect: {error}"));
    }
}

/// Opens streams that the ledger knows of.
fn server(context: &Context) -> Server {
    let (endpoint, options) = (context.endpoint.clone(), context.options.clone());
    let (version, ledger) = (context.lane.version(), context.ledger.clone());
    Server::new("proxy", move || {
        let (endpoint, options, ledger) = (endpoint.clone(), options.clone(), ledger.clone());
        async move {
            lock(&ledger).begin();
            match net::tokio::connect(&endpoint, &options).await {
                Ok(stream) => Ok(Tap::new(stream, Wire::new(version, &ledger))),
                Err(error) => {
                    lock(&ledger).end(&error.to_string());
                    Err(io::Error::other(error.to_string()))
                }
            }
        }
    })
}

async fn receive(client: &Client, messages: &mut Subscription, context: &Context) {
    loop {
        let message = select! {
            message = messages.recv() => message,
            () = sleep(TURN) => {
                if lock(&context.ledger).is_deaf() {
                    // The new one takes over what comes for the old one.
                    match client.subscribe(&context.filter(), QoS::ExactlyOnce).await {
                        Ok(again) => *messages = again,
                        Err(error) => lock(&context.ledger).problem(format!("subscribe: {error}")),
                    }
                }
                continue;
            }
        };
        let mut ledger = lock(&context.ledger);
        match message {
            Some(Ok(message)) => match Name::of(&message.payload) {
                Some(name) if name.qos == message.qos as u8 => ledger.arrived(name),
                other => ledger.problem(format!("damaged: {other:?} at {:?}", message.qos)),
            },
            Some(Err(gap)) => ledger.problem(format!("a gap: {gap}")),
            None => return ledger.problem("the subscription has ended"),
        }
    }
}

/// Publishes until the end.
async fn publish(client: &Client, context: &Context) {
    let mut pace = Pace::new(context);
    let mut open = FuturesUnordered::new();
    loop {
        if context.control.is_aborted() {
            return;
        }
        if context.control.is_finishing() {
            if open.is_empty() && lock(&context.ledger).is_subscribed() {
                if is_complete(context, &pace) {
                    return;
                }
                if pace.is_last_due() {
                    for &qos in context.lane.levels() {
                        open.extend(one(client, context, qos).await);
                    }
                }
            }
        } else if open.len() < ONLINE
            && let Some(qos) = pace.take()
        {
            open.extend(one(client, context, qos).await);
        }
        select! {
            Some(outcome) = open.next() => account(context, outcome),
            () = sleep(pace.patience()) => {}
        }
    }
}

/// Publishes a message, and returns a future of what becomes of it.
async fn one(
    client: &Client,
    context: &Context,
    qos: QoS,
) -> Option<impl Future<Output = Outcome> + use<>> {
    let name = lock(&context.ledger).publish(qos as u8);
    let (topic, payload) = (context.topic(qos), name.payload());
    match client
        .publish(&Message::new(&topic, &payload).qos(qos))
        .await
    {
        Ok(publication) => Some(async move { (name, publication.await) }),
        Err(error) => {
            let mut ledger = lock(&context.ledger);
            ledger.withdraw(name);
            if error != PublishError::QueueFull {
                ledger.problem(format!("publish: {error}"));
            }
            None
        }
    }
}

fn account(context: &Context, (name, outcome): Outcome) {
    let mut ledger = lock(&context.ledger);
    match outcome {
        Ok(ReasonCode::Success | ReasonCode::NoMatchingSubscribers) => ledger.through(name),
        Ok(code) => ledger.note(format!("the broker says {code:?} to {name}")),
        // At QoS 0 it was not sent to its end.
        Err(DeliveryError::Lost) if name.qos == 0 => {}
        Err(DeliveryError::Lost) => ledger.lost(name),
        Err(error) => ledger.problem(format!("{name}: {error}")),
    }
}
