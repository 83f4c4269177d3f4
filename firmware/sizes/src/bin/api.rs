//! Every call of the library, but for those that format text. It is linked, to prove that none can
//! panic, and neither run nor measured.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::wire::{
    Ack, Auth, Disconnect, Filter, FixedHeader, List, Packet, PacketId, PacketType, Property, QoS,
    ReasonCode, TopicFilter, TopicName, Version,
};
use mqtt_core::{
    Acknowledgement, Buffers, Client, Config, Durability, Error, Event, Inbound, Message, Record,
    RxBuf, Storage,
};
use sizes::{Input, Memory, now, receive, send, start};

static MEMORY: Memory<Storage<256, 1024, 8>> = Memory::new(Storage::new());
static ALIASES: Memory<([u8; 64], [u8; 64])> = Memory::new(([0; 64], [0; 64]));
static MORE: Memory<[Inbound; 16]> = Memory::new([Inbound::EMPTY; 16]);
static BYTES: Memory<[u8; 256]> = Memory::new([0; 256]);

sizes::main!(program);

fn program() -> ! {
    let (mut rx, buffers) = MEMORY.take().split();
    let (aliases_in, aliases_out) = ALIASES.take();
    let mut client = Client::new(
        config(),
        Buffers {
            aliases_in,
            aliases_out,
            ..buffers
        },
    );
    client.extend_inbound(MORE.take());
    let bytes = BYTES.take();
    loop {
        rx.clear();
        let _ = black_box(restore(&mut client));
        let _ = black_box(client.reconfigure(config()));
        while run(&mut client, &mut rx, bytes).is_ok() {}
        let _ = black_box(client.abort(black_box(ReasonCode::Success)));
        flush(&mut client);
        client.connection_lost();
    }
}

/// Anything, as far as the compiler knows.
fn config() -> Config<'static> {
    black_box(Config {
        version: if start() == 0 {
            Version::V5
        } else {
            Version::V31
        },
        durability: Durability::WriteAhead,
        acknowledgement: Acknowledgement::Manual,
        ..Config::new("api")
    })
}

fn restore(client: &mut Client<'_>) -> Result<(), Error> {
    let (head, body) = black_box(([0; 4], b"record"));
    match Record::from_parts(head, body) {
        Some(record) => client.restore(&record),
        None => Ok(()),
    }
}

fn run(client: &mut Client<'_>, rx: &mut RxBuf<'_>, bytes: &mut [u8]) -> Result<(), Error> {
    let text = black_box("text");
    let properties = [black_box(Property::ReasonString("because"))];
    let code = black_box(ReasonCode::Success);
    let message = Message::new(text, black_box(b"payload"))
        .qos(black_box(QoS::ExactlyOnce))
        .properties(&properties);
    match start() {
        0 => client.connect(now())?,
        1 => client.connect_with(text.as_bytes(), now())?,
        2 => drop(client.publish(&message)?),
        3 => drop(client.publish_lent(&message, black_box(1000))?),
        4 => drop(client.subscribe_with(&[filter(text)], &properties)?),
        5 => drop(client.unsubscribe_with(&[text], &properties)?),
        6 => client.acknowledge_with(&ack(code, &properties))?,
        7 => client.disconnect_with(&Disconnect {
            code,
            properties: List::from(&properties),
        })?,
        8 => client.authenticate(&Auth {
            code,
            properties: List::from(&properties),
        })?,
        9 => drop(black_box(client.process(bytes, now())?)),
        10 => packets(bytes),
        11 => topics(text),
        12 => {
            black_box((
                client.is_connected(),
                client.is_closed(),
                client.durability(),
            ));
            black_box((client.in_flight(), client.send_quota(), client.client_id()));
            black_box(client.authentication_method());
            black_box((client.unacknowledged(), client.unreleased()));
            client.set_max_unacknowledged(black_box(1));
            client.messages().for_each(|message| {
                black_box(message);
            });
            client.snapshot().for_each(write);
        }
        _ => {
            if let Some(event) = rx.poll(client, now())? {
                handle(client, &event)?;
            }
            let mut n = 0;
            client.journal().for_each(|record| {
                write(record);
                n += 1;
            });
            client.journaled(black_box(n));
            flush(client);
            if let Some(lent) = client.payload() {
                let n = send(bytes.get(..lent.left).unwrap_or_default());
                client.transmitted(n, now());
            }
            if let Input::Bytes(n) = receive(rx.space(), client.poll_timeout()) {
                rx.filled(n);
            }
        }
    }
    Ok(())
}

fn write(record: Record<'_>) {
    black_box((record.head(), record.body()));
}

fn flush(client: &mut Client<'_>) {
    while !client.transmit().is_empty() {
        let n = send(client.transmit());
        client.transmitted(n, now());
    }
}

fn handle(client: &mut Client<'_>, event: &Event<'_>) -> Result<(), Error> {
    black_box(event);
    if let Event::Publish(publish) = event {
        black_box(client.topic(publish));
        if let Some(response) = publish.response() {
            client.publish(&response.message(publish.payload))?;
        }
        if let Some(id) = publish.packet_id {
            client.acknowledge(id)?;
        }
    }
    Ok(())
}

fn filter(topic: &str) -> Filter<'_> {
    Filter {
        no_local: black_box(true),
        ..Filter::new(topic, black_box(QoS::AtLeastOnce))
    }
}

fn ack<'a>(code: ReasonCode, properties: &'a [Property<'a>]) -> Ack<'a> {
    let id = PacketId::new(black_box(1)).unwrap_or(PacketId::from(core::num::NonZeroU16::MAX));
    Ack {
        code,
        properties: List::from(properties),
        ..Ack::new(id)
    }
}

/// Any packet, both ways.
fn packets(bytes: &mut [u8]) {
    let version = black_box(Version::V5);
    let mut copy = [0; 256];
    if let Ok(Some(header)) = FixedHeader::decode(bytes, version) {
        black_box(header.packet_len());
    }
    if let Ok(Some((packet, _))) = Packet::decode(bytes, version) {
        let _ = black_box(packet.encoded_len(version));
        let _ = black_box(packet.encode(version, &mut copy));
        black_box(packet.packet_type() == PacketType::Auth);
    }
    black_box(copy);
}

fn topics(text: &str) {
    let _ = black_box(TopicName::new(text));
    if let Ok(filter) = TopicFilter::new(text) {
        black_box((filter.share_name(), filter.matches(text)));
    }
}
