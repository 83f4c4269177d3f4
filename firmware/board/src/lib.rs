//! The board: QEMU's `mps2-an386`, a Cortex-M4.
//!
//! Everything that knows about hardware is in here, and with it all `unsafe` of the images.

#![no_std]
#![expect(unsafe_code, reason = "hardware has addresses")]

mod clock;
mod register;
mod serial;

pub use clock::{now, on_tick};
pub use serial::{Serial, wake_on_received, wake_on_room};

use core::panic::PanicInfo;
use core::ptr::slice_from_raw_parts_mut;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use semihosting::{exit, println};

unsafe extern "C" {
    // Of `memory.x`.
    static mut _kept_start: u8;
    static mut _kept_end: u8;
    // Of `link.x`: where the stack begins and how far it may grow.
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Starts the clock and the serial port. To be called once, first of all.
///
/// Gives the port, and the memory that outlives a reset; it stands for flash.
pub fn start() -> (Serial, &'static mut [u8]) {
    let peripherals = cortex_m::Peripherals::take().expect("start is called once");
    clock::start(peripherals.SYST);
    let (start, end) = (&raw mut _kept_start, &raw mut _kept_end);
    let kept = slice_from_raw_parts_mut(start, end.addr() - start.addr());
    // SAFETY: the linker puts nothing there, any bits are bytes, and nobody else ever has it, since
    // the peripherals are taken once.
    (serial::start(), unsafe { &mut *kept })
}

/// How many bytes of the stack have been in use.
pub fn stack_used() -> usize {
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let size = start.addr() - end.addr();
    let is_untouched = |&at: &usize| {
        // SAFETY: it is within the stack, which is memory, and nobody minds.
        unsafe { end.byte_add(at).read_volatile() == cortex_m_rt::STACK_PAINT_VALUE }
    };
    size - (0..size).step_by(4).take_while(is_untouched).count() * 4
}

/// Waits for an interrupt, of which the clock's comes each millisecond.
pub fn wait() {
    cortex_m::asm::wfi();
}

/// Resets the chip: nothing is left but what is kept.
pub fn reset() -> ! {
    SCB::sys_reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(false)
}

// SAFETY: it only prints and ends the program.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    println!("hard fault at {:#010x}", frame.pc());
    exit(false)
}

/// Every interrupt of a device, of which only the serial port's are enabled.
// SAFETY: it touches nothing but the serial port, in a critical section.
#[exception]
unsafe fn DefaultHandler(_number: i16) {
    serial::interrupt();
}
