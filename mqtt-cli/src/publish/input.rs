//! What is read to be published. The fuzz target `payloads` has this file, too.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Smaller contents are read once, however often they are published.
pub(super) const SMALL: u64 = 64 * 1024;
/// How much of a file is in memory.
pub(super) const CHUNK: usize = 256 * 1024;
/// No MQTT packet is larger.
const MAX_PACKET: u64 = 268_435_455;

/// The payload of the messages.
#[derive(Debug)]
pub(super) enum Content {
    /// Each line of standard input is one.
    Lines,
    /// It is short.
    Text(Vec<u8>),
    /// It is sent from where it is.
    Lent(Lender),
}

impl Content {
    pub(super) fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Files of /proc are longer than they say.
        if !metadata.is_file() || metadata.len() <= SMALL {
            return Self::stream(file);
        }
        let len = usize::try_from(metadata.len()).map_err(io::Error::other)?;
        Ok(Self::Lent(Lender::new(file, len)))
    }

    /// Its length has to be known before it can be sent.
    pub(super) fn stream(from: impl Read) -> io::Result<Self> {
        let mut piece = Vec::new();
        from.take(MAX_PACKET).read_to_end(&mut piece)?;
        Ok(if piece.len() as u64 <= SMALL {
            Self::Text(piece)
        } else {
            Self::Lent(Lender {
                len: piece.len(),
                start: 0,
                piece,
                file: None,
            })
        })
    }

    /// How much of it has to be copied for a message.
    pub(super) const fn copied(&self, longest_line: usize) -> usize {
        match self {
            Self::Lines => longest_line,
            Self::Text(text) => text.len(),
            Self::Lent(_) => 0,
        }
    }
}

/// A payload that is lent piece by piece.
#[derive(Debug)]
pub(super) struct Lender<F = File> {
    pub(super) len: usize,
    /// Where the piece begins.
    start: usize,
    piece: Vec<u8>,
    /// From where other pieces can be read.
    file: Option<F>,
}

impl<F: Read + Seek> Lender<F> {
    pub(super) const fn new(file: F, len: usize) -> Self {
        Self {
            len,
            start: 0,
            piece: Vec::new(),
            file: Some(file),
        }
    }

    /// A piece that begins at this place.
    pub(super) fn at(&mut self, offset: usize) -> io::Result<&[u8]> {
        let within = offset.checked_sub(self.start);
        if let Some(within) = within.filter(|&within| within < self.piece.len()) {
            return Ok(&self.piece[within..]);
        }
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(offset as u64))?;
            self.piece.resize(CHUNK, 0);
            let n = file.read(&mut self.piece);
            self.piece.truncate(*n.as_ref().unwrap_or(&0));
            self.start = offset;
            n?;
        }
        if self.piece.is_empty() {
            let shorter = "it has become shorter meanwhile";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, shorter));
        }
        Ok(&self.piece)
    }
}

/// The next line without its end; `None` after the last one. Of a line that is longer than `max`,
/// that many bytes and one more.
pub(super) fn line(from: &mut impl BufRead, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // Who never ends a line does not get all memory.
    let mut limited = from.take(max as u64 + 1);
    if limited.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\n');
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use super::*;

    #[test]
    fn any_piece_of_a_file() {
        let path = std::env::temp_dir().join(format!("mqtt-content-{}", std::process::id()));
        let bytes: Vec<u8> = (0..CHUNK * 2 + 100).map(|n| n.to_le_bytes()[1]).collect();
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        let content = File::open(&path).and_then(Content::file).unwrap();
        let Content::Lent(mut lender) = content else {
            panic!("{content:?}");
        };
        assert_eq!(lender.len, bytes.len());
        for offset in [0, 1, CHUNK - 1, CHUNK, CHUNK * 2 + 99, 5] {
            let piece = lender.at(offset).unwrap();
            assert!(!piece.is_empty());
            assert_eq!(piece, &bytes[offset..offset + piece.len()]);
        }
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(10)
            .unwrap();
        let error = lender.at(CHUNK * 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lines() {
        let mut text = &b"one\n\n three \r\n\xFF"[..];
        for expected in [&b"one"[..], b"", b" three \r", b"\xFF"] {
            assert_eq!(line(&mut text, 20).unwrap().as_deref(), Some(expected));
        }
        assert_eq!(line(&mut text, 20).unwrap(), None);
        // As long as can be, and a byte longer.
        assert_eq!(line(&mut &b"four\n"[..], 4).unwrap().unwrap(), b"four");
        assert_eq!(line(&mut &b"fives\n"[..], 4).unwrap().unwrap(), b"fives");
    }

    #[test]
    fn a_line_without_end_does_not_take_all_memory() {
        let endless = io::repeat(b'a').take(1 << 40);
        let line = line(&mut BufReader::new(endless), 1000).unwrap().unwrap();
        assert_eq!(line.len(), 1001);
    }
}
