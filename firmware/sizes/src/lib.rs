//! What a reference program has besides the protocol: memory, a line, a clock. All code of it is
//! in a section of its own, so that it does not count.
//!
//! `scripts/sizes` is at the other end of the line. It says what the server sends, how time passes
//! and when the connection is lost; so each run is the same, on a slow machine too.
#![no_std]
#![expect(unsafe_code, reason = "registers, sections, memory of static length")]

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use mqtt_core::Instant;

/// Fails to link if any panic can be reached: there is no such function.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn a_panic_can_be_reached() -> !;
    }
    a_panic_can_be_reached()
}

/// Memory of a program.
pub struct Memory<T> {
    value: UnsafeCell<T>,
    is_taken: AtomicBool,
}

// SAFETY: `take` gives it away once.
unsafe impl<T: Send> Sync for Memory<T> {}

impl<T> Memory<T> {
    /// Memory that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            is_taken: AtomicBool::new(false),
        }
    }

    /// The memory. A program that takes it twice hangs.
    #[expect(clippy::mut_from_ref, reason = "it is given away once only")]
    #[inline(never)]
    #[unsafe(link_section = ".board")]
    pub fn take(&self) -> &mut T {
        while self.is_taken.swap(true, Relaxed) {}
        // SAFETY: there is no other reference, as it was not taken before.
        unsafe { &mut *self.value.get() }
    }
}

/// Has the program begin with `$main`.
#[macro_export]
macro_rules! main {
    ($main:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn main() -> ! {
            $main()
        }
    };
}

/// Has `scripts/sizes` know how large a type is.
#[macro_export]
macro_rules! report_size {
    ($name:ident, $type:ty) => {
        #[used]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".info")]
        static $name: [u8; size_of::<$type>()] = [0; size_of::<$type>()];
    };
}

/// What the line brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// This many bytes.
    Bytes(usize),
    /// Nothing, but time has passed.
    Time,
    /// The connection is lost.
    Lost,
}

/// Milliseconds since the start.
static CLOCK: AtomicU32 = AtomicU32::new(0);
/// How many bytes are still to be read of what the server has sent.
static LEFT: AtomicU32 = AtomicU32::new(0);

/// Waits for the other end, which says how the program is to run.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn start() -> u8 {
    read()
}

/// The time.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn now() -> Instant {
    Instant::from_millis(CLOCK.load(Relaxed).into())
}

/// Sends some of these bytes, at most 100, and says how many.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn send(bytes: &[u8]) -> usize {
    let n = bytes.len().min(100);
    write(b's');
    write(u8::try_from(n).unwrap_or_default());
    for byte in bytes.iter().take(n) {
        write(*byte);
    }
    n
}

/// Waits for bytes, or until a moment.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn receive(space: &mut [u8], until: Option<Instant>) -> Input {
    let mut left = LEFT.load(Relaxed);
    if left == 0 {
        write(b'w');
        write_u32(until.map_or(u32::MAX, millis));
        match read() {
            b'b' => left = read_u32(),
            b't' => {
                CLOCK.store(read_u32(), Relaxed);
                return Input::Time;
            }
            _ => return Input::Lost,
        }
    }
    let mut n = 0;
    for place in space.iter_mut().take(left as usize) {
        *place = read();
        n += 1;
    }
    LEFT.store(left - n, Relaxed);
    Input::Bytes(n as usize)
}

/// A moment as it goes over the line.
fn millis(moment: Instant) -> u32 {
    u32::try_from(moment.as_millis()).unwrap_or(u32::MAX)
}

/// Has a record written to stable storage.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn save(head: [u8; 4], body: &[u8]) {
    write(b'j');
    write_u32(4 + u32::try_from(body.len()).unwrap_or_default());
    for byte in head.iter().chain(body) {
        write(*byte);
    }
}

/// Reads the next record from stable storage; its body is written to the space.
#[inline(never)]
#[unsafe(link_section = ".board")]
pub fn load(space: &mut [u8]) -> Option<([u8; 4], usize)> {
    write(b'l');
    let mut left = read_u32().checked_sub(4)?;
    let head = read_u32().to_le_bytes();
    let mut n = 0;
    for place in space {
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => break,
        };
        *place = read();
        n += 1;
    }
    Some((head, n))
}

#[inline(never)]
#[unsafe(link_section = ".board")]
fn write_u32(value: u32) {
    for byte in value.to_le_bytes() {
        write(byte);
    }
}

#[inline(never)]
#[unsafe(link_section = ".board")]
fn read_u32() -> u32 {
    let mut value = 0;
    for _ in 0..4 {
        value = value >> 8 | u32::from(read()) << 24;
    }
    value
}

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

#[inline(never)]
#[unsafe(link_section = ".board")]
fn write(byte: u8) {
    // SAFETY: registers of the board's first UART.
    unsafe {
        while STATE.read_volatile() & TX_FULL != 0 {}
        DATA.write_volatile(byte.into());
    }
}

#[inline(never)]
#[unsafe(link_section = ".board")]
fn read() -> u8 {
    // SAFETY: registers of the board's first UART.
    unsafe {
        while STATE.read_volatile() & RX_FULL == 0 {}
        DATA.read_volatile().to_le_bytes()[0]
    }
}

// The start: .data and .bss as the program expects them, the UART on, then `main`.
global_asm!(
    ".section .vectors, \"a\"",
    ".word stack_start, reset",
    ".rept 14",
    ".word fault",
    ".endr",
    ".section .board, \"ax\"",
    ".syntax unified",
    ".global reset",
    ".thumb_func",
    "reset:",
    "ldr r0, =data_start",
    "ldr r1, =data_end",
    "ldr r2, =data_load",
    "1: cmp r0, r1",
    "bhs 2f",
    "ldr r3, [r2], #4",
    "str r3, [r0], #4",
    "b 1b",
    "2: ldr r0, =bss_start",
    "ldr r1, =bss_end",
    "movs r3, #0",
    "3: cmp r0, r1",
    "bhs 4f",
    "str r3, [r0], #4",
    "b 3b",
    "4: ldr r0, =0x40004000",
    "movs r1, #16",
    "str r1, [r0, #16]", // Baud rate divisor.
    "movs r1, #3",
    "str r1, [r0, #8]", // Receive and transmit.
    "bl main",
    ".thumb_func",
    "fault: b fault",
    ".ltorg",
);
