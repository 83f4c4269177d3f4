//! Who is compared.

use e2e::job::{Job, Transport, Work};

/// A client, as it is run here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// With the version where it is a package; `{}` is where one belongs that only it knows.
    pub(crate) name: &'static str,
    /// Its process.
    program: &'static str,
    /// Which of the program's clients.
    key: &'static str,
    /// What it can do of what is asked here.
    can: fn(&Job) -> bool,
}

/// What loopback and the broker allow.
pub(crate) const RAW: &str = "raw";

macro_rules! package {
    ($name:literal, $variable:literal $(, $more:literal)?) => {
        concat!($name, " ", env!(concat!("VERSION_", $variable)) $(, $more)?)
    };
}

macro_rules! client {
    ($name:expr, $program:literal, $key:literal, $can:expr) => {
        Client {
            name: $name,
            program: env!(concat!("CARGO_BIN_EXE_client-", $program)),
            key: $key,
            can: $can,
        }
    };
}

/// All of them, ours first.
pub(crate) const CLIENTS: &[Client] = &[
    // What it does is no different with an application that is slow, or without TCP_NODELAY.
    client!(RAW, "raw", "", |job| job.transport != Transport::Ws
        && job.work != Work::Slow
        && job.nodelay.is_none()),
    client!("mqtt-core", "core", "", |job| job.transport
        != Transport::Ws),
    client!("mqtt-client blocking", "blocking", "", |_| true),
    client!("mqtt-client tokio", "tokio", "", |_| true),
    client!(
        package!("mqtt-protocol-core", "MQTT_PROTOCOL_CORE"),
        "protocol-core",
        "",
        |job| job.transport != Transport::Ws
    ),
    client!(
        package!("flowsdk", "FLOWSDK", " no-io"),
        "flowsdk",
        "",
        |job| {
            // What it does with more takes minutes.
            job.transport != Transport::Ws && job.window <= 10_000
        }
    ),
    client!(package!("rumqttc", "RUMQTTC"), "rumqttc", "", |_| true),
    client!(
        package!("rumqttc-v5-next", "RUMQTTC_V5_NEXT"),
        "rumqttc-next",
        "",
        |job| job.level == 5
    ),
    client!(
        package!("rumqttc-v5-next", "RUMQTTC_V5_NEXT", " batch 64"),
        "rumqttc-next",
        "batch",
        |job| job.level == 5
    ),
    // It always sets TCP_NODELAY, and a task for each of 65,535 messages takes longer than a run.
    client!(package!("mqtt5", "MQTT5"), "mqtt5", "", |job| job
        .nodelay
        .is_none()
        && job.window <= 10_000),
    #[cfg(has_mosquitto)]
    client!(
        "libmosquitto {} thread",
        "mosquitto",
        "thread",
        is_for_mosquitto
    ),
    // Its loop waits for the network, not for the time of the next message.
    #[cfg(has_mosquitto)]
    client!("libmosquitto {} loop", "mosquitto", "loop", |job| {
        is_for_mosquitto(job) && job.work != Work::Latency
    }),
    // TCP_NODELAY is not its user's business, TLS is another library, and over WebSocket it stops
    // where a frame has more than one packet.
    #[cfg(has_paho)]
    client!("Paho C {}", "paho", "", |job| job.nodelay.is_none()
        && job.transport == Transport::Tcp
        && job.window <= 10_000),
];

/// Debian's has no WebSocket, and needs a minute for the largest windows.
#[cfg(has_mosquitto)]
fn is_for_mosquitto(job: &Job) -> bool {
    job.transport != Transport::Ws && job.window <= 10_000
}

/// Which are left out because they were not there when this was built.
pub(crate) const ABSENT: &[&str] = &[
    #[cfg(not(has_mosquitto))]
    "libmosquitto (package libmosquitto-dev)",
    #[cfg(not(has_paho))]
    "Paho C (package libpaho-mqtt-dev)",
];

impl Client {
    /// Its program, and what that is told.
    pub(crate) fn program(&self) -> (&'static str, String) {
        (self.program, self.key.to_owned())
    }

    /// Whether it can do this.
    pub(crate) fn can(&self, job: &Job) -> bool {
        (self.can)(job)
    }
}

/// True for what this project has made.
pub(crate) fn is_ours(name: &str) -> bool {
    name == "mqtt-core" || name.starts_with("mqtt-client ")
}

/// True for another client.
pub(crate) fn is_peer(name: &str) -> bool {
    name != RAW && !is_ours(name)
}
