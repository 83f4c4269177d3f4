//! What is run on any input, and what must hold then.
//!
//! Each target is a function of bytes that panics if something is wrong. It depends on nothing else:
//! not on time, not on what ran before. libFuzzer runs them (`fuzz_targets`), and so do the tests of
//! this crate, with the seeds and what fuzzing has left in `corpus`.

mod arguments;
mod client;
mod differential;
mod framer;
mod input;
mod journal;
mod life;
mod packet;
mod payloads;
mod properties;
mod roundtrip;
pub mod seeds;
mod topics;
mod uri;
mod websocket;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the fuzz target.
    pub name: &'static str,
    /// What must hold.
    pub property: &'static str,
    /// Panics if it does not.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($(#[doc = $property:literal])* $name:ident = $run:path;)*) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(
            Target {
                name: stringify!($name),
                property: concat!($($property),*).trim_ascii_start(),
                run: $run,
            },
        )*];

        $(
            $(#[doc = $property])*
            pub fn $name(data: &[u8]) {
                $run(data);
            }
        )*
    };
}

targets! {
    /// However a stream is cut, it has the packets that chapter 2.1 of the standard says.
    framer = framer::run;
    /// A 5.0 packet of a server that is accepted is written and read back the same.
    from_server_v5 = packet::from_server_v5;
    /// A 5.0 packet of a client that is accepted is written and read back the same.
    from_client_v5 = packet::from_client_v5;
    /// A 3.1 or 3.1.1 packet of a server that is accepted is written and read back the same.
    from_server_v3 = packet::from_server_v3;
    /// A 3.1 or 3.1.1 packet of a client that is accepted is written and read back the same.
    from_client_v3 = packet::from_client_v3;
    /// Properties are accepted where the standard has them, and have the values that are there.
    properties = properties::run;
    /// Names, filters and what passes them are as in a matcher that goes by levels.
    topics = topics::run;
    /// A packet that can be written is read back the same, and one that cannot writes nothing.
    roundtrip = roundtrip::run;
    /// However a server's bytes are cut, the client sees the same, with bounded work and answers.
    client_bytes = client::bytes;
    /// Commands, time, losses and hostile packets in any order: what fails changes nothing.
    client_commands = client::commands;
    /// The client against a broker and a reference model: every message is accounted for.
    life = life::run;
    /// However frames are cut, the data is the same, and what tungstenite reads.
    ws_frames = websocket::frames;
    /// However a response is cut, it is consent if and only if it is one for httparse's reading.
    ws_response = websocket::response;
    /// A URI that is accepted says where to connect to, and is the same when it is shown.
    uri = uri::run;
    /// What the command line takes fits into packets and URLs; what it prints can be read.
    arguments = arguments::run;
    /// From a damaged journal come the records before the damage, or an error.
    journal = journal::reader;
    /// Whatever fails when a journal is written, what was confirmed is there again, in order.
    journal_writer = journal::writer;
    /// However input comes, lines and pieces of files are what is in it, and no longer than allowed.
    payloads = payloads::run;
    /// 3.1.1 packets mean the same to other parsers, but for the differences that are listed.
    differential_v311 = differential::v311;
    /// 5.0 packets mean the same to other parsers, but for the differences that are listed.
    differential_v5 = differential::v5;
}
