//! The first UART, by interrupts.

use core::cell::RefCell;
use core::task::Waker;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use critical_section::{CriticalSection, Mutex};

use crate::register::{read, write};

/// A CMSDK UART.
const DATA: usize = 0x4000_4000;
const STATE: usize = 0x4000_4004;
const CONTROL: usize = 0x4000_4008;
const INTERRUPT: usize = 0x4000_400C;
const BAUD_DIVISOR: usize = 0x4000_4010;

/// Of `STATE`: there is a byte to send, or one that was received.
const TX_FULL: u32 = 1 << 0;
const RX_FULL: u32 = 1 << 1;
/// Of `CONTROL`: both directions, and an interrupt for each.
const ENABLE: u32 = 0b1111;

/// How many bytes wait each way.
const MEMORY: usize = 256;

/// The port.
#[derive(Clone, Copy, Debug)]
pub struct Serial(());

struct Port {
    received: Ring,
    to_send: Ring,
    on_received: Option<Waker>,
    on_room: Option<Waker>,
}

static PORT: Mutex<RefCell<Port>> = Mutex::new(RefCell::new(Port {
    received: Ring::new(),
    to_send: Ring::new(),
    on_received: None,
    on_room: None,
}));

pub(crate) fn start() -> Serial {
    write(BAUD_DIVISOR, 16);
    write(CONTROL, ENABLE);
    for interrupt in [Interrupt::Receive, Interrupt::Transmit] {
        // SAFETY: no critical section relies on a masked interrupt.
        unsafe { NVIC::unmask(interrupt) };
    }
    Serial(())
}

/// Wakes when there is something to read, once.
pub fn wake_on_received(waker: &Waker) {
    with_port(|port| port.on_received = Some(waker.clone()));
}

/// Wakes when something was sent, once.
pub fn wake_on_room(waker: &Waker) {
    with_port(|port| port.on_room = Some(waker.clone()));
}

impl modem::Serial for Serial {
    fn read(&mut self) -> Option<u8> {
        with_port(|port| {
            let byte = port.received.pop();
            // One may have waited for room, and then nothing else asks for it.
            port.receive();
            byte
        })
    }

    fn room(&self) -> usize {
        with_port(|port| MEMORY - port.to_send.len)
    }

    fn write(&mut self, byte: u8) {
        while !with_port(|port| {
            let is_taken = port.to_send.push(byte);
            port.send();
            is_taken
        }) {}
    }
}

pub(crate) fn interrupt() {
    with_port(|port| {
        write(INTERRUPT, 0b11);
        port.receive();
        port.send();
    });
}

impl Port {
    /// Takes what was received. Where there is no room it stays, and so does all that follows: a
    /// line that does not wait has to be told, by RTS for instance.
    fn receive(&mut self) {
        while self.received.len < MEMORY && read(STATE) & RX_FULL != 0 {
            self.received.push((read(DATA) & 0xFF) as u8);
            if let Some(waker) = self.on_received.take() {
                waker.wake();
            }
        }
    }

    fn send(&mut self) {
        while read(STATE) & TX_FULL == 0 {
            let Some(byte) = self.to_send.pop() else {
                break;
            };
            write(DATA, byte.into());
            if let Some(waker) = self.on_room.take() {
                waker.wake();
            }
        }
    }
}

fn with_port<T>(use_port: impl FnOnce(&mut Port) -> T) -> T {
    critical_section::with(|section: CriticalSection<'_>| {
        use_port(&mut PORT.borrow_ref_mut(section))
    })
}

#[derive(Clone, Copy)]
enum Interrupt {
    Receive = 0,
    Transmit = 1,
}

// SAFETY: these are the numbers of the board's documentation.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// A queue of bytes.
struct Ring {
    bytes: [u8; MEMORY],
    first: usize,
    len: usize,
}

impl Ring {
    const fn new() -> Self {
        Self {
            bytes: [0; MEMORY],
            first: 0,
            len: 0,
        }
    }

    /// False if there is no room.
    const fn push(&mut self, byte: u8) -> bool {
        let has_room = self.len < MEMORY;
        if has_room {
            self.bytes[(self.first + self.len) % MEMORY] = byte;
            self.len += 1;
        }
        has_room
    }

    fn pop(&mut self) -> Option<u8> {
        if self.len == 0 {
            return None;
        }
        let byte = self.bytes[self.first];
        self.first = (self.first + 1) % MEMORY;
        self.len -= 1;
        Some(byte)
    }
}
