//! The bytes of a journal.
//!
//! ```text
//! file    magic (8) | version (4) | salt (8) | checksum (4) | batches
//! batch   length of its entries (4) | their checksum (4) | synced (8) | checksum (4) | entries
//! entry   length of its body (4) | head of the record (4) | body
//! ```
//!
//! Numbers are little-endian, checksums are CRC-32. A batch is what one write adds. `synced` is how
//! much of the file was on stable storage when the batch was written: a loss of power may have
//! damaged what lies behind, and nothing before.
//!
//! The checksum of a batch's first fields counts in the salt, which each file has of its own, and
//! the place of the batch. So neither what was in the disk's blocks before nor a payload that looks
//! like a batch is ever taken for one.

use std::hash::{BuildHasher, RandomState};

use mqtt_core::Record;

pub(super) const VERSION: u32 = 1;
pub(super) const FILE_HEAD: usize = 24;
pub(super) const BATCH_HEAD: usize = 20;
const ENTRY_HEAD: usize = 8;
const MAGIC: [u8; 8] = *b"mqtt-wal";

/// A batch that is this long gets no more records.
const CHUNK: usize = 64 * 1024;

/// The number that tells a file's batches from those of any other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Salt(u64);

impl Salt {
    /// One that nobody can guess: the standard library's source of random numbers is the one that
    /// keeps its hash tables safe from chosen keys.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// The checksum of a batch's first fields, at this place.
    fn checksum(self, offset: u64, fields: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&offset.to_le_bytes());
        hasher.update(fields);
        hasher.finalize()
    }
}

/// The first bytes of a file.
pub(super) fn file_head(salt: Salt) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..20].copy_from_slice(&salt.0.to_le_bytes());
    let checksum = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Makes `buffer` a batch of the next `records`, as many as are a good size, for this place in the
/// file. Returns their number.
pub(super) fn batch<'a>(
    buffer: &mut Vec<u8>,
    records: &mut impl Iterator<Item = Record<'a>>,
    salt: Salt,
    offset: u64,
    synced: u64,
) -> usize {
    buffer.clear();
    // One large message is no reason to keep as much memory for ever.
    buffer.shrink_to(2 * CHUNK);
    buffer.resize(BATCH_HEAD, 0);
    let mut count = 0;
    while buffer.len() < CHUNK {
        let Some(record) = records.next() else {
            break;
        };
        buffer.extend_from_slice(&len(record.body()));
        buffer.extend_from_slice(&record.head());
        buffer.extend_from_slice(record.body());
        count += 1;
    }
    let (head, entries) = buffer.split_at_mut(BATCH_HEAD);
    head[..4].copy_from_slice(&len(entries));
    head[4..8].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
    head[8..16].copy_from_slice(&synced.to_le_bytes());
    let checksum = salt.checksum(offset, &head[..16]);
    head[16..].copy_from_slice(&checksum.to_le_bytes());
    count
}

fn len(bytes: &[u8]) -> [u8; 4] {
    // A packet of MQTT is shorter than 2^28 bytes, and so is a batch that it ends.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Damage {
    NotAJournal,
    Version(u32),
    /// Here, where it was on stable storage.
    Corrupt(u64),
}

/// What is in a file.
#[derive(Debug)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    salt: Salt,
    /// Where the batches end. What follows was never confirmed.
    end: usize,
}

impl Contents {
    /// Looks at all of a file.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, Damage> {
        let (head, _) = bytes
            .split_first_chunk::<FILE_HEAD>()
            .ok_or(Damage::NotAJournal)?;
        if head[..8] != MAGIC {
            return Err(Damage::NotAJournal);
        }
        let version = u32_at(head, 8);
        if version != VERSION {
            return Err(Damage::Version(version));
        }
        if u32_at(head, 20) != crc32fast::hash(&head[..20]) {
            return Err(Damage::Corrupt(0));
        }
        let salt = Salt(u64_at(head, 12));
        let mut end = FILE_HEAD;
        while let Some(entries) = entries_at(&bytes, salt, end) {
            let mut rest = entries;
            while !rest.is_empty() {
                next_record(&mut rest).ok_or(Damage::Corrupt(end as u64))?;
            }
            end += BATCH_HEAD + entries.len();
        }
        // A later batch may know that all was well here once.
        let mut later = end + 1..bytes.len();
        if later.any(|at| head_at(&bytes, salt, at).is_some_and(|head| head.synced > end as u64)) {
            return Err(Damage::Corrupt(end as u64));
        }
        Ok(Self { bytes, salt, end })
    }

    /// How many bytes at the end are not part of a batch.
    pub(super) fn cut(&self) -> u64 {
        (self.bytes.len() - self.end) as u64
    }

    /// All records, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut at = FILE_HEAD;
        let mut rest: &[u8] = &[];
        core::iter::from_fn(move || {
            while rest.is_empty() {
                rest = entries_at(&self.bytes, self.salt, at)?;
                at += BATCH_HEAD + rest.len();
            }
            next_record(&mut rest)
        })
    }
}

