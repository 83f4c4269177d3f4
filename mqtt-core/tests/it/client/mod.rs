//! The client against a server that says what the test wants, and against a model of a broker.
//!
//! Statements of the standards are cited as `[MQTT-3.1.0-1]`, those of 3.1.1 where they differ as
//! `[3.1.1 MQTT-3.1.0-1]`.

mod acknowledge;
mod aliases;
mod assigned;
mod conformance_handshake;
mod conformance_messages;
mod connect;
mod corners;
mod errors;
mod expiry;
mod hostile;
mod journal;
mod keep_alive;
mod lending;
mod limits;
mod pair;
mod power_cut;
mod publish;
mod random;
mod receive;
mod resume;
mod streaming;
mod subscribe;
mod text;
mod violations;
mod window;
