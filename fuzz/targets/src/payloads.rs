//! What `mqtt pub` reads to publish it.

use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

#[path = "../../../mqtt-cli/src/publish/input.rs"]
#[expect(
    dead_code,
    reason = "files and large inputs are for the tests of that crate"
)]
mod input;

use crate::input::{Cuts, head};
use input::{Content, Lender};

/// A letter for the kind of input, a limit, a seed for cuts, then what is read.
pub(crate) fn run(data: &[u8]) {
    let ([kind, limit, seed], text) = head(data);
    for cuts in Cuts::all(seed) {
        match kind {
            b'F' => file(text, limit.into(), cuts),
            b'S' => stream(text, limit.into(), cuts),
            _ => lines(text, limit.into(), cuts),
        }
    }
}

/// Something that gives what it has in pieces.
struct Pieces<'t> {
    text: Cursor<&'t [u8]>,
    cuts: Cuts,
}

impl<'t> Pieces<'t> {
    const fn new(text: &'t [u8], cuts: Cuts) -> Self {
        let text = Cursor::new(text);
        Self { text, cuts }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let place = usize::try_from(self.text.position()).unwrap();
        let left = self.text.get_ref().len().saturating_sub(place);
        let n = left.min(buf.len());
        let n = if n == 0 { 0 } else { self.cuts.next(n) };
        self.text.read(&mut buf[..n])
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.text.seek(to)
    }
}

/// Lines are what is between ends of lines, up to one that is too long.
fn lines(text: &[u8], max: usize, cuts: Cuts) {
    let mut from = BufReader::with_capacity(1 + max / 2, Pieces::new(text, cuts));
    let mut rest = text;
    while let Some(line) = input::line(&mut from, max).expect("nothing fails here") {
        assert!(line.len() <= max + 1);
        assert!(!line.contains(&b'\n') && rest.starts_with(&line));
        rest = &rest[line.len()..];
        if line.len() > max {
            // Nobody reads on.
            return;
        }
        match rest.split_first() {
            Some((end, after)) => {
                assert_eq!(*end, b'\n', "a line that is cut off");
                rest = after;
            }
            None => assert!(!line.is_empty()),
        }
    }
    assert!(rest.is_empty());
}

/// Wherever a piece begins, it is of the file there; a file that has become shorter is an error.
fn file(text: &[u8], announced: usize, cuts: Cuts) {
    let mut lender = Lender::new(Pieces::new(text, cuts), announced);
    // As the connection takes it, then from the end. Each piece costs as much as a large one.
    let mut offset = 0;
    for _ in 0..8 {
        if offset >= announced {
            break;
        }
        let Ok(piece) = lender.at(offset) else {
            assert!(offset >= text.len());
            break;
        };
        assert!(!piece.is_empty() && text[offset..].starts_with(piece));
        offset += piece.len();
    }
    for offset in (0..text.len().min(announced)).rev().step_by(7).take(4) {
        let piece = lender.at(offset).expect("it is there");
        assert!(!piece.is_empty() && text[offset..].starts_with(piece));
    }
}

/// All of a stream is the message, whatever its length.
fn stream(text: &[u8], times: usize, cuts: Cuts) {
    // Enough to be more than what is copied.
    let text = &text[..text.len().min(600)];
    let all = text.repeat(times.min(70_000 / text.len().max(1)));
    match Content::stream(Pieces::new(&all, cuts)).expect("nothing fails here") {
        Content::Text(text) => assert_eq!(text, all),
        Content::Lent(mut lender) => {
            assert_eq!(lender.len, all.len());
            for offset in [0, all.len() / 2, all.len() - 1] {
                assert_eq!(lender.at(offset).expect("it is there"), &all[offset..]);
            }
        }
        Content::Lines => unreachable!(),
    }
}
