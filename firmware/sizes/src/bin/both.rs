//! 3.1.1 and 5.0, complete: what `v311` does, in the version that the settings name, and of 5.0
//! properties both ways, topic aliases both ways, reasons, extended authentication.
//!
//! With the feature `durability` its session also survives a loss of power.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::wire::{
    Ack, Auth, Disconnect, Filter, List, Property, Publish, QoS, ReasonCode, Version, Will,
};
use mqtt_core::{Buffers, Client, Config, Error, Event, Message, RxBuf, Storage};
#[cfg(feature = "durability")]
use mqtt_core::{Durability, Record};
use sizes::{Input, Memory, now, receive, report_size, send, start};

static MEMORY: Memory<Storage<256, 1024, 8>> = Memory::new(Storage::new());
static ALIASES_IN: Memory<[u8; 64]> = Memory::new([0; 64]);
static ALIASES_OUT: Memory<[u8; 64]> = Memory::new([0; 64]);

#[cfg(feature = "durability")]
static RECORD: Memory<[u8; 256]> = Memory::new([0; 256]);

report_size!(CLIENT, Client<'static>);

const METHOD: Property<'_> = Property::AuthenticationMethod("CHALLENGE");
const CONNECT: [Property<'_>; 3] = [
    METHOD,
    Property::RequestProblemInformation(true),
    Property::UserProperty("model", "7"),
];
const WILL: [Property<'_>; 1] = [Property::WillDelayInterval(5)];
const REPLY: [Property<'_>; 3] = [
    Property::MessageExpiryInterval(60),
    Property::ContentType("text/plain"),
    Property::UserProperty("sent-by", "sensor-7"),
];
const SUBSCRIBE: [Property<'_>; 1] = [Property::SubscriptionIdentifier(1)];
const WHY: [Property<'_>; 1] = [Property::ReasonString("because")];

sizes::main!(program);

fn program() -> ! {
    let is_v5 = start() == Version::V5 as u8;
    let (mut rx, buffers) = MEMORY.take().split();
    let buffers = Buffers {
        aliases_in: ALIASES_IN.take(),
        aliases_out: ALIASES_OUT.take(),
        ..buffers
    };
    let properties = |list: &'static [Property<'static>]| if is_v5 { list } else { &[] };
    let will = Will {
        properties: List::from(properties(&WILL)),
        ..Will::new("state", b"gone")
    };
    // What a program has in its settings; black_box, as they are not known to the compiler.
    let config = Config {
        version: if is_v5 { Version::V5 } else { Version::V311 },
        clean_start: black_box(false),
        session_expiry: black_box(3600),
        keep_alive: black_box(60),
        username: black_box(Some("user")),
        password: black_box(Some(b"secret")),
        will: black_box(Some(will)),
        properties: properties(&CONNECT),
        topic_alias_maximum: black_box(4),
        automatic_topic_aliases: black_box(true),
        #[cfg(feature = "durability")]
        durability: Durability::WriteAhead,
        ..Config::new(black_box("sensor-7"))
    };
    let mut client = Client::new(config, buffers);
    #[cfg(feature = "durability")]
    restore(&mut client);
    loop {
        rx.clear();
        if run(&mut client, &mut rx, is_v5).is_err() {
            flush(&mut client);
        }
        client.connection_lost();
    }
}

/// One connection, from its beginning to its end.
fn run(client: &mut Client<'_>, rx: &mut RxBuf<'_>, is_v5: bool) -> Result<(), Error> {
    if is_v5 {
        client.connect_with(black_box(b"hello"), now())?;
    } else {
        client.connect(now())?;
    }
    let mut sum = 0;
    loop {
        while let Some(event) = rx.poll(client, now())? {
            handle(client, &event, &mut sum, is_v5)?;
        }
        if flush(client) {
            continue;
        }
        if client.is_closed() {
            return Ok(());
        }
        match receive(rx.space(), client.poll_timeout()) {
            Input::Bytes(n) => rx.filled(n),
            Input::Time => {}
            Input::Lost => return Ok(()),
        }
    }
}

/// The session that was there before the power was lost.
#[cfg(feature = "durability")]
fn restore(client: &mut Client<'_>) {
    let body = RECORD.take();
    while let Some((head, n)) = sizes::load(body) {
        if let Some(record) = Record::from_parts(head, body.get(..n).unwrap_or_default()) {
            // What does not follow from the records before it is left out.
            let _ = client.restore(&record);
        }
    }
}

/// Writes what is to be on stable storage. True if there was anything.
#[cfg(feature = "durability")]
fn save(client: &mut Client<'_>) -> bool {
    let mut n = 0;
    for record in client.journal() {
        sizes::save(record.head(), record.body());
        n += 1;
    }
    client.journaled(n);
    n > 0
}

/// Sends what there is. True if there was anything.
fn flush(client: &mut Client<'_>) -> bool {
    #[cfg(feature = "durability")]
    let mut any = save(client);
    #[cfg(not(feature = "durability"))]
    let mut any = false;
    while !client.transmit().is_empty() {
        let n = send(client.transmit());
        client.transmitted(n, now());
        any = true;
    }
    any
}

fn handle(
    client: &mut Client<'_>,
    event: &Event<'_>,
    sum: &mut u32,
    is_v5: bool,
) -> Result<(), Error> {
    match event {
        Event::Connected(connack) if !connack.session_present => {
            let filters = [Filter::new("to/#", QoS::ExactlyOnce)];
            client.subscribe_with(&filters, if is_v5 { &SUBSCRIBE } else { &[] })?;
        }
        Event::Auth(auth) if auth.code == ReasonCode::ContinueAuthentication => {
            authenticate(client, auth.code)?;
        }
        Event::Publish(message) => message_received(client, message, is_v5)?,
        Event::PublishStart { .. } => *sum = 0,
        Event::Payload { data, last, .. } => {
            for byte in *data {
                *sum = sum.wrapping_add((*byte).into());
            }
            if *last {
                client.publish(&Message::new("sum", &sum.to_be_bytes()))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Does what the topic says, or sends the message back.
fn message_received(
    client: &mut Client<'_>,
    message: &Publish<'_>,
    is_v5: bool,
) -> Result<(), Error> {
    match client.topic(message).as_bytes() {
        [.., b'U'] => {
            client.unsubscribe_with(&["to/#"], if is_v5 { &REPLY[2..] } else { &[] })?;
        }
        [.., b'A'] => authenticate(client, ReasonCode::ReAuthenticate)?,
        [.., b'N'] => {
            if let Some(id) = message.packet_id {
                client.acknowledge_with(&Ack {
                    code: ReasonCode::ImplementationSpecificError,
                    properties: List::from(&WHY),
                    ..Ack::new(id)
                })?;
            }
        }
        [.., b'D'] if is_v5 => client.disconnect_with(&Disconnect {
            code: ReasonCode::DisconnectWithWill,
            properties: List::from(&WHY),
        })?,
        [.., b'D'] => client.disconnect()?,
        _ => {
            if let Some(response) = message.response() {
                client.publish(&response.message(message.payload))?;
            } else {
                let reply = Message::new("from", message.payload).qos(message.qos);
                let properties: &[_] = if is_v5 { &REPLY } else { &[] };
                // If there is no room for it, it is left out.
                let _ = client.publish(&reply.retain(message.retain).properties(properties));
            }
        }
    }
    Ok(())
}

/// Answers a challenge, or begins anew.
fn authenticate(client: &mut Client<'_>, code: ReasonCode) -> Result<(), Error> {
    let properties = [METHOD, Property::AuthenticationData(black_box(b"answer"))];
    client.authenticate(&Auth {
        code,
        properties: List::from(&properties),
    })
}
