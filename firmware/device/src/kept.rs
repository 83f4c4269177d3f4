//! What is kept over a reset.

/// Counters that are kept over a reset.
#[derive(Debug)]
pub struct Counters<'m>(&'m mut [u8; LEN]);

const LEN: usize = 12;

/// Memory holds anything when the power comes for the first time.
const MAGIC: [u8; 4] = *b"kept";

impl<'m> Counters<'m> {
    /// Takes some of the memory that is kept, and gives back the rest; `None` if there is too
    /// little.
    pub fn new(memory: &'m mut [u8]) -> Option<(Self, &'m mut [u8])> {
        let (cells, rest) = memory.split_first_chunk_mut()?;
        if cells[..4] != MAGIC {
            *cells = [0; LEN];
            cells[..4].copy_from_slice(&MAGIC);
        }
        Some((Self(cells), rest))
    }

    /// Counts starts, from 0.
    pub fn next_start(&mut self) -> u32 {
        self.next::<4>()
    }

    /// The number for the next call, another one than those of the last calls.
    pub fn next_call(&mut self) -> u8 {
        self.next::<8>().to_le_bytes()[0]
    }

    fn next<const AT: usize>(&mut self) -> u32 {
        let Some(cell) = self.0[AT..].first_chunk_mut() else {
            return 0;
        };
        let count = u32::from_le_bytes(*cell);
        *cell = count.wrapping_add(1).to_le_bytes();
        count
    }
}
