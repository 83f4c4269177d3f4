//! Registers of devices.

use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

pub(crate) fn read(address: usize) -> u32 {
    // SAFETY: all addresses in this crate are those of registers that are always there, and hold
    // any value.
    unsafe { with_exposed_provenance::<u32>(address).read_volatile() }
}

pub(crate) fn write(address: usize, value: u32) {
    // SAFETY: as above; none of the devices touches memory, so no value does harm.
    unsafe { with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}
