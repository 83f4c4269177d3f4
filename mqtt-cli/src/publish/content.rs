//! What `mqtt pub` publishes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::PubArgs;
use crate::failure::Failure;

/// Smaller contents are read once, however often they are published.
const SMALL: u64 = 64 * 1024;
/// How much of a file is in memory.
const CHUNK: usize = 256 * 1024;
/// No MQTT packet is larger.
const MAX_PACKET: u64 = 268_435_455;
/// Below this it is over before anybody could read a progress bar.
const LARGE: u64 = 4 * 1024 * 1024;

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
    pub(super) fn new(args: &PubArgs) -> Result<Self, Failure> {
        if args.stdin_line {
            return Ok(Self::Lines);
        }
        if let Some(text) = &args.message {
            return Ok(Self::Text(text.as_encoded_bytes().to_vec()));
        }
        if let Some(path) = &args.file {
            return File::open(path).and_then(Self::file).map_err(|error| {
                Failure::file(format_args!("the file {}", path.display()), &error)
            });
        }
        if args.stdin_file {
            return Self::stream(io::stdin().lock())
                .map_err(|error| Failure::file("standard input", &error));
        }
        Ok(Self::Text(Vec::new()))
    }

    fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Files of /proc are longer than they say.
        if !metadata.is_file() || metadata.len() <= SMALL {
            return Self::stream(file);
        }
        let len = usize::try_from(metadata.len()).map_err(io::Error::other)?;
        Ok(Self::Lent(Lender {
            len,
            start: 0,
            piece: Vec::new(),
            file: Some(file),
        }))
    }

    /// Its length has to be known before it can be sent.
    fn stream(from: impl Read) -> io::Result<Self> {
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
pub(super) struct Lender {
    pub(super) len: usize,
    /// Where the piece begins.
    start: usize,
    piece: Vec<u8>,
    /// From where other pieces can be read.
    file: Option<File>,
}

impl Lender {
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

/// A bar on standard error, if that is a terminal and it takes long enough to be of use.
pub(super) fn progress(args: &PubArgs, len: usize) -> ProgressBar {
    let total = (len as u64).saturating_mul(args.repeat);
    let connection = &args.connection;
    if total < LARGE || connection.quiet || connection.debug {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
    );
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
}
