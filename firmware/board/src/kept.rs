//! Memory that outlives a reset.

use core::cell::Cell;
use core::ptr::{addr_of_mut, slice_from_raw_parts_mut};

use critical_section::Mutex;

unsafe extern "C" {
    // Of `memory.x`.
    static mut _kept_start: u8;
    static mut _kept_end: u8;
}

static IS_TAKEN: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));

/// The memory that outlives a reset; it stands for flash. `None` if somebody has it already.
pub fn kept() -> Option<&'static mut [u8]> {
    if critical_section::with(|section| IS_TAKEN.borrow(section).replace(true)) {
        return None;
    }
    let start = addr_of_mut!(_kept_start);
    let end = addr_of_mut!(_kept_end);
    let memory = slice_from_raw_parts_mut(start, end.addr() - start.addr());
    // SAFETY: the linker puts nothing there, nobody has it but who takes it here, once, and any
    // bits are bytes.
    Some(unsafe { &mut *memory })
}
