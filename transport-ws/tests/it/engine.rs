use proptest::prelude::*;
use transport_ws::{Engine, Event, FrameError, Handshake, MAX_CONTROL_FRAME, MAX_FRAME};

use super::{BINARY, CLOSE, PING, PONG, consent, deframe, frame};

/// What becomes of a stream of frames.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    data: Vec<u8>,
    /// Control frames in answer.
    sent: Vec<(u8, Vec<u8>)>,
    end: Option<Result<Option<u16>, FrameError>>,
}

/// Gives `input` to an engine in pieces of the lengths `cuts`, again and again.
fn run(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut engine = Engine::new(MAX_FRAME);
    let mut outcome = Outcome::default();
    let mut cuts = cuts.iter().cycle();
    let mut rest = input;
    let mut calls = 0;
    while !rest.is_empty() {
        let n = rest.len().min(*cuts.next().unwrap());
        let (mut piece, after) = rest.split_at(n);
        rest = after;
        while !piece.is_empty() {
            calls += 1;
            let Ok(received) = engine.receive(piece) else {
                rest = &[];
                break;
            };
            assert!(received.consumed > 0);
            match received.event {
                Some(Event::Data(range)) => outcome.data.extend(&piece[range]),
                Some(Event::Ping | Event::Closed) => {}
                None => assert_eq!(received.consumed, piece.len()),
            }
            piece = &piece[received.consumed..];
            answer(&mut engine, &mut outcome);
        }
    }
    answer(&mut engine, &mut outcome);
    outcome.end = engine.ended().map(|end| end.map(|()| engine.close_code()));
    // The work is in proportion to the input.
    assert!(calls <= input.len());
    outcome
}

fn answer(engine: &mut Engine, outcome: &mut Outcome) {
    let mut out = [0; MAX_CONTROL_FRAME];
    let n = engine.write_control([1, 2, 3, 4], &mut out);
    outcome.sent.extend(deframe(&out[..n]));
}

/// Whole, byte by byte, and in pieces of any length.
fn same(input: &[u8], cuts: &[usize]) -> Outcome {
    let whole = run(input, &[usize::MAX]);
    assert_eq!(run(input, &[1]), whole);
    assert_eq!(run(input, cuts), whole);
    whole
}

#[derive(Clone, Debug)]
enum Step {
    /// A message in fragments, each with a ping or a pong behind it or not.
    Message(Vec<(Vec<u8>, Option<Control>)>),
    Control(Control),
}

#[derive(Clone, Debug)]
struct Control(u8, Vec<u8>);

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 0..=max),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    (prop_oneof![Just(PING), Just(PONG)], bytes(125)).prop_map(|(first, body)| Control(first, body))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fragment = (bytes(70_000), prop::option::of(control()));
    let step = prop_oneof![
        2 => prop::collection::vec(fragment, 1..5).prop_map(Step::Message),
        1 => control().prop_map(Step::Control),
    ];
    prop::collection::vec(step, 0..8)
}

/// The bytes of `steps`, and what is to become of them.
fn stream(steps: &[Step]) -> (Vec<u8>, Outcome) {
    let mut bytes = Vec::new();
    let mut outcome = Outcome::default();
    let mut control = |bytes: &mut Vec<u8>, Control(first, body): &Control| {
        bytes.extend(frame(*first, body));
        if *first == PING {
            outcome.sent.push((PONG, body.clone()));
        }
    };
    for step in steps {
        match step {
            Step::Control(frame) => control(&mut bytes, frame),
            Step::Message(fragments) => {
                for (i, (payload, then)) in fragments.iter().enumerate() {
                    let last = i + 1 == fragments.len();
                    let first = if i == 0 { 2 } else { 0 } | if last { 0x80 } else { 0 };
                    bytes.extend(frame(first, payload));
                    outcome.data.extend(payload);
                    if let Some(frame) = then {
                        control(&mut bytes, frame);
                    }
                }
            }
        }
    }
    (bytes, outcome)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..8_usize, 1..5_000_usize], 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_frames_in_any_pieces(steps in steps(), close in any::<bool>(), cuts in cuts()) {
        let (mut bytes, mut expected) = stream(&steps);
        if close {
            bytes.extend(frame(CLOSE, b"\x03\xe9going away"));
            bytes.extend(b"what comes after that does not matter");
            expected.sent.push((CLOSE, vec![0x03, 0xe9]));
            expected.end = Some(Ok(Some(1001)));
        }
        prop_assert_eq!(same(&bytes, &cuts), expected);
    }

    #[test]
    fn hostile_frames(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        steps in steps(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in cuts(),
    ) {
        // Noise, noise that begins well, and frames with some bytes changed.
        same(&bytes, &cuts);
        bytes.splice(0..0, *b"\x02\x7e\x00\x80");
        same(&bytes, &cuts);
        let (mut bytes, _) = stream(&steps);
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        same(&bytes, &cuts);
    }

    #[test]
    fn hostile_responses(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let key = "\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let good = consent(key.as_bytes());
        let mut edited = good.clone();
        for (at, byte) in &changes {
            let at = at.index(edited.len());
            edited[at] = *byte;
        }
        let noise = [b"HTTP/1.1 101 ", &bytes[..], b"\r\n\r\n"].concat();
        for response in [&good, &edited, &bytes, &noise] {
            let whole = Handshake::new(*b"the sample nonce").read_response(response);
            let mut handshake = Handshake::new(*b"the sample nonce");
            let mut piecewise = Ok(None);
            for n in 1..=response.len() {
                piecewise = handshake.read_response(&response[..n]);
                if piecewise != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(piecewise, whole);
        }
        prop_assert_eq!(
            Handshake::new(*b"the sample nonce").read_response(&good),
            Ok(Some(good.len()))
        );
    }
}

/// A stream of frames of one byte, the shortest that carry something.
#[test]
fn frames_of_one_byte() {
    let data = super::pattern(1_000);
    let bytes: Vec<u8> = data
        .iter()
        .flat_map(|&byte| frame(BINARY, &[byte]))
        .collect();
    assert_eq!(same(&bytes, &[2, 5]).data, data);
}
