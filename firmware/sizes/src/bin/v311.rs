//! 3.1.1, complete: will and credentials, subscriptions, all QoS levels both ways, messages kept
//! over a lost connection, keep-alive, payloads larger than the buffer.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::wire::{Filter, QoS, Version, Will};
use mqtt_core::{Client, Config, Error, Event, Message, RxBuf, Storage};
use sizes::{Input, Memory, now, receive, report_size, send, start};

static MEMORY: Memory<Storage<256, 768, 8>> = Memory::new(Storage::new());

report_size!(CLIENT, Client<'static>);

sizes::main!(program);

fn program() -> ! {
    start();
    let (mut rx, buffers) = MEMORY.take().split();
    // What a program has in its settings; black_box, as they are not known to the compiler.
    let config = Config {
        version: Version::V311,
        clean_start: black_box(false),
        keep_alive: black_box(60),
        username: black_box(Some("user")),
        password: black_box(Some(b"secret")),
        will: black_box(Some(Will::new("state", b"gone"))),
        ..Config::new(black_box("sensor-7"))
    };
    let mut client = Client::new(config, buffers);
    loop {
        rx.clear();
        if run(&mut client, &mut rx).is_err() {
            flush(&mut client);
        }
        client.connection_lost();
    }
}

/// One connection, from its beginning to its end.
fn run(client: &mut Client<'_>, rx: &mut RxBuf<'_>) -> Result<(), Error> {
    client.connect(now())?;
    let mut sum = 0;
    loop {
        while let Some(event) = rx.poll(client, now())? {
            handle(client, &event, &mut sum)?;
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

/// Sends what there is. True if there was anything.
fn flush(client: &mut Client<'_>) -> bool {
    let mut any = false;
    while !client.transmit().is_empty() {
        let n = send(client.transmit());
        client.transmitted(n, now());
        any = true;
    }
    any
}

/// Does what the topic says, or sends the message back.
fn handle(client: &mut Client<'_>, event: &Event<'_>, sum: &mut u32) -> Result<(), Error> {
    match event {
        Event::Connected(connack) if !connack.session_present => {
            client.subscribe(&[Filter::new("to/#", QoS::ExactlyOnce)])?;
        }
        Event::Publish(message) => match message.topic.as_bytes() {
            [.., b'U'] => {
                client.unsubscribe(&["to/#"])?;
            }
            [.., b'D'] => client.disconnect()?,
            _ => {
                let reply = Message::new("from", message.payload);
                // If there is no room for it, it is left out.
                let _ = client.publish(&reply.qos(message.qos).retain(message.retain));
            }
        },
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
