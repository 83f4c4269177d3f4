//! The image that blocks, on QEMU's RISC-V board `virt`.

#![no_std]
#![no_main]

mod board;

use device::Memory;
use device::blocking::{Board, run};

const BOARD: Board = Board {
    now: board::now,
    wait: board::wait,
    reset: board::reset,
};

fn main(kept: &mut [u8]) -> ! {
    let mut memory = Memory::new();
    device::finish(run(BOARD, board::Serial, kept, &mut memory))
}
