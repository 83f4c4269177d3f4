//! Can panic, and so must not link.
#![no_std]
#![no_main]

use core::hint::black_box;

sizes::main!(program);

fn program() -> ! {
    let bytes = black_box([1, 2, 3]);
    loop {
        black_box(bytes[usize::from(sizes::start())]);
    }
}
