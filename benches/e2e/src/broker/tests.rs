use std::io::{Read as _, Write as _};
use std::thread::JoinHandle;

use super::*;
use crate::job::{Transport, Work};
use crate::packets::{ack, connect, publish, subscribe};

fn job(work: Work, qos: u8, window: u16) -> Job {
    Job {
        client: String::new(),
        work,
        transport: Transport::Tcp,
        port: 0,
        level: 5,
        qos,
        size: 3,
        window,
        nodelay: None,
        millis: 20,
        rate: 0,
        pause_millis: 0,
        ca: String::new(),
    }
}

/// A broker for this job, and a connection to it.
fn broker(job: Job) -> (TcpStream, JoinHandle<io::Result<Findings>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (
        stream,
        std::thread::spawn(move || serve(&listener, None, &job)),
    )
}

fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];

#[test]
fn what_arrives_is_acknowledged_and_counted() {
    let (mut stream, served) = broker(job(Work::Publish, 1, 10));
    stream.write_all(&connect(5, "x")).unwrap();
    expect(&mut stream, CONNACK);
    for id in [7, 8] {
        stream.write_all(&publish(5, 1, id, b"abc")).unwrap();
        expect(&mut stream, &ack(first::PUBACK, id));
    }
    stream.write_all(&publish(5, 1, 9, END)).unwrap();
    expect(&mut stream, &ack(first::PUBACK, 9));
    drop(stream);
    let findings = served.join().unwrap().unwrap();
    assert_eq!((findings.published, findings.left), (3, 0));
}

#[test]
fn an_identifier_in_use_is_refused() {
    let (mut stream, served) = broker(job(Work::Publish, 2, 10));
    stream.write_all(&connect(5, "x")).unwrap();
    stream.write_all(&publish(5, 2, 7, b"abc")).unwrap();
    stream.write_all(&publish(5, 2, 7, b"abc")).unwrap();
    let error = served.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "an identifier in use");
}

#[test]
fn an_exchange_that_does_not_end_is_noticed() {
    let (mut stream, served) = broker(job(Work::Publish, 2, 10));
    stream.write_all(&connect(5, "x")).unwrap();
    stream.write_all(&publish(5, 2, 7, b"abc")).unwrap();
    stream.write_all(&publish(5, 2, 8, b"abc")).unwrap();
    stream.write_all(&ack(first::PUBREL, 7)).unwrap();
    stream.write_all(&[first::DISCONNECT, 0]).unwrap();
    assert_eq!(served.join().unwrap().unwrap().left, 1);
}

#[test]
fn an_acknowledgement_of_nothing_is_refused() {
    let (mut stream, served) = broker(job(Work::Receive, 1, 10));
    stream.write_all(&connect(5, "x")).unwrap();
    stream.write_all(&ack(first::PUBACK, 1)).unwrap();
    let error = served.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "an acknowledgement of no message");
}

#[test]
fn no_more_is_sent_than_the_window_allows() {
    let (mut stream, served) = broker(job(Work::Receive, 1, 2));
    stream.write_all(&connect(5, "x")).unwrap();
    expect(&mut stream, CONNACK);
    stream.write_all(&subscribe(5, 1)).unwrap();
    expect(&mut stream, &[first::SUBACK, 4, 0, 1, 0, 1]);
    stream.write_all(&publish(5, 0, 0, READY)).unwrap();
    for id in [1, 2] {
        expect(&mut stream, &publish(5, 1, id, &payload(3)));
    }
    stream.set_nonblocking(true).unwrap();
    assert_eq!(
        stream.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    stream.set_nonblocking(false).unwrap();
    // The time for which messages are begun passes, and what is under way is waited for.
    std::thread::sleep(Duration::from_millis(30));
    for id in [1, 2] {
        stream.write_all(&ack(first::PUBACK, id)).unwrap();
    }
    expect(&mut stream, &publish(5, 0, 0, END));
    drop(stream);
    let findings = served.join().unwrap().unwrap();
    assert_eq!((findings.delivered, findings.left), (2, 0));
}

#[test]
fn a_client_may_have_less_in_flight() {
    let connect = |properties: &[u8]| {
        let mut body = b"\0\x04MQTT\x05\x02\0\0".to_vec();
        body.push(properties.len() as u8);
        body.extend(properties);
        receive_maximum(&body).unwrap()
    };
    assert_eq!(connect(&[]), 65_535);
    assert_eq!(connect(&[0x11, 0, 0, 0, 9, 0x21, 1, 0]), 256);
}

#[test]
fn a_packet_may_be_in_several_frames() {
    let job = Job {
        transport: Transport::Ws,
        ..job(Work::Publish, 1, 10)
    };
    let (mut stream, served) = broker(job);
    let request = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));

    let mask = [1, 2, 3, 4];
    for part in connect(5, "x").chunks(7) {
        let mut frame = vec![0x82, 0x80 | part.len() as u8];
        frame.extend(mask);
        frame.extend(part.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        // A ping in between.
        frame.extend([0x89, 0x80, 0, 0, 0, 0]);
        stream.write_all(&frame).unwrap();
    }
    expect(&mut stream, &[0x82, CONNACK.len() as u8]);
    expect(&mut stream, CONNACK);
    drop(stream);
    assert!(served.join().unwrap().is_ok());
}

#[test]
fn a_frame_may_be_read_in_parts() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
        .unwrap();
    let mask = [1, 2, 3, 4];
    let payload = *b"0123456789";
    stream.write_all(&[0x82, 0x80 | 10]).unwrap();
    stream.write_all(&mask).unwrap();
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b);
    stream.write_all(&masked.collect::<Vec<_>>()).unwrap();

    let mut line = line::open(tcp.try_clone().unwrap(), Transport::Ws, None).unwrap();
    let mut read: Vec<u8> = Vec::new();
    while read.len() < payload.len() {
        let mut bytes = [0; 3];
        match line.read(&mut bytes) {
            Ok(n) => read.extend(&bytes[..n]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                wait(tcp.as_fd(), PollFlags::POLLIN, Instant::now() + PATIENCE).unwrap();
            }
        }
    }
    assert_eq!(read, payload);
}
