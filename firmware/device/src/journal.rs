//! The journal of `docs/JOURNAL.md`, in memory that stands for flash.
//!
//! The application's own data are in it, too, and change together with the session: what is written
//! at once is one batch under one checksum, so that all of it counts or none.

use core::fmt;

use mqtt_core::{Client, Error, Record};

use crate::Application;

/// A sector's number and its checksum.
const START: usize = 8;
/// Without it the checksum of four erased bytes would be four erased bytes.
const NAME: &[u8] = b"journal";
/// Checksum and length of a batch.
const BATCH: usize = 6;
/// Length of a body, and head.
const ENTRY: usize = 6;
/// The head of the application's entry; no record begins with this.
const STATE: [u8; 4] = [0x80, 0, 0, 0];

/// What the application knows after a loss of power.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// True once the server has the subscriptions.
    pub is_subscribed: bool,
    /// How many messages were handed over, at QoS 1 and 2.
    pub sent: [u32; 2],
    /// How many messages were received, at QoS 1 and 2.
    pub received: [u32; 2],
    /// How many there are to receive; 0 until that is known.
    pub total: [u32; 2],
}

impl State {
    const LEN: usize = 25;

    fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [u8::from(self.is_subscribed); Self::LEN];
        let numbers = self.sent.iter().chain(&self.received).chain(&self.total);
        for (place, number) in bytes[1..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let number = |at| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |n| u32::from_le_bytes(*n))
        };
        Self {
            is_subscribed: bytes[0] != 0,
            sent: [number(1), number(5)],
            received: [number(9), number(13)],
            total: [number(17), number(21)],
        }
    }
}

/// Two sectors. Erasing makes all bits ones, writing makes some of them zeros.
pub struct Flash<'m> {
    sectors: [&'m mut [u8]; 2],
    /// How many bytes can be written until the power fails.
    power: usize,
    /// What happens then.
    fail: fn() -> !,
}

impl<'m> Flash<'m> {
    /// Flash in this memory.
    pub fn new(memory: &'m mut [u8], power: usize, fail: fn() -> !) -> Self {
        let sector = memory.len() / 2;
        let (one, other) = memory[..2 * sector].split_at_mut(sector);
        Self {
            sectors: [one, other],
            power,
            fail,
        }
    }

    fn erase(&mut self, sector: usize) {
        self.use_power();
        self.sectors[sector].fill(0xFF);
    }

    fn write(&mut self, sector: usize, at: usize, bytes: &[u8]) {
        for (n, byte) in bytes.iter().enumerate() {
            self.use_power();
            self.sectors[sector][at + n] &= byte;
        }
    }

    fn use_power(&mut self) {
        if self.power == 0 {
            (self.fail)();
        }
        self.power -= 1;
    }
}

impl fmt::Debug for Flash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash")
            .field("power", &self.power)
            .finish_non_exhaustive()
    }
}

/// A session's records and the application's state.
#[derive(Debug)]
pub struct Journal<'m> {
    flash: Flash<'m>,
    sector: usize,
    number: u32,
    /// Where the next batch goes.
    end: usize,
    /// What was written last.
    state: State,
}

impl<'m> Journal<'m> {
    /// Restores the session to a new client.
    ///
    /// # Errors
    /// Those of [`Client::restore`].
    pub fn open(flash: Flash<'m>, client: &mut Client<'_>) -> Result<Self, Error> {
        let number = |sector: usize| {
            let (number, rest) = flash.sectors[sector].split_first_chunk::<4>()?;
            let is_valid = rest[..4] == crc32(&[NAME, number]).to_le_bytes();
            is_valid.then(|| u32::from_le_bytes(*number))
        };
        let sector = usize::from(number(1) > number(0));
        let newest = number(sector);
        let mut end = START;
        let mut state = State::default();
        if newest.is_some() {
            while let Some(batch) = batch(&flash.sectors[sector][end..]) {
                let mut entries = batch;
                while let Some((head, body)) = entry(&mut entries) {
                    if let Some(record) = Record::from_parts(head, body) {
                        client.restore(&record)?;
                    } else if let (STATE, Ok(bytes)) = (head, body.try_into()) {
                        state = State::from_bytes(bytes);
                    }
                }
                end += BATCH + batch.len();
            }
        }
        // What is not erased was being written when the power failed.
        let is_clean = flash.sectors[sector][end..]
            .iter()
            .all(|&byte| byte == 0xFF);
        let number = newest.unwrap_or(0);
        let mut journal = Self {
            flash,
            sector,
            number,
            end,
            state,
        };
        if newest.is_none() || !is_clean {
            journal.begin_anew(client);
        }
        Ok(journal)
    }

