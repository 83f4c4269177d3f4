//! What the tests of several crates share: folders and programs, servers, certificates, faults.
//!
//! Nothing here returns errors: a test that lacks something it needs has failed.

#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "tests panic, and everything here is for them"
)]

mod addresses;
mod certificates;
#[cfg(feature = "embedded")]
mod embedded;
pub mod machine;
mod mosquitto;
mod namespace;
mod proxy;
mod rabbitmq;
mod random;
#[cfg(feature = "tap")]
mod tap;

pub use addresses::{Refusing, Silent};
pub use certificates::{Certificates, Identity};
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use mosquitto::{Listener, Listeners, Mosquitto};
pub use namespace::Namespace;
pub use proxy::{Direction, End, Faults, Proxy};
pub use rabbitmq::RabbitMq;
pub use random::Random;
#[cfg(feature = "tap")]
pub use tap::{Listen, Tap};
