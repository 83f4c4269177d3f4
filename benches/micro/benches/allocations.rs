//! How often each operation asks for memory, and for how much.
//!
//!     cargo bench -p micro --bench allocations                  # of all
//!     cargo bench -p micro --bench allocations -- 'QoS 1, 5.0'  # of those whose name has this

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's, and counts what is asked for; to grow is to ask again.
struct Counting;

fn note(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() -> io::Result<()> {
    // Cargo says that it is a benchmark.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let filter = filter.unwrap_or_default();
    let mut last = String::new();
    for bench in micro::benches() {
        if !bench.case.contains(&filter) {
            continue;
        }
        let mut operation = bench.build();
        let runs = (20_000.0 / bench.per_run).clamp(2.0, 1000.0) as u64;
        // What grows with use has grown.
        operation.run(runs);
        let before = (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed));
        operation.run(runs);
        let messages = runs as f64 * bench.per_run;
        let allocations = (ALLOCATIONS.load(Relaxed) - before.0) as f64 / messages;
        let bytes = (BYTES.load(Relaxed) - before.1) as f64 / messages;
        if last != bench.case {
            println!("{}", bench.case);
            last.clone_from(&bench.case);
        }
        println!("{allocations:>10.2} {bytes:>12.1} B  {}", bench.client);
        bench
            .row(&[("allocations", allocations), ("allocated bytes", bytes)])
            .write()?;
    }
    Ok(())
}
