//! Rounds of messages: prepared, measured, checked.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::READ;
use crate::pipe::Pipe;

/// How many bytes of messages are in a round; as many as a socket's buffer may hold.
const ROUND: usize = 256 << 10;

/// Something that sends or receives messages.
pub struct Contender {
    /// What it does, and how long the messages are.
    pub case: String,
    /// Who does it.
    pub client: String,
    run: Box<dyn FnMut(u64) -> Duration>,
}

/// What was received last.
pub(crate) enum Last {
    /// These bytes of the buffer.
    InBuffer(Range<usize>),
    /// These.
    Message(Bytes),
}

impl Contender {
    /// Does it with so many messages, and returns how long that took.
    ///
    /// # Panics
    ///
    /// If something else came out than went in.
    pub fn run(&mut self, messages: u64) -> Duration {
        (self.run)(messages)
    }

    /// `send` sends the message into `pipe`, and `decode` returns the data in all bytes that came
    /// out of it.
    pub(crate) fn sending(
        case: String,
        client: String,
        pipe: &Pipe,
        message: &'static [u8],
        mut send: impl FnMut() + 'static,
        mut decode: impl FnMut(&[u8]) -> Vec<u8> + 'static,
    ) -> Self {
        let pipe = pipe.clone();
        Self::in_rounds(case, client, message.len(), move |n| {
            pipe.clear();
            let began = Instant::now();
            for _ in 0..n {
                send();
            }
            let took = began.elapsed();
            let data = pipe.written(&mut decode);
            assert_eq!(data.len(), n * message.len());
            assert!(data.chunks(message.len()).all(|it| it == message));
            took
        })
    }

    /// `encode` writes so many messages to be received, and `receive` receives so many bytes of
    /// data, with a buffer to do it.
    pub(crate) fn receiving(
        case: String,
        client: String,
        pipe: &Pipe,
        message: &'static [u8],
        mut encode: impl FnMut(usize, &mut Vec<u8>) + 'static,
        mut receive: impl FnMut(usize, &mut [u8]) -> Last + 'static,
    ) -> Self {
        let pipe = pipe.clone();
        let mut buffer = vec![0; READ];
        Self::in_rounds(case, client, message.len(), move |n| {
            pipe.fill(|incoming| encode(n, incoming));
            let began = Instant::now();
            let last = receive(n * message.len(), &mut buffer);
            let took = began.elapsed();
            let last = match &last {
                Last::InBuffer(range) => &buffer[range.clone()],
                Last::Message(message) => message,
            };
            // What came last may begin anywhere in a message.
            let begin = (n * message.len() - last.len()) % message.len();
            let expected = message.iter().cycle().skip(begin).take(last.len());
            assert!(!last.is_empty() && last.iter().eq(expected));
            took
        })
    }

    /// Does at most a round at a time.
    fn in_rounds(
        case: String,
        client: String,
        size: usize,
        mut round: impl FnMut(usize) -> Duration + 'static,
    ) -> Self {
        let most = (ROUND / size).max(1) as u64;
        let run = move |messages: u64| {
            let full = (0..messages / most).map(|_| most);
            let rest = Some(messages % most).filter(|rest| *rest > 0);
            full.chain(rest).map(|n| round(n as usize)).sum()
        };
        Self {
            case,
            client,
            run: Box::new(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"message";

    fn sending(decode: fn(&[u8]) -> Vec<u8>) -> Contender {
        let pipe = Pipe::default();
        let below = pipe.clone();
        let send = move || assert_eq!(below.send(MESSAGE), MESSAGE.len());
        Contender::sending(String::new(), String::new(), &pipe, MESSAGE, send, decode)
    }

    fn receiving(wrong: usize) -> Contender {
        let pipe = Pipe::default();
        let below = pipe.clone();
        let encode = move |n, wire: &mut Vec<u8>| {
            wire.extend(MESSAGE.iter().cycle().take(n * MESSAGE.len()));
            if let Some(byte) = wire.get_mut(wrong) {
                *byte ^= 1;
            }
        };
        let receive = move |bytes, buf: &mut [u8]| {
            let n = below.receive(buf).unwrap();
            assert_eq!(n, bytes);
            Last::InBuffer(0..n)
        };
        Contender::receiving(
            String::new(),
            String::new(),
            &pipe,
            MESSAGE,
            encode,
            receive,
        )
    }

    #[test]
    fn what_comes_out_as_it_went_in_is_right() {
        sending(<[u8]>::to_vec).run(3);
        receiving(usize::MAX).run(3);
    }

    #[test]
    #[should_panic = "assertion"]
    fn a_byte_that_was_not_sent_is_noticed() {
        sending(|wire| {
            let mut data = wire.to_vec();
            data[9] ^= 1;
            data
        })
        .run(3);
    }

    #[test]
    #[should_panic = "assertion"]
    fn a_message_that_was_not_sent_is_noticed() {
        sending(|wire| wire[MESSAGE.len()..].to_vec()).run(3);
    }

    #[test]
    #[should_panic = "assertion"]
    fn a_byte_that_was_not_received_is_noticed() {
        receiving(9).run(3);
    }
}