/// What stands before the entries of a batch.
struct Head {
    len: u32,
    checksum: u32,
    synced: u64,
}

fn head_at(bytes: &[u8], salt: Salt, at: usize) -> Option<Head> {
    let head = bytes.get(at..)?.first_chunk::<BATCH_HEAD>()?;
    (u32_at(head, 16) == salt.checksum(at as u64, &head[..16])).then(|| Head {
        len: u32_at(head, 0),
        checksum: u32_at(head, 4),
        synced: u64_at(head, 8),
    })
}

/// The entries of the batch that begins here, if it is whole.
fn entries_at(bytes: &[u8], salt: Salt, at: usize) -> Option<&[u8]> {
    let head = head_at(bytes, salt, at)?;
    let entries = bytes.get(at + BATCH_HEAD..)?.get(..head.len as usize)?;
    (crc32fast::hash(entries) == head.checksum).then_some(entries)
}

fn next_record<'a>(entries: &mut &'a [u8]) -> Option<Record<'a>> {
    let (entry, rest) = entries.split_first_chunk::<ENTRY_HEAD>()?;
    let [l0, l1, l2, l3, head @ ..] = *entry;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
    *entries = rest;
    Record::from_parts(head, body)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use mqtt_core::wire::{PacketId, Version};
    use proptest::prelude::*;

    use super::*;

    const SALT: Salt = Salt(0x0807_0605_0403_0201);

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    /// A file of these batches, all of which were on stable storage when the next was written.
    fn file(batches: &[&[Record<'_>]]) -> Vec<u8> {
        let mut file = file_head(SALT).to_vec();
        let mut buffer = Vec::new();
        for batch in batches {
            let at = file.len() as u64;
            let n = super::batch(&mut buffer, &mut batch.iter().copied(), SALT, at, at);
            assert_eq!(n, batch.len());
            file.extend_from_slice(&buffer);
        }
        file
    }

    fn publish(packet: &[u8]) -> Record<'_> {
        Record::Publish {
            id: id(0x1234),
            version: Version::V5,
            packet,
        }
    }

    fn damage(bytes: Vec<u8>) -> Damage {
        Contents::new(bytes).unwrap_err()
    }

    #[test]
    fn bytes() {
        let records = [publish(b"\x32\x00"), Record::Done(id(1))];
        let file = file(&[&records]);
        let (head, batch) = file.split_at(FILE_HEAD);
        assert_eq!(&head[..12], b"mqtt-wal\x01\0\0\0");
        assert_eq!(&head[12..20], b"\x01\x02\x03\x04\x05\x06\x07\x08");
        assert_eq!(head[20..], crc32fast::hash(&head[..20]).to_le_bytes());
        let (head, entries) = batch.split_at(BATCH_HEAD);
        assert_eq!(
            entries,
            b"\x02\0\0\0\x03\x05\x12\x34\x32\x00\0\0\0\0\x05\0\0\x01"
        );
        assert_eq!(head[..4], 18_u32.to_le_bytes());
        assert_eq!(head[4..8], crc32fast::hash(entries).to_le_bytes());
        assert_eq!(head[8..16], 24_u64.to_le_bytes());
        let fields = [
            &[1, 2, 3, 4, 5, 6, 7, 8, 24, 0, 0, 0, 0, 0, 0, 0],
            &head[..16],
        ]
        .concat();
        assert_eq!(head[16..], crc32fast::hash(&fields).to_le_bytes());

        let contents = Contents::new(file).unwrap();
        assert_eq!(contents.records().collect::<Vec<_>>(), records);
        assert_eq!(contents.cut(), 0);
    }

    #[test]
    fn what_is_no_journal() {
        let mut file = file(&[]);
        for len in 0..file.len() {
            assert_eq!(damage(file[..len].to_vec()), Damage::NotAJournal);
        }
        file[15] ^= 1;
        assert_eq!(damage(file.clone()), Damage::Corrupt(0));
        file[8] = 2;
        assert_eq!(damage(file.clone()), Damage::Version(2));
        file[0] = b'M';
        assert_eq!(damage(file), Damage::NotAJournal);
    }

    /// A batch that ends early is cut off, wherever it ends.
    #[test]
    fn torn_tail() {
        let records = [Record::Disconnected, publish(&[7; 30])];
        let whole = file(&[&records[..1]]);
        let torn = file(&[&records[..1], &records]);
        for len in whole.len()..torn.len() {
            let contents = Contents::new(torn[..len].to_vec()).unwrap();
            assert_eq!(contents.records().collect::<Vec<_>>(), records[..1]);
            assert_eq!(contents.cut(), (len - whole.len()) as u64);
        }
    }

    /// Damage before a batch that says that all was well is told from a write that was not synced.
    #[test]
    fn corruption() {
        let records = [Record::Disconnected];
        let first = file(&[&records]).len();
        let second = file(&[&records, &records]).len();
        let file = file(&[&records, &records, &[]]);
        for at in FILE_HEAD..file.len() {
            let mut bytes = file.clone();
            bytes[at] ^= 0x10;
            if at >= second {
                assert_eq!(Contents::new(bytes).unwrap().records().count(), 2);
            } else {
                let batch = if at < first { FILE_HEAD } else { first };
                assert_eq!(damage(bytes), Damage::Corrupt(batch as u64), "{at}");
            }
        }

        // The same where nothing but the file's first bytes was synced.
        let mut bytes = file_head(SALT).to_vec();
        let mut buffer = Vec::new();
        for _ in 0..2 {
            let at = bytes.len() as u64;
            batch(&mut buffer, &mut records.into_iter(), SALT, at, 24);
            bytes.extend_from_slice(&buffer);
        }
        bytes[FILE_HEAD] ^= 0x10;
        let contents = Contents::new(bytes).unwrap();
        assert_eq!(contents.records().count(), 0);
        assert_eq!(contents.cut(), (second - FILE_HEAD) as u64);
    }

    /// Lengths are believed no further than there are bytes, and nothing is allocated for them.
    #[test]
    fn claimed_length() {
        for len in [29, 1000, u32::MAX] {
            let mut bytes = file(&[&[Record::Disconnected]]);
            bytes[FILE_HEAD..FILE_HEAD + 4].copy_from_slice(&len.to_le_bytes());
            let checksum = SALT.checksum(24, &bytes[FILE_HEAD..FILE_HEAD + 16]);
            bytes[FILE_HEAD + 16..FILE_HEAD + 20].copy_from_slice(&checksum.to_le_bytes());
            let contents = Contents::new(bytes).unwrap();
            assert_eq!((contents.records().count(), contents.cut()), (0, 28));
        }
    }

    /// A batch whose bytes are right and whose records are not was written by something else.
    #[test]
    fn entries_that_are_none() {
        for entries in [
            &b"\0\0\0"[..],
            b"\x01\0\0\0\x02\0\0\0",
            b"\xFF\xFF\xFF\xFF\x03\x05\0\x01",
            b"\0\0\0\0\x63\0\0\0",
        ] {
            let mut bytes = file(&[]);
            let mut head = [0; 16];
            head[..4].copy_from_slice(&len(entries));
            head[4..8].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&SALT.checksum(24, &head).to_le_bytes());
            bytes.extend_from_slice(entries);
            assert_eq!(damage(bytes), Damage::Corrupt(24));
        }
    }

    /// Many records make several batches, one record never two.
    #[test]
    fn sizes_of_batches() {
        let packet = vec![1; CHUNK + 1];
        let small = [publish(&packet[..1000]); 100];
        let records = [&small[..], &[publish(&packet)]].concat();
        let mut records = records.into_iter();
        let mut buffer = Vec::new();
        let mut next = || {
            let n = batch(&mut buffer, &mut records, SALT, 24, 24);
            (n, buffer.len())
        };
        assert_eq!(next(), (65, BATCH_HEAD + 65 * (ENTRY_HEAD + 1000)));
        let rest = 35 * (ENTRY_HEAD + 1000) + ENTRY_HEAD + CHUNK + 1;
        assert_eq!(next(), (36, BATCH_HEAD + rest));
        assert_eq!(next(), (0, BATCH_HEAD));
    }

    #[test]
    fn salts_differ() {
        assert_ne!(Salt::new(), Salt::new());
    }

    /// What lies in the disk's blocks of an older journal is not taken for a part of this one, nor
    /// is a batch at another place.
    #[test]
    fn other_batches() {
        let records = [Record::Disconnected];
        let own = file(&[&records]);
        let mut bytes = own.clone();
        bytes.extend_from_slice(&own[FILE_HEAD..]);
        assert_eq!(Contents::new(bytes).unwrap().records().count(), 1);

        let mut buffer = Vec::new();
        let at = own.len() as u64;
        batch(&mut buffer, &mut records.into_iter(), Salt(1), at, at);
        let bytes = [own, buffer].concat();
        assert_eq!(Contents::new(bytes).unwrap().records().count(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..300), with_head: bool) {
            if with_head {
                bytes.splice(0..0, file_head(SALT));
            }
            if let Ok(contents) = Contents::new(bytes) {
                prop_assert_eq!(contents.records().count(), 0);
            }
        }

        /// Damage may hide records, but never brings any forth.
        #[test]
        fn damaged(
            lens in prop::collection::vec(0..40_usize, 1..10),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            end: prop::sample::Index,
        ) {
            let packet = [7; 40];
            let records: Vec<_> = lens.iter().map(|&len| publish(&packet[..len])).collect();
            let batches: Vec<_> = records.chunks(2).collect();
            let mut bytes = file(&batches);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(end.index(bytes.len() + 1));
            if let Ok(contents) = Contents::new(bytes) {
                let found: Vec<_> = contents.records().collect();
                prop_assert_eq!(&found, &records[..found.len()]);
            }
        }
    }
}
