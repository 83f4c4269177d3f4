//! TLS 1.3 without a heap, over halves with the [`embedded_io_async`] traits.
//!
//! A [`Link`] takes the two halves of a connected socket and memory, and makes a [`TlsStream`] of
//! them, which lends halves in turn. They can be used at the same time by one task: while the reader
//! waits, the writer works, and each of them goes on when the other cannot.
//!
//! All reads, writes and flushes are cancel-safe, if those of the halves below are: when a future is
//! dropped before it is done, nothing is lost, and nothing has been taken that was not said to be.
//! (Those of `read_exact` and `write_all` are not, in any implementation.) `embedded-tls` by itself
//! does not promise that. A time-out of a half below passes up, and the call may be repeated.
//!
//! The halves share a cell, so that their futures are not [`Send`].
//!
//! # Memory
//!
//! A TLS record is decrypted in one piece, so the buffer for reading has to hold the largest that
//! the server sends. Ordinary servers send up to 16,640 bytes. The buffer for writing can be small.
//!
//! # What it does not do
//!
//! TLS 1.3 with AES-128-GCM and P-256 is what every server of TLS 1.3 has to have. Certificates must
//! be for keys on P-256 or P-384, and signed with such: for RSA there is no implementation that needs
//! no heap. A server that changes its keys in the middle, or spreads a message of the handshake over
//! several records, ends the connection ([`Error::Unsupported`] or [`Error::Protocol`]). Sessions are
//! not resumed. Of the client's certificates one is sent, without those between it and the authority.
//!
//! `embedded-tls` 0.19 panics when a server that has proven who it is sends a message of the
//! handshake where none belongs. (What others can make it panic with does not get through to it.)

mod error;
mod pipe;
mod stream;
mod verify;

pub use embedded_tls::CryptoRngCore;
pub use embedded_tls::alert::AlertDescription;
pub use error::Error;
pub use stream::{Link, ReadHalf, TlsStream, WriteHalf};

use crate::Pin;

/// How a TLS connection is made.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The server's name, or its IP address.
    pub host: &'a str,
    /// The certificates, in DER, of the authorities that are trusted.
    pub authorities: &'a [&'a [u8]],
    /// The client's own certificate, for servers that demand one (mutual TLS).
    pub identity: Option<Identity<'a>>,
    /// If there are any, the server's public key must be one of these as well.
    ///
    /// They come on top of all other checks, and are what remains with
    /// [`dangerously_skip_verification`](Self::dangerously_skip_verification).
    pub pins: &'a [Pin],
    /// The application protocols to offer, the most wanted first; none to leave that out.
    pub alpn: &'a [&'a [u8]],
    /// The seconds since 1970, to see whether certificates are valid today. Without a clock (`None`)
    /// **certificates that have expired are accepted**.
    pub time: Option<u64>,
    /// Whether to check nothing but that the server has its certificate's key. **Anybody can pose
    /// as the server, unless there are pins.**
    pub dangerously_skip_verification: bool,
}

impl<'a> Config<'a> {
    /// Trusts those servers that call themselves `host`, and whose certificate one of `authorities`
    /// (in DER) has signed.
    #[must_use]
    pub const fn new(host: &'a str, authorities: &'a [&'a [u8]]) -> Self {
        Self {
            host,
            authorities,
            identity: None,
            pins: &[],
            alpn: &[],
            time: None,
            dangerously_skip_verification: false,
        }
    }
}

/// A client's certificate and its private key.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate, in DER. The authority that the server knows must have signed it itself.
    pub certificate: &'a [u8],
    /// Its private key on P-256, in DER: PKCS#8 or SEC1.
    pub key: &'a [u8],
}

/// Tells no key.
impl core::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
