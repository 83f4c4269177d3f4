//! What a journal promises, on a disk that loses power.

mod exactly_once;
mod power;
mod rig;
mod session;
mod world;
