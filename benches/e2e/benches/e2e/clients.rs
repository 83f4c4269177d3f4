//! Who is compared.

/// A client, as it is run here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// With the version where it is a package.
    pub(crate) name: &'static str,
    /// Its process.
    pub(crate) program: &'static str,
    /// Which of the program's clients.
    pub(crate) key: &'static str,
    /// The protocol's versions, 4 for 3.1.1.
    pub(crate) levels: &'static [u8],
}

macro_rules! package {
    ($name:literal, $variable:literal) => {
        concat!($name, " ", env!(concat!("VERSION_", $variable)))
    };
    ($name:literal, $variable:literal, $more:literal) => {
        concat!($name, " ", env!(concat!("VERSION_", $variable)), $more)
    };
}

const BOTH: &[u8] = &[4, 5];

/// What loopback and the broker allow.
pub(crate) const RAW: &str = "raw";

/// All of them, ours first.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: RAW,
        program: env!("CARGO_BIN_EXE_client-raw"),
        key: "",
        levels: BOTH,
    },
    Client {
        name: "mqtt-core",
        program: env!("CARGO_BIN_EXE_client-core"),
        key: "",
        levels: BOTH,
    },
    Client {
        name: "mqtt-client blocking",
        program: env!("CARGO_BIN_EXE_client-blocking"),
        key: "",
        levels: BOTH,
    },
    Client {
        name: "mqtt-client tokio",
        program: env!("CARGO_BIN_EXE_client-tokio"),
        key: "",
        levels: BOTH,
    },
    Client {
        name: package!("mqtt-protocol-core", "MQTT_PROTOCOL_CORE"),
        program: env!("CARGO_BIN_EXE_client-protocol-core"),
        key: "",
        levels: BOTH,
    },
    Client {
        name: package!("rumqttc", "RUMQTTC"),
        program: env!("CARGO_BIN_EXE_client-rumqttc"),
        key: "",
        levels: BOTH,
    },
];

/// True for what this project has made.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("mqtt-core") || name.starts_with("mqtt-client")
}
