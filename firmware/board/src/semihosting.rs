//! The host's console and what it makes of the end.

use core::fmt;

use cortex_m_semihosting::{nr, syscall1};

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
        unsafe { syscall1(nr::WRITE0, self.line.as_ptr().expose_provenance()) };
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
    let failed = unsafe { syscall1(nr::GET_CMDLINE, block) };
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
    unsafe { syscall1(nr::REPORT_EXCEPTION, reason) };
    loop {
        cortex_m::asm::wfi();
    }
}
