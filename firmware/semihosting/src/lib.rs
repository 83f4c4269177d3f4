//! What an image says to the host of its emulator, and is told by it: semihosting, as Arm has
//! specified it and RISC-V has taken it over.

#![no_std]
#![expect(unsafe_code, reason = "the host reads and writes the image's memory")]

use core::arch::asm;
use core::fmt;

const WRITE0: usize = 0x04;
const GET_CMDLINE: usize = 0x15;
const EXIT: usize = 0x18;

/// Prints a line on the host's console.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {{
        let mut console = $crate::Console::new();
        let _ = ::core::fmt::Write::write_fmt(&mut console, ::core::format_args!($($arg)*));
        console.end_line();
    }};
}

/// A line on its way to the console.
#[derive(Debug)]
pub struct Console {
    line: [u8; 120],
    len: usize,
}

impl Console {
    /// An empty line.
    #[expect(clippy::new_without_default, reason = "for the macro alone")]
    pub const fn new() -> Self {
        Self {
            line: [0; 120],
            len: 0,
        }
    }

    /// Prints it; what is too long is cut off.
    pub fn end_line(&mut self) {
        let len = self.len.min(self.line.len() - 2);
        self.line[len..len + 2].copy_from_slice(b"\n\0");
        // SAFETY: the argument is the address of bytes that end with a zero.
        unsafe { call(WRITE0, self.line.as_ptr().expose_provenance()) };
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (place, byte) in self.line[self.len..].iter_mut().zip(text.bytes()) {
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// What the host has the image do.
pub fn command_line(space: &mut [u8; 80]) -> &str {
    let mut arguments = [space.as_mut_ptr().expose_provenance(), space.len()];
    let block = (&raw mut arguments).expose_provenance();
    // SAFETY: the arguments are where there is space, and how much. The host writes the line there,
    // and its length to the latter.
    let failed = unsafe { call(GET_CMDLINE, block) };
    let line = space.get(..arguments[1]).filter(|_| failed == 0);
    core::str::from_utf8(line.unwrap_or_default()).unwrap_or_default()
}

/// Ends the emulator, with a status that says whether all went well.
pub fn exit(success: bool) -> ! {
    const APPLICATION_EXIT: usize = 0x20026;
    const RUN_TIME_ERROR: usize = 0x20023;
    let reason = if success {
        APPLICATION_EXIT
    } else {
        RUN_TIME_ERROR
    };
    // SAFETY: the argument is one of the reasons that there are.
    unsafe { call(EXIT, reason) };
    loop {
        core::hint::spin_loop();
    }
}

/// Asks the host for something.
///
/// # Safety
/// The argument is one for this operation, and the memory that it names is there to be read and,
/// where the operation does so, written.
unsafe fn call(operation: usize, argument: usize) -> usize {
    let result;
    #[cfg(target_arch = "arm")]
    // SAFETY: this is the instruction; the host changes `r0` and what the caller has allowed.
    unsafe {
        asm!("bkpt #0xab", inout("r0") operation => result, in("r1") argument, options(nostack));
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: these are the instructions, of 32 bits each and on one page.
    unsafe {
        asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") operation => result,
            in("a1") argument,
            options(nostack),
        );
    }
    // There is no host elsewhere, but there are lints.
    #[cfg(not(any(target_arch = "arm", target_arch = "riscv32")))]
    // SAFETY: this does nothing.
    unsafe {
        asm!("/* {} {} */", inout(reg) operation => result, in(reg) argument);
    }
    result
}
