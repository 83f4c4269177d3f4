//! Codecs and engines without I/O: this client's, and others', doing the same.
//!
//! [`benches`] are all operations there are, by name; an [`Operation`] is ready to be repeated and
//! has shown that its result is right. What measures them is in `benches/`: time
//! (`codec`, `engine`), instructions (`instructions`), the heap (`allocations`).

use std::hint::black_box;

use record::Row;

pub mod callgrind;
pub mod codec;
pub mod engine;
pub mod guard;
pub mod hostile;
pub mod packet;

/// This client.
pub const OURS: &str = "mqtt-core";

/// Another one's name, by its package and the version that is locked.
#[cfg(feature = "peers")]
macro_rules! peer {
    ("mqttbytes") => {
        concat!("mqttbytes ", env!("VERSION_OF_MQTTBYTES"))
    };
    ("rumqttc") => {
        concat!("rumqttc ", env!("VERSION_OF_RUMQTTC"))
    };
    ("rumqttc-v5-next") => {
        concat!("rumqttc-v5-next ", env!("VERSION_OF_RUMQTTC_V5_NEXT"))
    };
    ("mqttrs") => {
        concat!("mqttrs ", env!("VERSION_OF_MQTTRS"))
    };
    ("mqtt-protocol-core") => {
        concat!("mqtt-protocol-core ", env!("VERSION_OF_MQTT_PROTOCOL_CORE"))
    };
    ("flowsdk") => {
        concat!("flowsdk ", env!("VERSION_OF_FLOWSDK"))
    };
    ("mqtt5-protocol") => {
        concat!("mqtt5-protocol ", env!("VERSION_OF_MQTT5_PROTOCOL"))
    };
    ("minimq") => {
        concat!("minimq ", env!("VERSION_OF_MINIMQ"))
    };
    ("mountain-mqtt") => {
        concat!("mountain-mqtt ", env!("VERSION_OF_MOUNTAIN_MQTT"))
    };
    ("rusty_rtos_mqtt-core") => {
        concat!(
            "rusty_rtos_mqtt-core ",
            env!("VERSION_OF_RUSTY_RTOS_MQTT_CORE")
        )
    };
}
#[cfg(feature = "peers")]
use peer;

/// An operation that can be had.
pub struct Bench {
    /// `codec`, `engine` or `hostile`.
    pub table: &'static str,
    /// What is to be done, such as `encode PUBACK, 5.0`.
    pub case: String,
    /// The protocol's version, `3.1.1` or `5.0`.
    pub version: packet::Version,
    /// Who does it, such as `mqttrs 0.4.1`.
    pub client: &'static str,
    /// About how many instructions it has, to choose how often to repeat it.
    pub weight: u64,
    /// How many packets, messages or 1,000 bytes are in a repetition. What is measured is told for one.
    pub per_run: f64,
    build: Box<dyn Fn() -> Operation>,
}

impl Bench {
    /// The case without the version, for rows that have it in a column of its own.
    #[must_use]
    pub fn case_alone(&self) -> String {
        self.case.replacen(&format!(", {}", self.version), "", 1)
    }

    /// The row of a table that says this of it.
    #[must_use]
    pub fn row(&self, values: &[(&str, f64)]) -> Row {
        Row {
            table: self.table.to_owned(),
            case: self.case_alone(),
            version: self.version.to_string(),
            client: self.client.to_owned(),
            values: values
                .iter()
                .map(|&(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// Prepares it, and checks its result once.
    ///
    /// # Panics
    ///
    /// If the result is wrong.
    #[must_use]
    pub fn build(&self) -> Operation {
        (self.build)()
    }
}

/// Something to be repeated.
pub struct Operation(Box<dyn FnMut(u64)>);

impl Operation {
    /// `operation` is one repetition.
    fn new<R>(mut operation: impl FnMut() -> R + 'static) -> Self {
        Self(Box::new(move |n| {
            for _ in 0..n {
                black_box(operation());
            }
        }))
    }

    /// Does it `n` times.
    pub fn run(&mut self, n: u64) {
        (self.0)(n);
    }
}

/// All operations, by table and case, with all that can do it one after the other.
#[must_use]
pub fn benches() -> Vec<Bench> {
    let mut all = codec::benches();
    all.extend(engine::benches());
    all.extend(hostile::benches());
    all
}

#[cfg(test)]
mod tests {
    /// Building an operation checks its result.
    #[test]
    fn every_operation_has_the_right_result() {
        for bench in super::benches() {
            if bench.per_run <= 1024.0 {
                bench.build().run(1);
            }
        }
    }
}
