//! That a run without faults ends: its steps never lead back to where it was.
//!
//! `stateright` can say `eventually`, but not of a graph with cycles, which faults make of this
//! one. So the steps that are no faults are noted, and when all are known it is looked for a cycle
//! among them. If there is none, every run without further faults ends, whatever it does next;
//! and where it ends, the property "no dead end" has been asked.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The steps between states, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    shards: [Mutex<Vec<(u64, u64)>>; 16],
    /// A state that must not be there, or 0.
    suspect: AtomicU64,
    /// True if no more steps are to be noted.
    is_done: AtomicBool,
}

/// Keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only for u64");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

impl Progress {
    /// Notes a step.
    pub(crate) fn step(&self, from: u64, to: u64) {
        if !self.is_done.load(Ordering::Relaxed) {
            let [low, ..] = from.to_le_bytes();
            let shard = &self.shards[usize::from(low) % self.shards.len()];
            shard.lock().expect("no panic").push((from, to));
        }
    }

    /// The state to look for.
    pub(crate) fn suspect(&self) -> Option<u64> {
        Some(self.suspect.load(Ordering::Relaxed)).filter(|&key| key != 0)
    }

    /// Has a second search look for this state.
    pub(crate) fn look_for(&self, key: u64) {
        self.suspect.store(key, Ordering::Relaxed);
    }

    /// A state that a run without faults may come back to.
    pub(crate) fn cycle(&self) -> Option<u64> {
        self.is_done.store(true, Ordering::Relaxed);
        let mut steps = Vec::new();
        for shard in &self.shards {
            steps.append(&mut mem::take(&mut *shard.lock().expect("no panic")));
        }
        let mut numbers: HashMap<u64, u32, BuildHasherDefault<Identity>> = HashMap::default();
        let mut keys = Vec::new();
        let mut number = |key| {
            *numbers.entry(key).or_insert_with(|| {
                keys.push(key);
                u32::try_from(keys.len() - 1).expect("fewer states than that")
            })
        };
        let mut steps: Vec<(u32, u32)> = steps
            .into_iter()
            .map(|(from, to)| (number(from), number(to)))
            .collect();
        steps.sort_unstable();
        // Takes away states that nothing leads to, until none are left, or only cycles and what
        // lies behind them.
        let mut before = vec![0u32; keys.len()];
        for &(_, to) in &steps {
            before[to as usize] += 1;
        }
        let mut begins = vec![0usize; keys.len() + 1];
        for &(from, _) in &steps {
            begins[from as usize + 1] += 1;
        }
        for n in 1..begins.len() {
            begins[n] += begins[n - 1];
        }
        let mut ready: Vec<usize> = (0..keys.len()).filter(|&n| before[n] == 0).collect();
        while let Some(n) = ready.pop() {
            for &(_, to) in &steps[begins[n]..begins[n + 1]] {
                before[to as usize] -= 1;
                if before[to as usize] == 0 {
                    ready.push(to as usize);
                }
            }
        }
        // From a state that is left, going back along what is left comes to a cycle in the end.
        let mut back = vec![usize::MAX; keys.len()];
        for &(from, to) in &steps {
            if before[from as usize] > 0 {
                back[to as usize] = from as usize;
            }
        }
        let left = before.iter().position(|&count| count > 0);
        left.map(|mut n| {
            for _ in 0..keys.len() {
                n = back[n];
            }
            keys[n]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    fn cycle(steps: &[(u64, u64)]) -> Option<u64> {
        let progress = Progress::default();
        for &(from, to) in steps {
            progress.step(from, to);
        }
        progress.cycle()
    }

    #[test]
    fn cycles() {
        assert_eq!(cycle(&[]), None);
        assert_eq!(cycle(&[(1, 2), (1, 3), (2, 4), (3, 4), (4, 5)]), None);
        let found = cycle(&[(1, 2), (2, 3), (3, 4), (4, 2), (4, 5), (5, 6)]);
        assert!(matches!(found, Some(2..=4)), "{found:?}");
        let found = cycle(&[(7, 1), (1, 7)]);
        assert!(matches!(found, Some(1 | 7)), "{found:?}");
    }
}
