//! The drivers through their public API.

mod blocking;
