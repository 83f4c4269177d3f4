//! TLS.
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "std")]
mod connector;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod options;
mod pin;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "std")]
mod verify;

#[cfg(feature = "std")]
pub use connector::Connector;
#[cfg(feature = "std")]
pub use error::{CertificateError, CertificateProblem, ConfigError, Error, Origin, TlsError};
#[cfg(feature = "std")]
pub use options::{Identity, Options, Roots, Source, Verification};
pub use pin::Pin;
#[cfg(feature = "std")]
pub use pin::PinError;
/// The TLS library, for what is beyond [`Options`].
#[cfg(feature = "std")]
pub use rustls;
