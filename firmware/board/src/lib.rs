//! The board: QEMU's `mps2-an386`, a Cortex-M4.
#![no_std]
