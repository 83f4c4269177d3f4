use core::error::Error;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::ErrorKind;
use std::net;
use std::time::Instant;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::time::timeout;
use embedded_io_async::{Read, Write};
use testkit::Refusing;
#[cfg(target_os = "linux")]
use testkit::Silent;
use transport_tcp::Options;
use transport_tcp::tokio::TcpStream;

use crate::{PATIENCE, accept, listener, listener_on, pattern};

type Peer = ::tokio::net::TcpStream;

/// The other end of `stream`.
fn peer_of(stream: &TcpStream, listener: &net::TcpListener) -> Peer {
    let peer = accept(listener, stream.local_addr().unwrap());
    peer.set_nonblocking(true).unwrap();
    Peer::from_std(peer).unwrap()
}

async fn pair() -> (TcpStream, Peer) {
    let (listener, address) = listener();
    let stream = TcpStream::connect_to(&[address], &Options::default())
        .await
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    let peer = peer_of(&stream, &listener);
    (stream, peer)
}

/// Fails a test that would hang otherwise.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("hangs")
}

/// Polls `future` once and drops it.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn echoes_through(listener: &net::TcpListener, host: &str) {
    let port = listener.local_addr().unwrap().port();
    let mut stream = TcpStream::connect(host, port, &Options::default())
        .await
        .unwrap();
    let mut peer = peer_of(&stream, listener);
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut buf = [0; 4];
    AsyncReadExt::read_exact(&mut peer, &mut buf).await.unwrap();
    AsyncWriteExt::write_all(&mut peer, &buf).await.unwrap();
    buf.fill(0);
    soon(stream.read_exact(&mut buf)).await.unwrap();
    assert_eq!(&buf, b"ping");
}

#[tokio::test]
async fn connects_over_ipv4() {
    let (listener, _) = listener();
    echoes_through(&listener, "127.0.0.1").await;
}

#[tokio::test]
async fn connects_over_ipv6_with_or_without_brackets() {
    let Some(listener) = listener_on("::1") else {
        return;
    };
    echoes_through(&listener, "::1").await;
    echoes_through(&listener, "[::1]").await;
}

#[tokio::test]
async fn connects_to_a_name() {
    let (_listener, address) = listener();
    let stream = TcpStream::connect("localhost", address.port(), &Options::default())
        .await
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap().port(), address.port());
}

#[tokio::test]
async fn no_delay_is_an_option() {
    let (_listener, address) = listener();
    for nodelay in [true, false] {
        let options = Options {
            nodelay,
            ..Options::default()
        };
        let stream = TcpStream::connect_to(&[address], &options).await.unwrap();
        assert_eq!(stream.get_ref().nodelay().unwrap(), nodelay);
    }
}

#[tokio::test]
async fn next_address_is_tried_after_a_refusal() {
    let refusing = Refusing::bind();
    let (_listener, address) = listener();
    let addresses = [refusing.address, address];
    let stream = TcpStream::connect_to(&addresses, &Options::default())
        .await
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
}

