//! SCRAM-SHA-256 against a scripted server, and against mosquitto with a plugin in C.

use std::io::{self, Write};
use std::net::TcpStream as Peer;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use mqtt_client::auth::{self, Scram};
use mqtt_client::blocking::{Client, Error};
use mqtt_client::mqtt_core::wire::{Property, ReasonCode};
use mqtt_client::{Config, Event, Message, QoS};
use sha2::{Digest, Sha256};
use testkit::Mosquitto;
use testkit::machine::{missing, program, wait_for};
use transport_tcp::{Options, TcpStream};

use super::auth::{
    PATIENCE, accept, expect, failure, is_authenticated, is_connected, read_auth, read_connect,
    read_end, storage,
};
use super::blocking::serve;

const METHOD: &str = Scram::METHOD;

fn config(client_id: &str) -> Config<'_> {
    Config {
        properties: &[Property::AuthenticationMethod(METHOD)],
        ..Config::new(client_id)
    }
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.chain_update(text).finalize().into_bytes().into()
}

/// A server that knows this password: takes the client's first message, sends the challenge, takes
/// the client's proof, and returns its own.
fn exchange(peer: &mut Peer, password: &str, first: Option<Vec<u8>>) -> io::Result<String> {
    let first = String::from_utf8(first.expect("a first message")).unwrap();
    let first = first.strip_prefix("n,,").unwrap();
    let nonce = first.strip_prefix("n=user,r=").unwrap();
    let challenge = format!("r={nonce}MORE,s={},i=5000", BASE64.encode("salt"));
    let code = ReasonCode::ContinueAuthentication;
    peer.write_all(&super::auth::auth(code, METHOD, challenge.as_bytes()))?;

    let (code, answer) = read_auth(peer)?;
    assert_eq!(code, ReasonCode::ContinueAuthentication);
    let answer = String::from_utf8(answer.expect("a proof")).unwrap();
    let (last, proof) = answer.split_once(",p=").unwrap();
    assert_eq!(last, format!("c=biws,r={nonce}MORE"));
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), b"salt", 5000);
    let said = format!("{first},{challenge},{last}");
    // The signature takes the proof apart, and what is left is the key that was stored.
    let stored = Sha256::digest(hmac(&salted, "Client Key"));
    let mut key = BASE64.decode(proof).unwrap();
    for (byte, signature) in key.iter_mut().zip(hmac(&stored, &said)) {
        *byte ^= signature;
    }
    assert_eq!(Sha256::digest(key), stored, "the client's proof");
    let signature = hmac(&hmac(&salted, "Server Key"), &said);
    Ok(format!("v={}", BASE64.encode(signature)))
}

#[test]
fn both_sides_know_the_password() {
    let (stream, server) = serve(|mut peer| {
        let first = read_connect(&mut peer)?;
        let proof = exchange(&mut peer, "pencil", first)?;
        peer.write_all(&accept(METHOD, proof.as_bytes()))?;
        let (code, first) = read_auth(&mut peer)?;
        assert_eq!(code, ReasonCode::ReAuthenticate);
        let proof = exchange(&mut peer, "pencil", first)?;
        let success = super::auth::auth(ReasonCode::Success, METHOD, proof.as_bytes());
        peer.write_all(&success)?;
        read_end(&mut peer, ReasonCode::Success)
    });
    let mut storage = storage();
    let mut client = Client::new(config("c"), storage.split());
    let scram = Scram::new("user", "pencil").unwrap();
    client.connect_with(stream, scram).unwrap();
    expect(&mut client, is_connected);
    client.reauthenticate().unwrap();
    expect(&mut client, is_authenticated);
    client.disconnect(Duration::from_secs(10)).unwrap();
    server.join().unwrap().unwrap();
}

/// A server that accepts whatever is proved to it.
#[test]
fn a_server_without_the_password_is_refused() {
    let forged = format!("v={}", BASE64.encode([7; 32]));
    for (proof, expected) in [
        (&*forged, auth::Error::WrongProof),
        ("", auth::Error::MissingProof),
    ] {
        for again in [false, true] {
            let proof = proof.to_owned();
            let (stream, server) = serve(move |mut peer| {
                let first = read_connect(&mut peer)?;
                let right = exchange(&mut peer, "pencil", first)?;
                let accepted = if again { &right } else { &proof };
                peer.write_all(&accept(METHOD, accepted.as_bytes()))?;
                if again {
                    let (_, first) = read_auth(&mut peer)?;
                    exchange(&mut peer, "pencil", first)?;
                    let code = ReasonCode::Success;
                    peer.write_all(&super::auth::auth(code, METHOD, proof.as_bytes()))?;
                }
                read_end(&mut peer, ReasonCode::UnspecifiedError)
            });
            let mut storage = storage();
            let mut client = Client::new(config("c"), storage.split());
            let scram = Scram::new("user", "pencil").unwrap();
            client.connect_with(stream, scram).unwrap();
            if again {
                expect(&mut client, is_connected);
                client.reauthenticate().unwrap();
            }
            let error = failure(&mut client);
            assert!(
                matches!(error, Error::Authentication(error) if error == expected),
                "{error}"
            );
            server.join().unwrap().unwrap();
        }
    }
}

