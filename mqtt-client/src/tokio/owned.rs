//! A protocol core that owns the memory it works in.

use core::fmt;

use bumpalo::Bump;
use mqtt_core::wire::{Connect, Packet, Properties, Version};
use mqtt_core::{
    Acknowledgement, Buffers, Config, Error, Inbound, Instant, Slot, Step, UsageError,
};
use self_cell::{MutBorrow, self_cell};

use super::Options;

/// What the core borrows: its buffers, and a copy of its configuration.
struct Memory {
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
    /// What takes the place of `inbound` if the server has more in flight; empty until then.
    more: [Box<[Inbound]>; MORE.len()],
    aliases_in: Vec<u8>,
    aliases_out: Vec<u8>,
    bump: Bump,
}

/// How many messages there is room for if as many as the server was told are not enough. The last
/// step is as many as there are identifiers.
const MORE: [u16; 4] = [1024, 4096, 16_384, u16::MAX];

struct Borrowing<'b> {
    core: mqtt_core::Client<'b>,
    /// How many received messages there is room for, and how many may wait to be acknowledged.
    room: u16,
    max_unacknowledged: u16,
    more: &'b mut [Box<[Inbound]>],
}

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
            more: Default::default(),
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
            Ok::<_, Error>(Borrowing {
                core: mqtt_core::Client::new(config, buffers),
                room: options.receive_maximum,
                max_unacknowledged: options.receive_maximum,
                more: &mut memory.more,
            })
        })?;
        Ok(Self(cell))
    }

    /// The core, for one call or several.
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut mqtt_core::Client<'_>) -> R) -> R {
        self.0.with_dependent_mut(|_, this| f(&mut this.core))
    }

    /// [`mqtt_core::Client::process`], with room for any number of QoS 2 messages whose identifiers
    /// have to be noted until the server releases them.
    pub(super) fn process<'i>(&mut self, input: &'i [u8], now: Instant) -> Result<Step<'i>, Error> {
        self.0.with_dependent_mut(|_, this| {
            if this.core.unreleased() >= this.room && !this.is_full() {
                this.make_room();
            }
            this.core.process(input, now)
        })
    }

    /// True if a message above QoS 0 that is received now is left on the wire, and all behind it.
    pub(super) fn is_full(&self) -> bool {
        self.0.with_dependent(|_, this| this.is_full())
    }

    /// Has more messages wait to be acknowledged; false if there are no more identifiers.
    pub(super) fn take_more(&mut self) -> bool {
        self.0.with_dependent_mut(|_, this| {
            if this.max_unacknowledged == this.room && !this.make_room() {
                return false;
            }
            this.max_unacknowledged = this.room;
            this.core.set_max_unacknowledged(this.room);
            true
        })
    }
}

impl Borrowing<'_> {
    fn is_full(&self) -> bool {
        self.core.unacknowledged() >= self.max_unacknowledged
    }

    /// Makes room for more received messages; false if there are no more identifiers.
    fn make_room(&mut self) -> bool {
        let Some(step) = MORE.iter().position(|&room| room > self.room) else {
            return false;
        };
        // Those before it were taken or are too few.
        let place = MORE.len() - self.more.len();
        let more = core::mem::take(&mut self.more).get_mut(step - place..);
        let Some(([cells, more @ ..], &room)) = more.zip(MORE.get(step)) else {
            return false;
        };
        *cells = vec![Inbound::EMPTY; room.into()].into();
        self.core.extend_inbound(cells);
        (self.room, self.more) = (room, more);
        true
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_dependent(|_, this| this.core.fmt(f))
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
