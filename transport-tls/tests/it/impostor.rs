//! A server that makes a handshake of TLS 1.3 without proving who it is: it leaves out what it
//! likes. Rustls cannot be brought to do that.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use rand_core::OsRng;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use transport_tls::embedded::{Config, Error, Link};

use crate::server::{certificates, plain};

/// A message of the handshake.
#[derive(Clone)]
enum Message {
    /// The server's true certificate, which anybody can have.
    Certificate,
    /// A signature made without the key.
    Proof,
    Finished,
}

/// What the impostor sends after its `ServerHello`: encrypted messages, or a record without content.
#[derive(Clone)]
enum Flight {
    Messages(Vec<Message>),
    Nothing,
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, data).as_ref().to_vec()
}

/// HKDF-Expand-Label (RFC 8446, 7.1), of which one block is always enough here.
fn expand(secret: &[u8], label: &str, context: &[u8], len: u8) -> Vec<u8> {
    let mut info = vec![0, len, u8::try_from(6 + label.len()).unwrap()];
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(u8::try_from(context.len()).unwrap());
    info.extend_from_slice(context);
    info.push(1);
    let mut out = mac(secret, &info);
    out.truncate(len.into());
    out
}

/// A type and what follows, after its length in three bytes.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], &len[..], body].concat()
}

fn handshake(tcp: &mut TcpStream, flight: &Flight) -> io::Result<()> {
    let mut header = [0; 5];
    tcp.read_exact(&mut header)?;
    let mut hello = vec![0; u16::from_be_bytes([header[3], header[4]]).into()];
    tcp.read_exact(&mut hello)?;
    // The client's share for P-256: group 23, 65 bytes.
    let share = hello
        .windows(4)
        .position(|window| window == [0, 23, 0, 65])
        .unwrap()
        + 4;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, hello[share..share + 65].to_vec());
    let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();

    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    // No session, AES-128-GCM with SHA-256, no compression; version 1.3 and the share.
    body.extend_from_slice(&[0, 0x13, 0x01, 0, 0, 79]);
    body.extend_from_slice(&[0, 43, 0, 2, 3, 4]);
    body.extend_from_slice(&[0, 51, 0, 69, 0, 23, 0, 65]);
    body.extend_from_slice(ours.compute_public_key().unwrap().as_ref());
    let server_hello = message(2, &body);
    tcp.write_all(&record(22, &server_hello))?;

    let mut transcript = [hello, server_hello].concat();
    let early = mac(&[0; 32], &[0; 32]);
    let derived = expand(&early, "derived", digest(&SHA256, &[]).as_ref(), 32);
    let secret = agree_ephemeral(ours, &theirs, |shared| mac(&derived, shared)).unwrap();
    let hash = digest(&SHA256, &transcript);
    let secret = expand(&secret, "s hs traffic", hash.as_ref(), 32);
    let key = UnboundKey::new(&AES_128_GCM, &expand(&secret, "key", &[], 16)).unwrap();
    let key = LessSafeKey::new(key);
    let iv = expand(&secret, "iv", &[], 12);
    let finished = expand(&secret, "finished", &[], 32);

    let mut inner = Vec::new();
    if let Flight::Messages(messages) = flight {
        // EncryptedExtensions, of which there are none.
        let mut messages: Vec<_> = messages.iter().map(Some).collect();
        messages.insert(0, None);
        for kind in messages {
            let next = match kind {
                None => message(8, &[0, 0]),
                Some(Message::Certificate) => {
                    let entry = message(0, &certificates().server.certificate_der);
                    let list = message(0, &[&entry[1..], &[0, 0]].concat());
                    message(11, &[&[0], &list[1..]].concat())
                }
                Some(Message::Proof) => message(15, &[4, 3, 0, 8, 0x30, 6, 2, 1, 1, 2, 1, 1]),
                Some(Message::Finished) => {
                    message(20, &mac(&finished, digest(&SHA256, &transcript).as_ref()))
                }
            };
            transcript.extend_from_slice(&next);
            inner.extend_from_slice(&next);
        }
        inner.push(22);
    }
    let header = record(23, &vec![0; inner.len() + 16])[..5].to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(iv.try_into().unwrap()),
        Aad::from(header),
        &mut inner,
    )
    .unwrap();
    tcp.write_all(&record(23, &inner))?;
    io::copy(tcp, &mut io::sink())?;
    Ok(())
}

async fn outcome(flight: Flight, skips_verification: bool) -> Result<(), Error> {
    let (address, _): (SocketAddr, _) = plain(move |mut tcp| handshake(&mut tcp, &flight));
    let mut tcp =
        transport_tcp::tokio::TcpStream::connect_to(&[address], &transport_tcp::Options::default())
            .await
            .unwrap();
    let (reader, writer) = tcp.split();
    let (mut read_buffer, mut write_buffer) = ([0; 16_640], [0; 4096]);
    let mut link = Link::new(reader, writer, &mut read_buffer, &mut write_buffer);
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config {
        dangerously_skip_verification: skips_verification,
        ..Config::new("localhost", authorities)
    };
    let connecting = link.connect(&config, OsRng);
    tokio::time::timeout(crate::PATIENCE, connecting)
        .await
        .expect("hangs")
        .map(|_| ())
}

/// Not even who skips verification talks to a server without a certificate, or without its key:
/// there may be a pin for it.
#[tokio::test]
async fn impostors_are_found_out() {
    use Message::{Certificate, Finished, Proof};

    for skips_verification in [false, true] {
        for messages in [
            vec![Finished],
            vec![Certificate, Finished],
            vec![Proof, Finished],
            vec![Certificate, Proof, Finished],
            vec![Proof, Certificate, Finished],
        ] {
            let result = outcome(Flight::Messages(messages), skips_verification).await;
            assert!(matches!(result, Err(Error::NotAuthenticated)), "{result:?}");
        }
    }
}

/// A record without anything in it, not even its type.
#[tokio::test]
async fn empty_record() {
    let result = outcome(Flight::Nothing, false).await;
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}