    /// What the application knew when this was written last.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Writes what is due, and with it the application's state. To be called when the client has
    /// no more events, before anything is sent: not even a message at QoS 1, for which there is no
    /// record, is acknowledged before the application's state is written.
    pub fn save(&mut self, client: &mut Client<'_>, application: &mut Application) {
        loop {
            let (mut count, mut len) = (0, BATCH + ENTRY + State::LEN);
            for record in client.journal() {
                application.note_record(&record);
                count += 1;
                len += ENTRY + record.body().len();
            }
            if count == 0 && self.state == application.state {
                break;
            }
            self.state = application.state;
            if len > self.flash.sectors[self.sector].len() - self.end {
                // This is too early, but nothing can be sent before `save` returns.
                client.journaled(count);
                self.begin_anew(client);
            } else {
                self.append(client.journal());
                client.journaled(count);
            }
        }
    }

    fn begin_anew(&mut self, client: &Client<'_>) {
        self.sector = 1 - self.sector;
        self.number += 1;
        self.end = START;
        self.flash.erase(self.sector);
        self.append(client.snapshot());
        // With this the sector is valid, and the other one is history.
        let number = self.number.to_le_bytes();
        self.flash.write(self.sector, 0, &number);
        let checksum = crc32(&[NAME, &number]).to_le_bytes();
        self.flash.write(self.sector, 4, &checksum);
    }

    /// Writes a batch: these records and the state.
    fn append<'r>(&mut self, records: impl Iterator<Item = Record<'r>>) {
        let start = self.end;
        self.end += BATCH;
        self.append_entry(STATE, &self.state.to_bytes());
        for record in records {
            self.append_entry(record.head(), record.body());
        }
        // What was written is as good as what should have been, so the checksum can be taken of it.
        let entries = &self.flash.sectors[self.sector][start + BATCH..self.end];
        let len = short(entries.len());
        let checksum = crc32(&[&len, entries]).to_le_bytes();
        self.flash.write(self.sector, start, &checksum);
        self.flash.write(self.sector, start + checksum.len(), &len);
    }

    fn append_entry(&mut self, head: [u8; 4], body: &[u8]) {
        for part in [&short(body.len())[..], &head, body] {
            self.flash.write(self.sector, self.end, part);
            self.end += part.len();
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no more than a sector")]
const fn short(len: usize) -> [u8; 2] {
    (len as u16).to_le_bytes()
}

/// The entries of the batch at the front.
fn batch(bytes: &[u8]) -> Option<&[u8]> {
    let (&[c0, c1, c2, c3, l0, l1], rest) = bytes.split_first_chunk::<BATCH>()?;
    let entries = rest.get(..usize::from(u16::from_le_bytes([l0, l1])))?;
    let is_valid = crc32(&[&[l0, l1], entries]) == u32::from_le_bytes([c0, c1, c2, c3]);
    is_valid.then_some(entries)
}

/// Takes the next entry of a batch.
fn entry<'a>(entries: &mut &'a [u8]) -> Option<([u8; 4], &'a [u8])> {
    let (&[l0, l1, h0, h1, h2, h3], rest) = entries.split_first_chunk::<ENTRY>()?;
    let (body, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([l0, l1])))?;
    *entries = rest;
    Some(([h0, h1, h2, h3], body))
}

fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in parts.iter().copied().flatten() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ 0xEDB8_8320 & (crc & 1).wrapping_neg();
        }
    }
    !crc
}
