//! The blocking driver over streams that hold bytes back, as TLS and WebSocket do.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::wire::{Ack, Packet, PacketId, Publish};
use mqtt_client::{Config, Event, HeapStorage, Message, Stream};

use crate::blocking::{Scripted, connack, encode, names};

/// What a test does to a layer, and sees of it.
#[derive(Default)]
struct Control {
    /// How often writing and flushing time out.
    write_timeouts: Cell<usize>,
    flush_timeouts: Cell<usize>,
    /// True if the layer has something to send before it can read.
    is_asked: Cell<bool>,
    reads: Cell<usize>,
    /// How often the layer has read before it was closed.
    reads_before_close: Cell<Option<usize>>,
    /// Until when the last read might have waited.
    deadline: Cell<Option<Instant>>,
}

/// A stream that sends nothing before it is flushed.
struct Layer {
    below: Scripted,
    held: Vec<u8>,
    control: Rc<Control>,
}

/// A layer that receives what the script says, how to control it, and what it has sent.
fn layer(
    incoming: impl IntoIterator<Item = Vec<u8>>,
) -> (Layer, Rc<Control>, Rc<RefCell<Vec<u8>>>) {
    let (below, sent) = Scripted::new(incoming);
    let control = Rc::default();
    let layer = Layer {
        below,
        held: Vec::new(),
        control: Rc::clone(&control),
    };
    (layer, control, sent)
}

fn take(count: &Cell<usize>) -> bool {
    let left = count.get();
    count.set(left.saturating_sub(1));
    left > 0
}

impl embedded_io::ErrorType for Layer {
    type Error = io::Error;
}

impl embedded_io::Read for Layer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.control.reads.set(self.control.reads.get() + 1);
        if self.control.is_asked.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.below.read(buf)
    }
}

impl embedded_io::Write for Layer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if take(&self.control.write_timeouts) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.held.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if take(&self.control.flush_timeouts) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.control.is_asked.set(false);
        while !self.held.is_empty() {
            let n = self.below.write(&self.held)?;
            self.held.drain(..n);
        }
        Ok(())
    }
}

impl Stream for Layer {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.control.deadline.set(deadline);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let reads = self.control.reads.get();
        self.control.reads_before_close.set(Some(reads));
        embedded_io::Write::write(self, b"bye")?;
        embedded_io::Write::flush(self)
    }
}

const NOW: Duration = Duration::ZERO;

#[test]
fn a_flush_that_timed_out_is_repeated_and_reading_goes_on() {
    let message = encode(Publish::new("a", b"x"));
    let (stream, control, sent) = layer([connack(), message, vec![]]);
    control.flush_timeouts.set(3);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while !client.core().is_connected() {
        client.poll(None).unwrap();
    }
    while client.poll(None).unwrap().is_none() {}
    assert_eq!(control.flush_timeouts.get(), 1);
    assert!(sent.borrow().is_empty());
    assert!(!client.flush(NOW).unwrap());
    assert!(client.flush(NOW).unwrap());
    assert_eq!(names(&sent.borrow()), ["CONNECT"]);
}

/// While the stream holds something back, a read is not waited for as long as the caller allows.
#[test]
fn a_stalled_flush_does_not_wait_for_a_read() {
    let (stream, control, sent) = layer([connack(), vec![], vec![], vec![]]);
    control.flush_timeouts.set(usize::MAX);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    assert!(client.poll(None).unwrap().is_none());
    client.poll(None).unwrap();
    assert!(patience(&control) <= Duration::from_millis(20));
    control.flush_timeouts.set(0);
    client.poll(None).unwrap();
    assert!(patience(&control) > Duration::from_secs(1));
    assert_eq!(names(&sent.borrow()), ["CONNECT"]);
}

#[test]
fn an_interrupted_read_is_for_flushing() {
    let message = encode(Publish::new("a", b"x"));
    let (stream, control, _) = layer([connack(), message]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    assert!(client.flush(NOW).unwrap());
    control.is_asked.set(true);
    let reads = control.reads.get();
    let published = loop {
        match client.poll(None).unwrap() {
            Some((Event::Publish(publish), _)) => break publish.payload == b"x",
            event => assert!(event.is_none()),
        }
    };
    assert!(published);
    assert_eq!(control.reads.get(), reads + 2);
}

#[test]
fn a_payload_is_flushed_by_the_next_poll() {
    let (stream, _, sent) = layer([connack(), vec![], vec![]]);
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(Config::new("c"), storage.split());
    client.connect(stream).unwrap();
    while client.poll(None).unwrap().is_none() {}
    let message = Message::new("t", b"");
    client.core().publish_lent(&message, 3).unwrap();
    assert_eq!(client.send_payload(b"abc", NOW).unwrap(), 3);
    let expected = encode(Publish::new("t", b"abc"));
    assert!(!sent.borrow().ends_with(&expected));
    for _ in 0..2 {
        assert!(client.poll(None).unwrap().is_none());
    }
    assert!(sent.borrow().ends_with(&expected));
}

#[test]
fn disconnect_is_not_in_order_before_it_is_flushed() {
    for (timeouts, is_sent) in [(0, true), (1, false)] {
        let (stream, control, sent) = layer([connack(), vec![]]);
        let mut storage = HeapStorage::new(256, 256, 4);
        let mut client = Client::new(Config::new("c"), storage.split());
        client.connect(stream).unwrap();
        while client.poll(None).unwrap().is_none() {}
        assert!(client.flush(NOW).unwrap());
        control.flush_timeouts.set(timeouts);
        let reads = control.reads.get();
        let result = client.disconnect(NOW);
        let before_close = control.reads_before_close.get();
        if is_sent {
            result.unwrap();
            // The layer has an end of its own, and the server is given time for its side of it.
            assert_eq!(before_close, Some(reads));
            assert!(control.reads.get() > reads);
            assert!(sent.borrow().ends_with(b"\xE0\x00bye"));
        } else {
            assert!(matches!(result, Err(Error::Unsent)));
            assert_eq!(names(&sent.borrow()), ["CONNECT"]);
        }
    }
}

/// Packets that had to wait for room are looked at once sending has made some: nobody waits for the
/// server then.
#[test]
fn room_that_sending_makes_is_noticed() {
    for flushes in [false, true] {
        let answered = (1..=40).map(|id| {
            let id = PacketId::new(id).unwrap();
            encode(Packet::PubRel(Ack::new(id)))
        });
        let message = encode(Publish::new("a", b"x"));
        let held_back: Vec<_> = answered.chain([message]).flatten().collect();
        let script = [connack(), held_back].into_iter();
        let (stream, control, _) = layer(script.chain(vec![Vec::new(); 100]));
        let mut storage = HeapStorage::new(256, 256, 4);
        let mut client = Client::new(Config::new("c"), storage.split());
        client.connect(stream).unwrap();
        while client.poll(None).unwrap().is_none() {}
        control.write_timeouts.set(usize::MAX);
        for _ in 0..5 {
            assert!(client.poll(Some(NOW)).unwrap().is_none());
        }
        control.write_timeouts.set(0);
        loop {
            if flushes {
                client.flush(NOW).unwrap();
            }
            match client.poll(None).unwrap() {
                Some((event, _)) => {
                    assert!(matches!(event, Event::Publish(_)), "{event:?}");
                    break;
                }
                None => assert!(patience(&control) < Duration::from_secs(1)),
            }
        }
    }
}

/// How long the last read might have waited.
fn patience(control: &Control) -> Duration {
    let deadline = control.deadline.get().unwrap();
    deadline.saturating_duration_since(Instant::now())
}
