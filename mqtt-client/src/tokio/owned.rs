//! A protocol core that owns the memory it works in.

use core::fmt;

use bumpalo::Bump;
use mqtt_core::wire::{Connect, Packet, Properties, Version};
use mqtt_core::{Acknowledgement, Buffers, Config, Error, Inbound, Slot, UsageError};
use self_cell::{MutBorrow, self_cell};

use super::Options;

/// What the core borrows: its buffers, and a copy of its configuration.
struct Memory {
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
    aliases_in: Vec<u8>,
    aliases_out: Vec<u8>,
    bump: Bump,
}

type Borrowing<'b> = mqtt_core::Client<'b>;

self_cell! {
    struct Cell {
        owner: MutBorrow<Memory>,

        #[not_covariant]
        dependent: Borrowing,
    }
}

/// See the module.
pub(super) struct Core(Cell);

impl Core {
    /// A core with this configuration, which is copied; messages wait for
    /// [`acknowledge`](mqtt_core::Client::acknowledge).
    pub(super) fn new(config: &Config<'_>, options: &Options) -> Result<Self, Error> {
        let connect = encoded(config)?;
        let aliases = |is_wanted: bool| vec![0; usize::from(is_wanted) * options.alias_buffer];
        let memory = Memory {
            tx: vec![0; options.transmit_buffer],
            slots: vec![Slot::EMPTY; usize::from(options.max_in_flight)],
            inbound: vec![Inbound::EMPTY; usize::from(options.receive_maximum)],
            aliases_in: aliases(config.topic_alias_maximum > 0),
            aliases_out: aliases(config.automatic_topic_aliases),
            bump: Bump::new(),
        };
        let cell = Cell::try_new(MutBorrow::new(memory), |memory| {
            let memory = memory.borrow_mut();
            let connect = &*memory.bump.alloc_slice_copy(&connect);
            let config = restored(connect, config, options, &memory.bump)?;
            let buffers = Buffers {
                tx: &mut memory.tx,
                slots: &mut memory.slots,
                inbound: &mut memory.inbound,
                aliases_in: &mut memory.aliases_in,
                aliases_out: &mut memory.aliases_out,
            };
            Ok::<_, Error>(mqtt_core::Client::new(config, buffers))
        })?;
        Ok(Self(cell))
    }

    /// The core, for one call or several.
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut mqtt_core::Client<'_>) -> R) -> R {
        self.0.with_dependent_mut(|_, core| f(core))
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_dependent(|_, core| core.fmt(f))
    }
}

/// All that the configuration borrows, in the form of a CONNECT packet: the shortest way to a
/// copy, and a check that it can be sent.
fn encoded(config: &Config<'_>) -> Result<Vec<u8>, Error> {
    let connect = Packet::from(Connect {
        version: config.version,
        clean_start: config.clean_start,
        keep_alive: config.keep_alive,
        properties: Properties::from(config.properties),
        client_id: config.client_id,
        will: config.will,
        username: config.username,
        password: config.password,
    });
    let len = connect.encoded_len(config.version)?;
    let mut bytes = vec![0; len];
    connect.encode(config.version, &mut bytes)?;
    Ok(bytes)
}

/// The configuration again, borrowing from its CONNECT packet.
fn restored<'b>(
    connect: &'b [u8],
    config: &Config<'_>,
    options: &Options,
    bump: &'b Bump,
) -> Result<Config<'b>, Error> {
    let Ok(Some((Packet::Connect(connect), _))) = Packet::decode(connect, Version::V5) else {
        // What was just written can be read.
        return Err(UsageError::Property.into());
    };
    let properties: Vec<_> = connect.properties.iter().collect();
    Ok(Config {
        version: config.version,
        client_id: connect.client_id,
        clean_start: config.clean_start,
        session_expiry: config.session_expiry,
        keep_alive: config.keep_alive,
        username: connect.username,
        password: connect.password,
        will: connect.will,
        topic_alias_maximum: config.topic_alias_maximum,
        automatic_topic_aliases: config.automatic_topic_aliases,
        properties: bump.alloc_slice_copy(&properties),
        acknowledgement: Acknowledgement::Manual,
        durability: config.durability,
        connect_timeout: config.connect_timeout,
        ping_timeout: config.ping_timeout,
        max_whole: options.max_packet,
    })
}