/// Starts a mosquitto that lets in whom the SCRAM plugin lets in. These are the plugin's options.
fn mosquitto(options: &[(&str, &str)]) -> Option<Mosquitto> {
    program("cc")?;
    if !has_headers() {
        return missing("the headers of mosquitto's plugins and of OpenSSL are");
    }
    let options: String = options
        .iter()
        .map(|(name, value)| format!("plugin_opt_{name} {value}\n"))
        .collect();
    Mosquitto::start(|dir| {
        let plugin = dir.path().join("scram.so");
        compile(&plugin);
        let plugin = plugin.display();
        format!("persistence false\nallow_anonymous false\nplugin {plugin}\n{options}")
    })
}

/// True if the plugin can be compiled.
fn has_headers() -> bool {
    let headers = "#include <stddef.h>\n#include <mosquitto_broker.h>\n\
                   #include <mosquitto_plugin.h>\n#include <openssl/evp.h>\n";
    let mut cc = Command::new("cc")
        .args(["-fsyntax-only", "-xc", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let written = cc.stdin.take().unwrap().write_all(headers.as_bytes());
    cc.wait().unwrap().success() && written.is_ok()
}

fn compile(plugin: &Path) {
    let output = Command::new("cc")
        .args(["-Wall", "-Wextra", "-shared", "-fPIC", "-o"])
        .arg(plugin)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugin/scram.c"))
        .arg("-lcrypto")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

fn connect(broker: &Mosquitto) -> TcpStream {
    TcpStream::connect_to(&[broker.address()], &Options::default()).unwrap()
}

#[test]
fn mosquitto_authenticates() {
    let options = [("user", "user"), ("password", "pencil")];
    let Some(broker) = mosquitto(&options) else {
        return;
    };
    let mut storage = storage();
    let mut client = Client::new(config("right"), storage.split());
    let scram = Scram::new("user", "pencil").unwrap();
    // An authenticator is as good as new for the next connection.
    for _ in 0..2 {
        client
            .connect_with(connect(&broker), scram.clone())
            .unwrap();
        expect(&mut client, is_connected);
        let published = publish(&mut client);
        assert_eq!(published, ReasonCode::NoMatchingSubscribers);
        for _ in 0..2 {
            client.reauthenticate().unwrap();
            expect(&mut client, is_authenticated);
        }
        publish(&mut client);
        client.disconnect(Duration::from_secs(10)).unwrap();
    }
}

/// Publishes, and returns the broker's answer.
fn publish(client: &mut Client<'_, TcpStream>) -> ReasonCode {
    let message = Message::new("a", b"x").qos(QoS::AtLeastOnce);
    client.core().publish(&message).unwrap();
    loop {
        if let Some((Event::Published(ack), _)) = client.poll(PATIENCE).unwrap() {
            return ack.code;
        }
    }
}

#[test]
fn mosquitto_refuses() {
    let options = [("user", "user"), ("password", "pencil")];
    let Some(broker) = mosquitto(&options) else {
        return;
    };
    let mut storage = storage();
    let mut client = Client::new(config("wrong"), storage.split());
    for (user, password) in [("user", "pen"), ("nobody", "pencil")] {
        let scram = Scram::new(user, password).unwrap();
        client.connect_with(connect(&broker), scram).unwrap();
        expect(
            &mut client,
            |event| matches!(event, Event::Refused(connack) if connack.code == ReasonCode::NotAuthorized),
        );
        assert!(matches!(failure(&mut client), Error::Disconnected));
    }
}

#[test]
fn a_mosquitto_without_the_password_is_refused() {
    let options = [("user", "user"), ("impostor", "yes")];
    let Some(broker) = mosquitto(&options) else {
        return;
    };
    let mut storage = storage();
    let mut client = Client::new(config("careful"), storage.split());
    let message = Message::new("secret", b"x").qos(QoS::AtLeastOnce);
    client.core().publish(&message).unwrap();
    let scram = Scram::new("user", "pencil").unwrap();
    client.connect_with(connect(&broker), scram).unwrap();
    let error = failure(&mut client);
    let expected = auth::Error::WrongProof;
    assert!(
        matches!(error, Error::Authentication(error) if error == expected),
        "{error}"
    );
    let farewell = "Received DISCONNECT from careful";
    wait_for(farewell, || broker.log().contains(farewell).then_some(()));
    assert_eq!(client.core().in_flight(), 1);
}
