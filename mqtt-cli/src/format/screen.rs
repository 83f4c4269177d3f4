//! What a message may do to a terminal: nothing but to be read.

use std::io::{self, Write};
use std::str;

/// Prints what comes from strangers. On a terminal, control characters are shown in place of being
/// obeyed; a file or a program gets all bytes as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen {
    is_terminal: bool,
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
}

/// What is left as it is beside letters.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// New lines and tabs, as text has them.
    Text,
    /// Nothing: it is not to look like more than one line.
    Line,
    /// As a line, with the escapes of JSON.
    Json,
}

impl Screen {
    pub(crate) const fn new(is_terminal: bool) -> Self {
        Self {
            is_terminal,
            begun: Vec::new(),
        }
    }

    /// A text of any bytes.
    pub(crate) fn text(&self, out: &mut impl Write, text: &[u8]) -> io::Result<()> {
        self.whole(out, text, Kind::Text)
    }

    /// A name and the like: where there is an end of a line, it is shown, too.
    pub(crate) fn line(&self, out: &mut impl Write, line: &[u8]) -> io::Result<()> {
        self.whole(out, line, Kind::Line)
    }

    /// JSON in one line. Its strings may have control characters from U+007F on.
    pub(crate) fn json(&self, out: &mut impl Write, json: &[u8]) -> io::Result<()> {
        self.whole(out, json, Kind::Json)
    }

    fn whole(&self, out: &mut impl Write, text: &[u8], kind: Kind) -> io::Result<()> {
        if self.is_terminal {
            let begun = write_chars(out, text, kind)?;
            write_bytes(out, begun)
        } else {
            out.write_all(text)
        }
    }

    /// A piece of a text, which may end within a character.
    pub(crate) fn piece(&mut self, out: &mut impl Write, piece: &[u8]) -> io::Result<()> {
        if !self.is_terminal {
            return out.write_all(piece);
        }
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        self.begun = write_chars(out, &text, Kind::Text)?.to_vec();
        Ok(())
    }

    /// The end of a text that came in pieces.
    pub(crate) fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        write_bytes(out, &std::mem::take(&mut self.begun))
    }
}

/// Writes all but a character at the end that is not there in full, which is returned.
fn write_chars<'t>(out: &mut impl Write, text: &'t [u8], kind: Kind) -> io::Result<&'t [u8]> {
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        let mut plain = 0;
        for (from, c) in valid.char_indices().filter(|(_, c)| is_escaped(*c, kind)) {
            out.write_all(&valid.as_bytes()[plain..from])?;
            match kind {
                Kind::Json => write!(out, "\\u{:04x}", u32::from(c))?,
                Kind::Text | Kind::Line => write!(out, "{}", c.escape_default())?,
            }
            plain = from + c.len_utf8();
        }
        out.write_all(&valid.as_bytes()[plain..])?;
        at += valid.len();
        let is_begun = str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_begun && at + invalid.len() == text.len() {
            return Ok(invalid);
        }
        write_bytes(out, invalid)?;
        at += invalid.len();
    }
    Ok(&[])
}

/// Bytes that are no text.
fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    bytes
        .iter()
        .try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

fn is_escaped(c: char, kind: Kind) -> bool {
    match c {
        '\n' | '\t' => kind == Kind::Line,
        // What turns the direction of writing can make a text look like another one.
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Print = fn(&Screen, &mut Vec<u8>, &[u8]) -> io::Result<()>;

    fn printed(is_terminal: bool, print: Print, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        print(&Screen::new(is_terminal), &mut out, text).unwrap();
        out
    }

    #[track_caller]
    fn assert_shown(print: Print, text: impl AsRef<[u8]>, expected: &str) {
        let shown = printed(true, print, text.as_ref());
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
        assert_eq!(printed(false, print, text.as_ref()), text.as_ref());
    }

    #[test]
    fn control_characters_are_shown() {
        for (text, expected) in [
            ("", ""),
            ("plain, ü and 水\n\ttoo \\", "plain, ü and 水\n\ttoo \\"),
            ("\u{1B}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            (
                "over\rwritten\u{8}\u{7F}\0",
                "over\\rwritten\\u{8}\\u{7f}\\u{0}",
            ),
            // The same as ESC [ to some.
            ("\u{9B}2J", "\\u{9b}2J"),
            ("a\u{202E}b", "a\\u{202e}b"),
        ] {
            assert_shown(Screen::text, text, expected);
        }
        assert_shown(Screen::line, "a\nb\tc\u{1B}", "a\\nb\\tc\\u{1b}");
        assert_shown(
            Screen::json,
            "{\"a\u{9B}\u{7F}\":1}",
            "{\"a\\u009b\\u007f\":1}",
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        assert_shown(Screen::text, b"\x9B2J\xFF", "\\x9b2J\\xff");
        assert_shown(Screen::text, b"a\xC3", "a\\xc3");
        assert_shown(Screen::text, b"\xE6\xB0a", "\\xe6\\xb0a");
    }

    #[test]
    fn pieces_are_shown_like_the_whole() {
        let text = "ü水\u{9B}\u{1B}🦀".as_bytes();
        let texts = [text, b"\xE6\xB0", b"\xF0\x9F\xC3\xBC\xC3", b"\xC2"];
        for text in texts {
            let whole = printed(true, Screen::text, text);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let (mut screen, mut out) = (Screen::new(true), Vec::new());
                    for piece in [&text[..first], &text[first..second], &text[second..]] {
                        screen.piece(&mut out, piece).unwrap();
                    }
                    screen.end(&mut out).unwrap();
                    assert_eq!(out, whole);
                }
            }
        }
    }
}
