//! What `qos0` does, over `mqtt_core::wire` alone: packets and bytes, without a client.
#![no_std]
#![no_main]

use core::hint::black_box;

use mqtt_core::Instant;
use mqtt_core::wire::{
    ConnAck, Connect, DecodeError, Disconnect, EncodeError, FixedHeader, PacketType, Properties,
    Publish, ReasonCode, Version,
};
use sizes::{Input, Memory, now, receive, send};

static TX: Memory<[u8; 128]> = Memory::new([0; 128]);

const VERSION: Version = Version::V311;
const PINGREQ: [u8; 2] = [0xC0, 0];
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
    let len = connect.encode(VERSION, tx)?;
    transmit(tx, len);
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
                match answer(rx.get(..len).unwrap_or_default()) {
                    Ok(None) => continue,
                    Ok(Some(ReasonCode::Success)) => is_connected = true,
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
                    transmit(&PINGREQ, PINGREQ.len());
                    answer_by = Some(time + TIMEOUT);
                    ping_at = u64::MAX;
                }
                if is_connected {
                    let payload = time.to_be_bytes();
                    let message = Publish::new(black_box("time"), &payload);
                    let len = message.encode(VERSION, tx)?;
                    transmit(tx, len);
                    if time > 600_000 {
                        let len = Disconnect::default().encode(VERSION, tx)?;
                        transmit(tx, len);
                        return Ok(());
                    }
                }
            }
            Input::Lost => return Ok(()),
        }
    }
}

/// What the server says of the connection, once its packet is there: PINGRESP that it goes on.
fn answer(input: &[u8]) -> Result<Option<ReasonCode>, DecodeError> {
    let Some(header) = FixedHeader::decode(input, VERSION)? else {
        return Ok(None);
    };
    let Some(body) = input.get(header.len..header.packet_len()) else {
        return Ok(None);
    };
    match header.packet_type {
        PacketType::ConnAck => Ok(Some(ConnAck::decode(body, VERSION)?.code)),
        PacketType::PingResp => Ok(Some(ReasonCode::Success)),
        _ => Err(DecodeError::PacketType),
    }
}

fn transmit(packets: &[u8], len: usize) {
    let mut left = packets.get(..len).unwrap_or_default();
    while !left.is_empty() {
        left = left.get(send(left)..).unwrap_or_default();
    }
}
