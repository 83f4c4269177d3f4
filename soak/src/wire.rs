//! Streams that tell a ledger what was said on them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use embedded_io::ErrorType;
use mqtt_client::mqtt_core::wire::{Packet, Property, ReasonCode};
use mqtt_client::{Stream, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ledger::{Ledger, Shared, lock};
use crate::payload::Name;

/// The bytes of one connection that are not whole packets yet.
#[derive(Debug)]
pub(crate) struct Wire {
    version: Version,
    ledger: Shared,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// True if what was received cannot be read.
    is_garbled: bool,
}

impl Wire {
    pub(crate) fn new(version: Version, ledger: &Shared) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            version,
            ledger: Arc::clone(ledger),
            sent: Vec::new(),
            received: Vec::new(),
            is_garbled: false,
        }))
    }

    fn on_sent(&mut self, bytes: &[u8]) {
        self.sent.extend(bytes);
        let mut ledger = lock(&self.ledger);
        let mut at = 0;
        loop {
            match Packet::decode(&self.sent[at..], self.version) {
                Ok(Some((packet, len))) => {
                    sent(&mut ledger, &packet);
                    at += len;
                }
                Ok(None) => break,
                Err(error) => {
                    ledger.problem(format!("it sent what is not a packet: {error}"));
                    at = self.sent.len();
                }
            }
        }
        self.sent.drain(..at);
    }

    fn on_received(&mut self, bytes: &[u8]) {
        if self.is_garbled {
            return;
        }
        self.received.extend(bytes);
        let mut ledger = lock(&self.ledger);
        let mut at = 0;
        loop {
            match Packet::decode(&self.received[at..], self.version) {
                Ok(Some((packet, len))) => {
                    received(&mut ledger, &packet);
                    at += len;
                }
                Ok(None) => break,
                Err(error) => {
                    ledger.note(format!("the broker sent what is not a packet: {error}"));
                    self.is_garbled = true;
                    return;
                }
            }
        }
        self.received.drain(..at);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut ledger = lock(&self.ledger);
        // PUBLISH above QoS 0.
        if self
            .sent
            .first()
            .is_some_and(|first| (0x32..0x3E).contains(first))
        {
            ledger.torn();
        }
        ledger.end("the stream is dropped");
    }
}

fn sent(ledger: &mut Ledger, packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => match Name::of(publish.payload) {
            Some(name) => {
                let dup = if publish.dup { " again" } else { "" };
                ledger.note(format!("> {name}{dup} {:?}", publish.packet_id));
                ledger.sent(name, publish.packet_id, publish.dup);
            }
            None => ledger.problem("it sent a damaged message"),
        },
        Packet::PubAck(ack) => ledger.acknowledged(4, ack.packet_id),
        Packet::PubRec(ack) => ledger.acknowledged(5, ack.packet_id),
        Packet::PubComp(ack) => ledger.acknowledged(7, ack.packet_id),
        Packet::PubRel(ack) => ledger.release_sent(ack.packet_id),
        Packet::Disconnect(disconnect) => {
            ledger.note(format!("> DISCONNECT {:?}", disconnect.code));
        }
        _ => {}
    }
    if !matches!(packet, Packet::Publish(_)) {
        ledger.note(format!("> {}", name(packet)));
    }
}

fn received(ledger: &mut Ledger, packet: &Packet<'_>) {
    match packet {
        Packet::ConnAck(connack) if connack.code == ReasonCode::Success => {
            let maximum = connack
                .properties
                .iter()
                .find_map(|property| match property {
                    Property::ReceiveMaximum(maximum) => Some(maximum),
                    _ => None,
                });
            ledger.note(format!(
                "< CONNACK, session present: {}",
                connack.session_present
            ));
            ledger.accepted(connack.session_present, maximum.unwrap_or(u16::MAX));
        }
        Packet::Publish(publish) => match Name::of(publish.payload) {
            Some(name) => {
                let dup = if publish.dup { " again" } else { "" };
                ledger.note(format!("< {name}{dup} {:?}", publish.packet_id));
                ledger.received(name, publish.packet_id);
            }
            None => ledger.note("< a damaged message"),
        },
        Packet::PubAck(ack) => ledger.acknowledgement(4, ack.packet_id),
        Packet::PubRec(ack) => ledger.acknowledgement(5, ack.packet_id),
        Packet::PubComp(ack) => ledger.acknowledgement(7, ack.packet_id),
        Packet::PubRel(ack) => ledger.release_received(ack.packet_id),
        Packet::SubAck(_) => ledger.subscribed(),
        _ => {}
    }
    if !matches!(packet, Packet::Publish(_) | Packet::ConnAck(_)) {
        ledger.note(format!("< {}", name(packet)));
    }
}

fn name(packet: &Packet<'_>) -> String {
    let (name, id) = match packet {
        Packet::PubAck(ack) => ("PUBACK", Some(ack.packet_id)),
        Packet::PubRec(ack) => ("PUBREC", Some(ack.packet_id)),
        Packet::PubRel(ack) => ("PUBREL", Some(ack.packet_id)),
        Packet::PubComp(ack) => ("PUBCOMP", Some(ack.packet_id)),
        other => return format!("{:?}", other.packet_type()),
    };
    format!("{name} {id:?}")
}

/// A stream, or a half of one.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    stream: S,
    wire: Arc<Mutex<Wire>>,
}

impl<S> Tap<S> {
    pub(crate) const fn new(stream: S, wire: Arc<Mutex<Wire>>) -> Self {
        Self { stream, wire }
    }

    fn sent(&self, bytes: &[u8]) {
        self.wire.lock().expect("no panic before").on_sent(bytes);
    }

    fn received(&self, bytes: &[u8]) {
        self.wire
            .lock()
            .expect("no panic before")
            .on_received(bytes);
    }
}

impl<S: ErrorType> ErrorType for Tap<S> {
    type Error = S::Error;
}

impl<S: embedded_io::Read> embedded_io::Read for Tap<S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let n = self.stream.read(buf)?;
        self.received(&buf[..n]);
        Ok(n)
    }
}

impl<S: embedded_io::Write> embedded_io::Write for Tap<S> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        let n = self.stream.write(buf)?;
        self.sent(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush()
    }
}

impl<S: Stream> Stream for Tap<S> {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> Result<(), S::Error> {
        self.stream.set_deadline(deadline)
    }

    fn close(&mut self) -> Result<(), S::Error> {
        self.stream.close()
    }
}

impl<S: embedded_io_async::Read> embedded_io_async::Read for Tap<S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let n = self.stream.read(buf).await?;
        self.received(&buf[..n]);
        Ok(n)
    }
}

impl<S: embedded_io_async::Write> embedded_io_async::Write for Tap<S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        let n = self.stream.write(buf).await?;
        self.sent(&buf[..n]);
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush().await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.received(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.sent(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
