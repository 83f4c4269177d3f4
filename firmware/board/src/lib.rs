//! The board: QEMU's `mps2-an386`, a Cortex-M4.
//!
//! Everything that knows about hardware is in here, and with it all `unsafe` of the images.

#![no_std]
#![expect(unsafe_code, reason = "hardware has addresses")]

mod clock;
mod kept;
mod semihosting;
mod serial;

pub use clock::{now, on_tick};
pub use kept::kept;
pub use semihosting::{Console, command_line, exit};
pub use serial::{Serial, wake_on_received, wake_on_room};

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};

/// Prints a line on the host's console.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {{
        let mut console = $crate::Console::new();
        let _ = ::core::fmt::Write::write_fmt(&mut console, ::core::format_args!($($arg)*));
        console.end_line();
    }};
}

/// Starts the clock and the serial port. To be called once, first of all.
pub fn start() -> Serial {
    let peripherals = cortex_m::Peripherals::take().expect("start is called once");
    clock::start(peripherals.SYST);
    serial::start()
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
