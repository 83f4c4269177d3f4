//! Journals that are read, whole and damaged.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use arbitrary::{Arbitrary, Result, Unstructured};
use mqtt_core::wire::{Packet, PacketId, Publish, QoS, Version};
use mqtt_core::{Buffers, Client, Config, Durability, Inbound, Record, Slot};

use super::format::{BATCH_HEAD, Contents, Damage, FILE_HEAD, VERSION};

/// Whatever [`arbitrary`] makes of the input.
pub(crate) fn run(data: &[u8]) {
    // As it is, and as what could follow the head of a file.
    read_any(data.to_vec());
    read_any([&file_head(0), data].concat());
    // The salt follows from all of the input. Or the fuzzer learns to forge a batch that the file never had,
    // which nobody can who does not know it.
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    let _ = damaged(&mut Unstructured::new(data), hasher.finish());
}

/// No bytes are too bad.
fn read_any(bytes: Vec<u8>) {
    let len = bytes.len() as u64;
    match Contents::new(bytes) {
        Ok(contents) => {
            assert!(contents.cut() <= len - FILE_HEAD as u64);
            restore(&contents.records().collect::<Vec<_>>());
        }
        Err(Damage::Corrupt(offset)) => assert!(offset <= len),
        Err(_) => {}
    }
}

/// A record as it is in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry([u8; 4], Vec<u8>);

/// A file with records of ours, of which something is changed.
fn damaged(u: &mut Unstructured<'_>, salt: u64) -> Result<()> {
    let mut file = file_head(salt).to_vec();
    // Where each batch begins, and what was on stable storage when it was written.
    let mut batches: Vec<(Range<usize>, u64, usize)> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..u.int_in_range(0..=6)? {
        let mut bytes = Vec::new();
        for _ in 0..u.int_in_range(0..=3)? {
            let entry = entry(u)?;
            bytes.extend_from_slice(&(entry.1.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&entry.0);
            bytes.extend_from_slice(&entry.1);
            entries.push(entry);
        }
        // Any earlier end of a batch, or this one's beginning.
        let synced = match u.int_in_range(0..=batches.len())? {
            0 => file.len(),
            n => batches[n - 1].0.start,
        } as u64;
        let start = file.len();
        put_batch(&mut file, salt, &bytes, synced);
        batches.push((start..file.len(), synced, entries.len()));
    }

    let contents = Contents::new(file.clone()).expect("a file without damage");
    assert_eq!(contents.cut(), 0);
    let found: Vec<_> = contents.records().map(|record| to_entry(&record)).collect();
    assert_eq!(found, entries);
    restore(&contents.records().collect::<Vec<_>>());

    // The first byte that is not as it was, or is not there.
    let mut bytes = file.clone();
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.int_in_range(0..=bytes.len() - 1)?;
        match u.int_in_range(0..=3)? {
            0 => bytes[at] ^= 1 << u.int_in_range(0..=7)?,
            1 => bytes.truncate(at.max(1)),
            2 => bytes[at..].fill(0),
            _ => bytes.extend_from_slice(<&[u8]>::arbitrary(u)?),
        }
    }
    let first = file.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
    let is_whole = |batch: &Range<usize>| bytes.get(batch.clone()) == Some(&file[batch.clone()]);
    let before = batches.iter().filter(|(batch, ..)| batch.end <= first);
    let promised = before.map(|(.., count)| *count).max().unwrap_or(0);
    let end = batches
        .iter()
        .map(|(batch, ..)| batch.end)
        .filter(|end| *end <= first)
        .max()
        .unwrap_or(FILE_HEAD);
    // A batch that is whole says that what is broken was on stable storage.
    let is_told = batches
        .iter()
        .any(|(batch, synced, _)| batch.start > end && is_whole(batch) && *synced > end as u64);
    match Contents::new(bytes.clone()) {
        Ok(contents) => {
            assert!(first >= FILE_HEAD, "a head that is damaged");
            let found: Vec<_> = contents.records().map(|record| to_entry(&record)).collect();
            assert_eq!(found, entries[..found.len()], "records that never were");
            assert!(found.len() >= promised, "records of whole batches");
            assert!(!is_told, "damage of what was on stable storage");
            restore(&contents.records().collect::<Vec<_>>());
        }
        Err(Damage::Corrupt(0)) => assert!((8..FILE_HEAD).contains(&first)),
        Err(Damage::Corrupt(offset)) => {
            assert!(offset <= first as u64 && offset >= end as u64);
            // Only a later batch can know; its head is enough.
            let head = |batch: &Range<usize>| batch.start..batch.start + BATCH_HEAD;
            let is_known = |(batch, synced, _): &(Range<usize>, u64, usize)| {
                is_whole(&head(batch)) && *synced > offset
            };
            assert!(batches.iter().any(is_known), "{offset}");
        }
        Err(Damage::NotAJournal) => assert!(first < 8 || bytes.len() < FILE_HEAD),
        Err(Damage::Version(version)) => {
            assert_ne!(version, VERSION);
            assert!((8..12).contains(&first));
        }
    }
    Ok(())
}

