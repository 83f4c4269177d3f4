//! What this process has of the system.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long what is closing may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What memory may grow by while the clients are at work, besides a tenth: that is as much as the
/// messages that happen to be under way.
const GROWTH: usize = 512 * 1024;
/// What may be left over after everything has ended: tables of the allocations of others, such as
/// those of threads of the proxies, grow and stay.
const LEFT_OVER: usize = 64 * 1024;

/// A look at the process.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) heap: usize,
    /// What the open file descriptors are.
    pub(crate) files: BTreeSet<String>,
    pub(crate) threads: usize,
    /// Resident memory in bytes, which is told and not judged: allocators keep what was freed.
    pub(crate) resident: usize,
    /// User and system time.
    pub(crate) processor: Duration,
}

impl Snapshot {
    /// Takes one; `heap` is how many bytes are allocated. Only Linux says the rest.
    pub(crate) fn take(heap: usize) -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // What follows the command's name, which may be anything.
        let fields: Vec<_> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let field = |n: usize| {
            fields
                .get(n)
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or(0)
        };
        Self {
            heap,
            files: files(),
            threads: fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
            resident: usize::try_from(field(21)).unwrap_or(0) * 4096,
            processor: Duration::from_millis(10 * (field(11) + field(12))),
        }
    }

    /// Waits until there are no more threads and files than before, for as long as closing may
    /// take; what is left over then.
    pub(crate) fn compare(&self, heap: impl Fn() -> usize) -> (Self, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::take(heap());
            let mut left = Vec::new();
            if now.files.len() > self.files.len() {
                let new: Vec<_> = now.files.difference(&self.files).cloned().collect();
                let count = now.files.len() - self.files.len();
                left.push(format!(
                    "{count} file descriptors more than before, {}",
                    new.join(", ")
                ));
            }
            if now.threads > self.threads {
                let count = now.threads - self.threads;
                left.push(format!("{count} threads more than before"));
            }
            if now.heap > self.heap + LEFT_OVER {
                let count = now.heap - self.heap;
                left.push(format!("{count} bytes of heap more than before"));
            }
            if left.is_empty() || Instant::now() > deadline {
                return (now, left);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn files() -> BTreeSet<String> {
    let Ok(files) = fs::read_dir("/proc/self/fd") else {
        return BTreeSet::new();
    };
    files
        .flatten()
        // Not the one that the folder itself is read with.
        .filter_map(|file| {
            let target = fs::read_link(file.path()).ok()?;
            let name = file.file_name().into_string().ok()?;
            (!target.starts_with("/proc")).then(|| format!("{name} {}", target.display()))
        })
        .collect()
}

/// What is wrong with the heap's size, as seen from time to time while the clients were at work:
/// after the first quarter, in which tables fill, the median of the second half is to be no more than
/// that of the first, and some.
pub(crate) fn growth(heap: &[usize]) -> Option<String> {
    let heap = heap.get(heap.len() / 4..)?;
    let (first, second) = heap.split_at(heap.len() / 2);
    let (first, second) = (median(first)?, median(second)?);
    let most = first + first / 10 + GROWTH;
    (second > most).then(|| format!("the heap grows, from {first} to {second} bytes"))
}

/// The median.
pub(crate) fn median(values: &[usize]) -> Option<usize> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_is_open_is_seen() {
        let before = Snapshot::take(0);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let now = Snapshot::take(0);
        assert_eq!(now.files.difference(&before.files).count(), 1);
        drop(listener);
        assert!(before.threads >= 1);
    }

    #[test]
    fn a_heap_that_grows_is_told_from_one_that_sways() {
        let sways: Vec<_> = (0..100).map(|n| 1_000_000 + n % 7 * 100_000).collect();
        assert_eq!(growth(&sways), None);
        let grows: Vec<_> = (0..100).map(|n| 1_000_000 + n * 30_000).collect();
        assert!(growth(&grows).is_some());
        assert_eq!(growth(&[]), None);
    }
}
