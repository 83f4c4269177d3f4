//! 3.1.1, and of it as much as a sensor needs that publishes at QoS 0 and nothing else.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::wire::Version;
use mqtt_core::{Client, Config, Error, Message, RxBuf, Storage};
use sizes::{Input, Memory, now, receive, report_size, send, start};

static MEMORY: Memory<Storage<32, 256, 0>> = Memory::new(Storage::new());

report_size!(CLIENT, Client<'static>);

sizes::main!(program);

fn program() -> ! {
    start();
    let (mut rx, buffers) = MEMORY.take().split();
    let config = Config {
        version: Version::V311,
        keep_alive: black_box(60),
        username: black_box(Some("user")),
        password: black_box(Some(b"secret")),
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

/// One connection: a message whenever time passes, for ten minutes.
fn run(client: &mut Client<'_>, rx: &mut RxBuf<'_>) -> Result<(), Error> {
    client.connect(now())?;
    loop {
        while rx.poll(client, now())?.is_some() {}
        if flush(client) {
            continue;
        }
        if client.is_closed() {
            return Ok(());
        }
        match receive(rx.space(), client.poll_timeout()) {
            Input::Bytes(n) => rx.filled(n),
            Input::Time if client.is_connected() => {
                let time = now().as_millis();
                client.publish(&Message::new(black_box("time"), &time.to_be_bytes()))?;
                if time > 600_000 {
                    client.disconnect()?;
                }
            }
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
