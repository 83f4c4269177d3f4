use core::error::Error;
use core::time::Duration;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::{self, Shutdown, TcpListener};
use std::thread;
use std::time::Instant;

use embedded_io::{Read, ReadReady, Write};
use testkit::Refusing;
#[cfg(target_os = "linux")]
use testkit::Silent;
use transport_tcp::{Options, TcpStream};

use crate::{PATIENCE, accept, listener, listener_on, pattern};

/// Both ends of a connection; ours gives up in time if the test is wrong.
fn pair() -> (TcpStream, net::TcpStream) {
    let (listener, address) = listener();
    let mut stream = TcpStream::connect_to(&[address], &Options::default()).unwrap();
    stream.set_deadline(Some(Instant::now() + PATIENCE));
    let peer = accept(&listener, stream.local_addr().unwrap());
    (stream, peer)
}

fn past() -> Option<Instant> {
    Some(Instant::now())
}

fn in_ms(ms: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(ms))
}

/// Waits until there is something to read, or the end.
fn until_ready(stream: &mut TcpStream) {
    let start = Instant::now();
    while !stream.read_ready().unwrap() {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

fn echoes_through(listener: &TcpListener, host: &str) {
    let port = listener.local_addr().unwrap().port();
    let mut stream = TcpStream::connect(host, port, &Options::default()).unwrap();
    assert_eq!(stream.peer_addr().unwrap().port(), port);
    stream.set_deadline(Some(Instant::now() + PATIENCE));

    let mut peer = accept(listener, stream.local_addr().unwrap());
    stream.write_all(b"ping").unwrap();
    stream.flush().unwrap();
    let mut buf = [0; 4];
    std::io::Read::read_exact(&mut peer, &mut buf).unwrap();
    std::io::Write::write_all(&mut peer, &buf).unwrap();
    buf.fill(0);
    stream.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"ping");
}

#[test]
fn connects_over_ipv4() {
    let (listener, _) = listener();
    echoes_through(&listener, "127.0.0.1");
}

#[test]
fn connects_over_ipv6_with_or_without_brackets() {
    let Some(listener) = listener_on("::1") else {
        return;
    };
    echoes_through(&listener, "::1");
    echoes_through(&listener, "[::1]");
}

#[test]
fn connects_to_a_name() {
    let (_listener, address) = listener();
    let stream = TcpStream::connect("localhost", address.port(), &Options::default()).unwrap();
    assert_eq!(stream.peer_addr().unwrap().port(), address.port());
}

#[test]
fn no_delay_is_an_option() {
    let (_listener, address) = listener();
    for nodelay in [true, false] {
        let options = Options {
            nodelay,
            ..Options::default()
        };
        let stream = TcpStream::connect_to(&[address], &options).unwrap();
        assert_eq!(stream.get_ref().nodelay().unwrap(), nodelay);
    }
    assert!(Options::default().nodelay);
}

#[test]
fn next_address_is_tried_after_a_refusal() {
    let refusing = Refusing::bind();
    let (_listener, address) = listener();
    let addresses = [refusing.address, address];
    let stream = TcpStream::connect_to(&addresses, &Options::default()).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
}

#[test]
fn refusals_are_all_told() {
    let (one, other) = (Refusing::bind(), Refusing::bind());
    let addresses = [one.address, other.address];
    let error = TcpStream::connect_to(&addresses, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.source().is_some());
    assert!(error.tried().iter().map(|(a, _)| *a).eq(addresses));
    let text = error.to_string();
    assert!(
        addresses.iter().all(|a| text.contains(&a.to_string())),
        "{text}"
    );

    let port = one.address.port();
    let error = TcpStream::connect("127.0.0.1", port, &Options::default()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.matches("127.0.0.1").count(), 1, "{text}");
    assert_eq!(
        std::io::Error::from(error).kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn unusable_targets() {
    let error = TcpStream::connect("a\0b", 1, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with(r#"cannot resolve "a\0b": "#));
    assert!(error.source().is_some());
    assert!(error.tried().is_empty());

    let error = TcpStream::connect_to(&[], &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn connect_timeout_limits() {
    let (_listener, address) = listener();
    let with = |connect_timeout| Options {
        connect_timeout,
        ..Options::default()
    };
    let error = TcpStream::connect_to(&[address], &with(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.tried().is_empty());
    TcpStream::connect_to(&[address], &with(Duration::MAX)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn connecting_times_out() {
    let silent = Silent::bind();
    let options = Options {
        connect_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let start = Instant::now();
    let error = TcpStream::connect_to(&[silent.address; 2], &options).unwrap_err();
    assert!(start.elapsed() >= options.connect_timeout);
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[cfg(target_os = "linux")]
#[test]
fn silent_address_leaves_time_for_the_next() {
    let silent = Silent::bind();
    let (_listener, address) = listener();
    let options = Options {
        connect_timeout: Duration::from_secs(4),
        ..Options::default()
    };
    let start = Instant::now();
    let addresses = [silent.address, address];
    let stream = TcpStream::connect_to(&addresses, &options).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn read_deadline_fires_and_a_later_read_works() {
    let (mut stream, mut peer) = pair();
    let mut buf = [0; 8];
    for ms in [1, 30, 100] {
        let start = Instant::now();
        stream.set_deadline(Some(start + Duration::from_millis(ms)));
        let error = stream.read(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(ms));
    }

    std::io::Write::write_all(&mut peer, b"late").unwrap();
    stream.set_deadline(Some(Instant::now() + PATIENCE));
    assert_eq!(stream.read(&mut buf).unwrap(), 4);
    assert_eq!(&buf[..4], b"late");
}

#[test]
fn data_that_is_there_is_read_after_the_deadline() {
    for polled in [false, true] {
        let (mut stream, mut peer) = pair();
        std::io::Write::write_all(&mut peer, b"ready").unwrap();
        // Waits for it either in blocking mode or in the other one.
        if polled {
            until_ready(&mut stream);
        } else {
            assert_eq!(stream.get_ref().peek(&mut [0]).unwrap(), 1);
        }

        stream.set_deadline(past());
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf[..2]).unwrap(), 2);
        assert_eq!(stream.read(&mut buf[2..]).unwrap(), 3);
        assert_eq!(&buf[..5], b"ready");
        let error = stream.read(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn waits_again_once_the_deadline_is_gone() {
    for deadline in [None, Some(Instant::now() + PATIENCE)] {
        let (mut stream, mut peer) = pair();
        let mut buf = [0; 8];
        stream.set_deadline(past());
        assert_eq!(
            stream.read(&mut buf).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        stream.set_deadline(in_ms(1));
        assert_eq!(
            stream.read(&mut buf).unwrap_err().kind(),
            ErrorKind::TimedOut
        );

        stream.set_deadline(deadline);
        assert_eq!(stream.deadline(), deadline);
        let writer = thread::spawn(move || {
            // Long enough to outlast the time-outs of before, or the read has it easy.
            thread::sleep(Duration::from_millis(50));
            std::io::Write::write_all(&mut peer, b"x").unwrap();
            peer
        });
        assert_eq!(stream.read(&mut buf).unwrap(), 1);
        writer.join().unwrap();
    }
}

#[test]
fn write_deadline_fires_when_the_peer_does_not_read() {
    let (mut stream, mut peer) = pair();
    let data = pattern(64 << 20);
    let deadline = Instant::now() + Duration::from_millis(100);
    stream.set_deadline(Some(deadline));
    let mut sent = 0;
    let error = loop {
        match stream.write(&data[sent..][..100_000]) {
            Ok(n) => sent += n,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(Instant::now() >= deadline);

    // What was reported as written, and only that, arrives; then there is room again.
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut peer, &mut received).unwrap();
        received
    });
    stream.set_deadline(Some(Instant::now() + PATIENCE));
    stream.write_all(&data[sent..][..100_000]).unwrap();
    drop(stream);
    assert!(reader.join().unwrap() == data[..sent + 100_000]);
}

#[test]
fn writes_can_be_partial() {
    let (mut stream, mut peer) = pair();
    let data = pattern(64 << 20);
    stream.set_deadline(past());
    let sent = stream.write(&data).unwrap();
    assert!(0 < sent && sent < data.len(), "{sent}");

    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut peer, &mut received).unwrap();
        received
    });
    // Without a deadline, a write waits until there is room.
    stream.set_deadline(None);
    stream.write_all(&data[sent..]).unwrap();
    drop(stream);
    assert!(reader.join().unwrap() == data);
}

#[test]
fn end_of_stream_is_zero() {
    let (mut stream, mut peer) = pair();
    std::io::Write::write_all(&mut peer, b"bye").unwrap();
    drop(peer);
    let mut buf = [0; 8];
    assert_eq!(stream.read(&mut buf).unwrap(), 3);
    assert_eq!(stream.read(&mut buf).unwrap(), 0);
    assert!(stream.read_ready().unwrap());
    stream.set_deadline(past());
    assert_eq!(stream.read(&mut buf).unwrap(), 0);
}

#[test]
fn shutdown_ends_one_direction() {
    let (mut stream, mut peer) = pair();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut buf = [0; 8];
    assert_eq!(std::io::Read::read(&mut peer, &mut buf).unwrap(), 0);
    std::io::Write::write_all(&mut peer, b"still").unwrap();
    assert_eq!(stream.read(&mut buf).unwrap(), 5);
    assert_eq!(
        stream.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn empty_buffers_do_not_wait() {
    let (mut stream, _peer) = pair();
    stream.set_deadline(None);
    assert_eq!(stream.read(&mut []).unwrap(), 0);
    assert_eq!(stream.write(&[]).unwrap(), 0);
    let mut bufs = [IoSliceMut::new(&mut [])];
    assert_eq!(
        std::io::Read::read_vectored(&mut stream, &mut bufs).unwrap(),
        0
    );
}

#[test]
fn ready_tells_whether_there_is_something_to_read() {
    let (mut stream, mut peer) = pair();
    assert!(!stream.read_ready().unwrap());
    std::io::Write::write_all(&mut peer, b"x").unwrap();
    until_ready(&mut stream);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
    assert!(!stream.read_ready().unwrap());
    // And reading waits as before.
    stream.set_deadline(in_ms(10));
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
}

#[test]
fn is_a_std_stream_too() {
    use std::io::{Read, Write};

    let (mut stream, mut peer) = pair();
    let n = stream
        .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cd")])
        .unwrap();
    assert_eq!(n, 4);
    Write::flush(&mut stream).unwrap();
    let mut buf = [0; 4];
    peer.read_exact(&mut buf).unwrap();
    peer.write_all(&buf).unwrap();
    drop(peer);

    let (mut a, mut b) = ([0; 1], [0; 2]);
    let mut bufs = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(stream.read_vectored(&mut bufs).unwrap(), 3);
    assert_eq!((&a, &b), (b"a", b"bc"));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"d");
}

#[test]
fn sockets_come_and_go_in_a_known_state() {
    let (stream, mut peer) = pair();
    let socket = stream.into_inner();
    socket.set_nonblocking(true).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    socket
        .set_write_timeout(Some(Duration::from_millis(1)))
        .unwrap();

    let mut stream = TcpStream::from(socket);
    assert_eq!(stream.get_ref().read_timeout().unwrap(), None);
    assert_eq!(stream.get_ref().write_timeout().unwrap(), None);
    stream.set_deadline(in_ms(20));
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    assert!(Instant::now() >= stream.deadline().unwrap());
    stream.set_deadline(past());
    stream.write_all(b"x").unwrap();
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );

    let mut socket = stream.into_inner();
    assert_eq!(socket.read_timeout().unwrap(), None);
    assert_eq!(socket.write_timeout().unwrap(), None);
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        std::io::Write::write_all(&mut peer, b"y").unwrap();
        peer
    });
    assert_eq!(std::io::Read::read(&mut socket, &mut [0; 8]).unwrap(), 1);
    writer.join().unwrap();
}
