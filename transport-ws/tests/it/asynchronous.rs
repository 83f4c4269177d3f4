use core::future::Future;
use core::net::SocketAddr;
use std::io::{self, Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transport_ws::tokio::WsStream;
use transport_ws::{Error, FrameError, Options, ResponseError};

use super::{
    BINARY, CLOSE, PATIENCE, PING, PONG, deframe, echo, frame, pattern, serve, shake_hands, sorted,
};

/// Runs a test on one thread, so that tasks take turns in an order that does not vary.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { timeout(PATIENCE, test).await.unwrap() })
}

async fn connect(address: SocketAddr) -> Result<WsStream<TcpStream>, Error<io::Error>> {
    let tcp = TcpStream::connect(address).await.unwrap();
    WsStream::connect(tcp, &address.to_string(), &Options::default()).await
}

#[test]
fn against_another_implementation() {
    let (address, server) = serve(echo);
    run(async {
        let stream = connect(address).await.unwrap();
        let data = pattern(1 << 20);
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = async {
            for chunk in data.chunks(100_000) {
                writer.write_all(chunk).await.unwrap();
            }
            writer.flush().await.unwrap();
        };
        let mut received = vec![0; data.len()];
        let (_, read) = tokio::join!(write, reader.read_exact(&mut received));
        read.unwrap();
        assert!(received == data);

        writer.shutdown().await.unwrap();
        let error = writer.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(reader.read_to_end(&mut received).await.unwrap(), 0);
        assert_eq!(reader.unsplit(writer).close_code(), Some(1000));
    });
    let (frames, pongs) = server.join().unwrap();
    // 65,536 bytes and the rest of each 100,000.
    assert_eq!(frames, 21);
    assert!(pongs > 0);
}

/// The server reads nothing until it was read to the end, and pings in between: the task that reads
/// sends answers while the other one waits to write, and is then heard of no more.
#[test]
fn full_in_both_directions() {
    const LEN: usize = 200_000;

    run(async {
        let (near, mut far) = tokio::io::duplex(1_000);
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            agree(&mut far).await;
            for chunk in pattern(LEN).chunks(5_000) {
                far.write_all(&frame(PING, b"again")).await.unwrap();
                far.write_all(&frame(BINARY, chunk)).await.unwrap();
            }
            wait.await.unwrap();
            let mut sent = Vec::new();
            far.read_to_end(&mut sent).await.unwrap();
            sorted(deframe(&sent))
        });
        let stream = WsStream::connect(near, "localhost", &Options::default())
            .await
            .unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = tokio::spawn(async move {
            writer.write_all(&pattern(LEN)).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let read = tokio::spawn(async move {
            let mut received = vec![0; LEN];
            reader.read_exact(&mut received).await.unwrap();
            assert!(received == pattern(LEN));
            // Not dropped until the end, but not polled either.
            reader
        });
        let _reader = read.await.unwrap();
        done.send(()).unwrap();
        write.await.unwrap();
        let (data, mut control) = server.await.unwrap();
        assert!(data == pattern(LEN));
        assert_eq!(
            control.pop(),
            Some((CLOSE, 1000_u16.to_be_bytes().to_vec()))
        );
        assert!(!control.is_empty());
        assert!(
            control
                .into_iter()
                .all(|pong| pong == (PONG, b"again".to_vec()))
        );
    });
}

/// The server's part of a handshake.
async fn agree(far: &mut DuplexStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(far.read_u8().await.unwrap());
    }
    far.write_all(&super::consent(&request)).await.unwrap();
}

/// Reading alone answers pings and the server's close.
#[test]
fn reading_answers() {
    let (address, server) = serve(|mut stream| {
        shake_hands(&mut stream, &[]);
        let mut answer = |send: &[u8], expected| {
            stream.write_all(send).unwrap();
            let mut frame = vec![0; 6 + send.len() - 2];
            stream.read_exact(&mut frame).unwrap();
            assert_eq!(deframe(&frame), [expected]);
        };
        answer(&frame(PING, b"a"), (PONG, b"a".to_vec()));
        answer(&frame(PING, b""), (PONG, vec![]));
        answer(&frame(CLOSE, b"\x03\xe8"), (CLOSE, vec![0x03, 0xe8]));
    });
    run(async {
        let mut stream = connect(address).await.unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        server.join().unwrap();
    });
}

#[test]
fn violations() {
    let (address, server) = serve(|mut stream| {
        shake_hands(
            &mut stream,
            &[frame(BINARY, b"a"), frame(0x81, b"b")].concat(),
        );
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).unwrap();
        deframe(&sent)
    });
    run(async {
        let mut stream = connect(address).await.unwrap();
        let mut data = Vec::new();
        let error = stream.read_to_end(&mut data).await.unwrap_err();
        assert_eq!(data, b"a");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = error.downcast::<Error<io::Error>>().unwrap();
        assert!(matches!(error, Error::Frame(FrameError::Text)));
    });
    assert_eq!(
        server.join().unwrap(),
        [(CLOSE, 1003_u16.to_be_bytes().to_vec())]
    );
}

#[test]
fn refused_handshake() {
    let (address, server) = serve(|mut stream| {
        stream
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = run(connect(address)).unwrap_err();
    assert!(matches!(error, Error::Response(ResponseError::Status(503))));
    server.join().unwrap();
}

/// What did not fit below stays in order, whatever the size of the pieces that do.
#[test]
fn narrow_stream() {
    run(async {
        let (near, mut far) = tokio::io::duplex(7);
        let server = tokio::spawn(async move {
            agree(&mut far).await;
            far.write_all(&frame(PING, &[7; 125])).await.unwrap();
            for byte in pattern(1_000) {
                far.write_all(&frame(BINARY, &[byte])).await.unwrap();
            }
            let mut sent = Vec::new();
            far.read_to_end(&mut sent).await.unwrap();
            sorted(deframe(&sent))
        });
        let stream = WsStream::connect(near, "localhost", &Options::default())
            .await
            .unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = async {
            for byte in pattern(1_000) {
                writer.write_all(&[byte]).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        };
        let mut received = vec![0; 1_000];
        let (_, read) = tokio::join!(write, reader.read_exact(&mut received));
        read.unwrap();
        assert_eq!(received, pattern(1_000));
        drop((reader, writer));
        let (data, control) = server.await.unwrap();
        assert_eq!(data, pattern(1_000));
        assert_eq!(control[0], (PONG, vec![7; 125]));
        assert_eq!(control.len(), 2);
    });
}
