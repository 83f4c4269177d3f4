//! QEMU's board `virt`: everything that knows about hardware, and with it all `unsafe`.

#![expect(unsafe_code, reason = "hardware has addresses")]

use core::arch::global_asm;
use core::panic::PanicInfo;
use core::ptr::{slice_from_raw_parts_mut, with_exposed_provenance, with_exposed_provenance_mut};

use semihosting::{exit, println};

/// The UART, an NS16550A.
const DATA: usize = 0x1000_0000;
const FIFO_CONTROL: usize = 0x1000_0002;
const LINE_STATUS: usize = 0x1000_0005;
const RECEIVED: u8 = 1 << 0;
const MAY_SEND: u8 = 1 << 5;

/// The timer, with 10 MHz.
const TIME: usize = 0x0200_BFF8;
const TICKS: u64 = 10_000;

/// What resets the machine, and the word for it.
const TEST: usize = 0x0010_0000;
const RESET: u32 = 0x7777;

global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, _stack_top",
    "la a0, _bss_start",
    "la a1, _bss_end",
    "1: bgeu a0, a1, 2f",
    "sw zero, 0(a0)",
    "addi a0, a0, 4",
    "j 1b",
    "2: call {main}",
    main = sym main,
);

unsafe extern "C" {
    // Of `riscv.ld`.
    static mut _kept_start: u8;
    static mut _kept_end: u8;
}

extern "C" fn main() -> ! {
    write_byte(FIFO_CONTROL, 1);
    let (start, end) = (&raw mut _kept_start, &raw mut _kept_end);
    let kept = slice_from_raw_parts_mut(start, end.addr() - start.addr());
    // SAFETY: the linker puts nothing there, any bits are bytes, and nobody else ever has it, since
    // this function runs once.
    crate::main(unsafe { &mut *kept })
}

/// Milliseconds since the start.
pub(crate) fn now() -> u64 {
    ticks() / TICKS
}

/// Waits until something is received, for a millisecond at most. There is nothing to save here, so
/// it does without interrupts.
pub(crate) fn wait() {
    let end = ticks() + TICKS;
    while read_byte(LINE_STATUS) & RECEIVED == 0 && ticks() < end {
        core::hint::spin_loop();
    }
}

/// Resets the machine: nothing is left but what is kept.
pub(crate) fn reset() -> ! {
    write_word(TEST, RESET);
    loop {
        core::hint::spin_loop();
    }
}

/// The port. A byte is waited for until it is sent, so there is always room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serial;

impl modem::Serial for Serial {
    fn read(&mut self) -> Option<u8> {
        (read_byte(LINE_STATUS) & RECEIVED != 0).then(|| read_byte(DATA))
    }

    fn room(&self) -> usize {
        256
    }

    fn write(&mut self, byte: u8) {
        while read_byte(LINE_STATUS) & MAY_SEND == 0 {}
        write_byte(DATA, byte);
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(false)
}

fn ticks() -> u64 {
    loop {
        let high = read_word(TIME + 4);
        let low = read_word(TIME);
        if read_word(TIME + 4) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn read_byte(register: usize) -> u8 {
    // SAFETY: all registers here are those of devices that are always there, and hold any value.
    unsafe { with_exposed_provenance::<u8>(register).read_volatile() }
}

fn write_byte(register: usize, value: u8) {
    // SAFETY: as above; none of the devices touches memory, so no value does harm.
    unsafe { with_exposed_provenance_mut::<u8>(register).write_volatile(value) }
}

fn read_word(register: usize) -> u32 {
    // SAFETY: as above.
    unsafe { with_exposed_provenance::<u32>(register).read_volatile() }
}

fn write_word(register: usize, value: u32) {
    // SAFETY: as above.
    unsafe { with_exposed_provenance_mut::<u32>(register).write_volatile(value) }
}
