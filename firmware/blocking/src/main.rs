//! The image with a loop that blocks, directly over the core.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use device::Memory;
use device::blocking::{Board, run};
use semihosting::println;

const BOARD: Board = Board {
    now: board::now,
    wait: board::wait,
    reset: board::reset,
};

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let (serial, kept) = board::start();
    let result = run(BOARD, serial, kept, MEMORY);
    println!("stack {}", board::stack_used());
    device::finish(result)
}
