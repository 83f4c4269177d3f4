//! What a journal promises, on a disk that loses power.

mod exactly_once;
mod power;
mod session;
mod world;