#[tokio::test]
async fn failures_are_told() {
    let refusing = Refusing::bind();
    let port = refusing.address.port();
    let error = TcpStream::connect("127.0.0.1", port, &Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(error.tried().len(), 1);
    assert!(error.source().is_some());

    let error = TcpStream::connect("a\0b", 1, &Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let error = TcpStream::connect_to(&[], &Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn connect_timeout_limits() {
    let (_listener, address) = listener();
    let with = |connect_timeout| Options {
        connect_timeout,
        ..Options::default()
    };
    for result in [
        TcpStream::connect_to(&[address], &with(Duration::ZERO)).await,
        TcpStream::connect("127.0.0.1", address.port(), &with(Duration::ZERO)).await,
        // Here it is the look-up, on a thread of its own, for which there is no time.
        TcpStream::connect("localhost", address.port(), &with(Duration::ZERO)).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.tried().is_empty());
    }
    TcpStream::connect_to(&[address], &with(Duration::MAX))
        .await
        .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn silent_address_costs_its_share_of_time() {
    let silent = Silent::bind();
    let (_listener, address) = listener();
    let with = |connect_timeout| Options {
        connect_timeout,
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let options = with(Duration::from_millis(200));
        let error = TcpStream::connect_to(&[silent.address; 2], &options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= options.connect_timeout);
        assert!(start.elapsed() < PATIENCE);

        let start = Instant::now();
        let addresses = [silent.address, address];
        let stream = TcpStream::connect_to(&addresses, &with(Duration::from_secs(4)))
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(start.elapsed() >= Duration::from_secs(2));
    });
}

#[tokio::test]
async fn read_can_be_dropped_and_repeated() {
    let (mut stream, mut peer) = pair().await;
    let mut buf = [0; 8];
    timeout(Duration::from_millis(20), stream.read(&mut buf))
        .await
        .unwrap_err();
    let _ = timeout(Duration::ZERO, stream.read(&mut buf)).await;

    let data = pattern(1_000_000);
    let sent = data.clone();
    let writer = ::tokio::spawn(async move {
        for chunk in sent.chunks(999) {
            AsyncWriteExt::write_all(&mut peer, chunk).await.unwrap();
            ::tokio::task::yield_now().await;
        }
    });
    // Dropped over and over, whenever it is not done at once, it loses nothing.
    let mut received = Vec::new();
    let mut buf = [0; 1000];
    let mut dropped = 0;
    let start = Instant::now();
    loop {
        match poll_once(stream.read(&mut buf)) {
            Poll::Ready(Ok(0)) => break,
            Poll::Ready(Ok(n)) => received.extend_from_slice(&buf[..n]),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => dropped += 1,
        }
        assert!(start.elapsed() < PATIENCE);
        ::tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert!(received == data);
    assert!(dropped > 0);
}

#[tokio::test]
async fn write_can_be_dropped_and_repeated() {
    let (mut stream, mut peer) = pair().await;
    let data = pattern(64 << 20);
    let mut sent = 0;
    loop {
        let write = stream.write(&data[sent..]);
        match timeout(Duration::from_millis(100), write).await {
            Ok(n) => sent += n.unwrap(),
            Err(_) => break,
        }
    }
    assert!(0 < sent && sent < data.len(), "{sent}");

    let reader = ::tokio::spawn(async move {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        received
    });
    soon(stream.write_all(&data[sent..])).await.unwrap();
    drop(stream);
    assert!(soon(reader).await.unwrap() == data);
}

#[tokio::test]
async fn end_of_stream_is_zero() {
    let (mut stream, mut peer) = pair().await;
    AsyncWriteExt::write_all(&mut peer, b"bye").await.unwrap();
    drop(peer);
    let mut buf = [0; 8];
    assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 3);
    assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 0);
    assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 0);
}

#[tokio::test]
async fn shutdown_ends_sending() {
    let (mut stream, mut peer) = pair().await;
    stream.shutdown().await.unwrap();
    let mut buf = [0; 8];
    assert_eq!(
        soon(AsyncReadExt::read(&mut peer, &mut buf)).await.unwrap(),
        0
    );
    AsyncWriteExt::write_all(&mut peer, b"still").await.unwrap();
    assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 5);
    let error = stream.write(b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn empty_buffers_do_not_wait() {
    let (mut stream, _peer) = pair().await;
    assert_eq!(soon(stream.read(&mut [])).await.unwrap(), 0);
    assert_eq!(soon(stream.write(&[])).await.unwrap(), 0);
}

#[tokio::test]
async fn halves_work_at_the_same_time() {
    let (mut stream, mut peer) = pair().await;
    let data = pattern(16 << 20);
    ::tokio::spawn(async move {
        let (mut read, mut write) = peer.split();
        ::tokio::io::copy(&mut read, &mut write).await.unwrap();
    });

    // More than fits on the way, so that neither half could be done first.
    let (mut read, mut write) = stream.split();
    let mut received = vec![0; data.len()];
    let (written, done) = soon(async {
        ::tokio::join!(
            async {
                write.write_all(&data).await?;
                write.flush().await
            },
            read.read_exact(&mut received)
        )
    })
    .await;
    written.unwrap();
    done.unwrap();
    assert!(received == data);
}

#[tokio::test]
async fn wraps_a_tokio_stream() {
    let (stream, mut peer) = pair().await;
    let mut stream = TcpStream::from(stream.into_inner());
    stream.get_mut().set_nodelay(false).unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(soon(AsyncReadExt::read_u8(&mut peer)).await.unwrap(), b'x');
}

/// The futures can be spawned on a runtime with several threads.
#[test]
fn futures_are_send() {
    fn check<T: Send>(_: T) {}

    check(TcpStream::connect("localhost", 1, &Options::default()));
    check(async {
        let (mut stream, _peer) = pair().await;
        let mut buf = [0; 8];
        stream.read(&mut buf).await.unwrap();
        stream.write(&buf).await.unwrap();
    });
}
