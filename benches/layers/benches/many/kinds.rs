//! The kinds of clients.

mod flowsdk;
mod mqtt5;
mod ours;
mod rumqttc;
mod rumqttc_next;

use std::io;
use std::thread;

use layers::package;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::state::State;

/// A kind of client.
pub(crate) struct Kind {
    /// With the version where it is a package.
    pub(crate) name: fn() -> String,
    /// The protocol's version.
    pub(crate) version: &'static str,
    /// How many there are.
    pub(crate) connections: usize,
    /// Whether it connects again by itself.
    pub(crate) reconnects: bool,
    /// Does as it is told on the standard input, with so many clients of the broker at that port.
    pub(crate) run: fn(u16, usize) -> Outcome<()>,
}

const MANY: usize = 1000;
const FEW: usize = 20;

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: || "mqtt-client tokio".to_owned(),
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<ours::Tokio>,
    },
    Kind {
        name: || "mqtt-client tokio, smallest buffers".to_owned(),
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<ours::Smallest>,
    },
    Kind {
        name: || "mqtt-client tokio, default delays".to_owned(),
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<ours::Patient>,
    },
    Kind {
        name: || "mqtt-client blocking, smallest buffers".to_owned(),
        version: "5.0",
        connections: MANY,
        reconnects: false,
        run: ours::blocking,
    },
    Kind {
        name: || package("rumqttc"),
        version: "3.1.1",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<rumqttc::V4>,
    },
    Kind {
        name: || package("rumqttc") + ", 256 in flight",
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<rumqttc::V5<256>>,
    },
    Kind {
        name: || package("rumqttc-v5-next") + ", 256 in flight",
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<rumqttc_next::Next<256>>,
    },
    Kind {
        name: || package("mqtt5"),
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<mqtt5::Mqtt5>,
    },
    Kind {
        name: || package("flowsdk"),
        version: "5.0",
        connections: MANY,
        reconnects: true,
        run: on_tokio::<flowsdk::Flowsdk>,
    },
    // Two of the others have tables for 65,535 messages in flight, if nobody tells them otherwise, and
    // there is no memory for a thousand of these.
    Kind {
        name: || "mqtt-client tokio".to_owned(),
        version: "5.0",
        connections: FEW,
        reconnects: true,
        run: on_tokio::<ours::Tokio>,
    },
    Kind {
        name: || package("rumqttc"),
        version: "5.0",
        connections: FEW,
        reconnects: true,
        run: on_tokio::<rumqttc::V5<65_535>>,
    },
    Kind {
        name: || package("rumqttc-v5-next"),
        version: "5.0",
        connections: FEW,
        reconnects: true,
        run: on_tokio::<rumqttc_next::Next<65_535>>,
    },
];

const HOST: &str = "127.0.0.1";
const TOPIC: &str = "plant/line-4/sensor-17";
const PAYLOAD: &[u8] = b"here";

/// A client for tokio.
trait Client: Sized + Send + 'static {
    /// Connects, and keeps connected from then on.
    fn start(port: u16, id: String) -> impl Future<Output = Outcome<Self>> + Send;

    /// Publishes a message at QoS 1.
    fn publish(&self) -> impl Future<Output = Outcome<()>>;
}

/// The identifier of a client.
fn id(number: usize) -> String {
    format!("bench-{number}")
}

fn on_tokio<C: Client>(port: u16, count: usize) -> Outcome<()> {
    let (orders, mut told) = mpsc::unbounded_channel();
    // The runtime should have nothing to do but the clients.
    thread::spawn(move || {
        for line in io::stdin().lines() {
            if orders.send(line).is_err() {
                return;
            }
        }
    });
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let mut clients = Vec::with_capacity(count);
            State::say()?;
            while let Some(order) = told.recv().await {
                match order?.as_str() {
                    "connect" => {
                        let mut starting = JoinSet::new();
                        for number in 0..count {
                            starting.spawn(C::start(port, id(number)));
                        }
                        while let Some(client) = starting.join_next().await {
                            clients.push(client??);
                        }
                    }
                    "publish" => {
                        for client in &clients {
                            client.publish().await?;
                        }
                    }
                    "state" => State::say()?,
                    other => return Err(format!("{other}?").into()),
                }
            }
            Ok(())
        })
}
