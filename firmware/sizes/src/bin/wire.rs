//! What `qos0` does, over `mqtt_core::wire` alone: packets and bytes, without a client.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::Instant;
use mqtt_core::wire::{
    Connect, Disconnect, EncodeError, Packet, Properties, Publish, ReasonCode, Version,
};
use sizes::{Input, Memory, now, receive, send};

static TX: Memory<[u8; 128]> = Memory::new([0; 128]);

const VERSION: Version = Version::V311;
/// In seconds.
const KEEP_ALIVE: u16 = 60;
/// In milliseconds.
const TIMEOUT: u64 = 10_000;

sizes::main!(program);

fn program() -> ! {
    sizes::start();
    let tx = TX.take();
    loop {
        // A connection that ends is begun anew, for whatever reason it has ended.
        let _ = run(tx);
    }
}

/// One connection: a message whenever time passes, for ten minutes. Returns when it is over.
fn run(tx: &mut [u8]) -> Result<(), EncodeError> {
    let connect = Connect {
        version: VERSION,
        clean_start: true,
        keep_alive: KEEP_ALIVE,
        username: black_box(Some("user")),
        password: black_box(Some(b"secret")),
        client_id: black_box("sensor-7"),
        will: None,
        properties: Properties::EMPTY,
    };
    transmit(&Packet::Connect(connect), tx)?;
    let mut is_connected = false;
    // When the server must have answered, and when it is to be asked for a sign of life.
    let mut answer_by = Some(now().as_millis() + TIMEOUT);
    let mut ping_at = u64::MAX;
    // The answers have two and four bytes.
    let mut rx = [0; 4];
    let mut len = 0;
    loop {
        let until = answer_by.unwrap_or(ping_at);
        let space = rx.get_mut(len..).unwrap_or_default();
        let input = receive(space, Some(Instant::from_millis(until)));
        let time = now().as_millis();
        match input {
            Input::Bytes(n) => {
                len += n;
                match Packet::decode(rx.get(..len).unwrap_or_default(), VERSION) {
                    Ok(None) => continue,
                    Ok(Some((Packet::ConnAck(ack), _))) if ack.code == ReasonCode::Success => {
                        is_connected = true;
                    }
                    Ok(Some((Packet::PingResp, _))) => {}
                    _ => return Ok(()),
                }
                // A server that has nothing to say but answers says one thing at a time.
                len = 0;
                answer_by = None;
                ping_at = time + u64::from(KEEP_ALIVE) * 1000;
            }
            Input::Time => {
                if answer_by.is_some_and(|by| time >= by) {
                    return Ok(());
                }
                if time >= ping_at {
                    transmit(&Packet::PingReq, tx)?;
                    answer_by = Some(time + TIMEOUT);
                    ping_at = u64::MAX;
                }
                if is_connected {
                    let payload = time.to_be_bytes();
                    let message = Publish::new(black_box("time"), &payload);
                    transmit(&Packet::Publish(message), tx)?;
                    if time > 600_000 {
                        return transmit(&Packet::Disconnect(Disconnect::default()), tx);
                    }
                }
            }
            Input::Lost => return Ok(()),
        }
    }
}

fn transmit(packet: &Packet<'_>, buffer: &mut [u8]) -> Result<(), EncodeError> {
    let len = packet.encode(VERSION, buffer)?;
    let mut left = buffer.get(..len).unwrap_or_default();
    while !left.is_empty() {
        left = left.get(send(left)..).unwrap_or_default();
    }
    Ok(())
}