fn file_head(salt: u64) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(b"mqtt-wal");
    head[8] = 1;
    head[12..20].copy_from_slice(&salt.to_le_bytes());
    let checksum = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&checksum.to_le_bytes());
    head
}

fn put_batch(file: &mut Vec<u8>, salt: u64, entries: &[u8], synced: u64) {
    let mut head = Vec::new();
    head.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    head.extend_from_slice(&crc32fast::hash(entries).to_le_bytes());
    head.extend_from_slice(&synced.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&(file.len() as u64).to_le_bytes());
    hasher.update(&head);
    head.extend_from_slice(&hasher.finalize().to_le_bytes());
    file.extend_from_slice(&head);
    file.extend_from_slice(entries);
}

fn to_entry(record: &Record<'_>) -> Entry {
    Entry(record.head(), record.body().to_vec())
}

fn entry(u: &mut Unstructured<'_>) -> Result<Entry> {
    let id = PacketId::new(u.int_in_range(1..=6)?).unwrap();
    let mut packet = [0; 64];
    let record = match u.int_in_range(0..=8)? {
        0 => Record::Connected {
            session_present: bool::arbitrary(u)?,
            assigned_client_id: u.choose(&["", "auto-1"])?,
        },
        1 => Record::Disconnected,
        2 => Record::Acknowledged(id),
        3 => Record::Done(id),
        4 => Record::Received(id),
        5 => Record::Released(id),
        6 => Record::Unsent(id),
        7 => Record::Publish {
            id,
            version: *u.choose(&[Version::V31, Version::V311, Version::V5])?,
            packet: <&[u8]>::arbitrary(u)?,
        },
        _ => {
            let version = *u.choose(&[Version::V311, Version::V5])?;
            let payload = [7; 40];
            let publish = Packet::from(Publish {
                qos: *u.choose(&[QoS::AtLeastOnce, QoS::ExactlyOnce])?,
                packet_id: Some(id),
                ..Publish::new("t", &payload[..u.int_in_range(0..=40)?])
            });
            let len = publish.encode(version, &mut packet).unwrap();
            Record::Publish {
                id,
                version,
                packet: &packet[..len],
            }
        }
    };
    Ok(to_entry(&record))
}

/// The first byte of the head of [`Record::Received`].
const RECEIVED: u8 = 6;

/// A client takes records until one makes no sense, and what it then says its session is gives the
/// same session again.
fn restore(records: &[Record<'_>]) {
    let mut memory = ([0; 512], [Slot::EMPTY; 5], [Inbound::EMPTY; 3]);
    let mut client = Client::new(config(), buffers(&mut memory));
    for record in records {
        if client.restore(record).is_err() {
            break;
        }
    }
    assert!(client.in_flight() <= 5);
    let session: Vec<_> = client.snapshot().map(|record| to_entry(&record)).collect();
    let mut memory = ([0; 512], [Slot::EMPTY; 5], [Inbound::EMPTY; 3]);
    let mut other = Client::new(config(), buffers(&mut memory));
    for Entry(head, body) in &session {
        let record = Record::from_parts(*head, body).expect("a record");
        assert_eq!(other.restore(&record), Ok(()), "{record:?}");
    }
    let mut again: Vec<_> = other.snapshot().map(|record| to_entry(&record)).collect();
    // The order of messages counts, that of received identifiers does not.
    let mut session = session;
    for entries in [&mut session, &mut again] {
        entries.sort_by_key(|Entry(head, _)| if head[0] == RECEIVED { *head } else { [0; 4] });
    }
    assert_eq!(again, session);
    assert_eq!(other.in_flight(), client.in_flight());
    let (messages, others) = (client.messages(), other.messages());
    assert!(messages.eq(others));
}

fn config() -> Config<'static> {
    Config {
        clean_start: false,
        session_expiry: u32::MAX,
        durability: Durability::WriteAhead,
        ..Config::new("c")
    }
}

fn buffers(memory: &mut ([u8; 512], [Slot; 5], [Inbound; 3])) -> Buffers<'_> {
    Buffers::new(&mut memory.0, &mut memory.1, &mut memory.2)
}
