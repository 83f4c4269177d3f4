//! Milliseconds, by the board's counter, and an interrupt each, by the processor's own timer.
//!
//! Interrupts are not counted: those that come while they cannot be served are one.

use core::cell::Cell;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;

use crate::register;

/// The frequency of processor and board, in Hz.
const FREQUENCY: u32 = 25_000_000;

/// A counter of the FPGA's, and how many cycles it lets pass for each that it counts.
const COUNTER: usize = 0x4002_8018;
const PRESCALE: usize = 0x4002_801C;

type Hook = Option<fn()>;

/// What the counter showed last, and how often it began anew, which it does after 49 days.
static LAST: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

static ON_TICK: Mutex<Cell<Hook>> = Mutex::new(Cell::new(None));

/// Calls this with each millisecond, from the interrupt.
pub fn on_tick(call: fn()) {
    critical_section::with(|section| ON_TICK.borrow(section).set(Some(call)));
}

/// Milliseconds on a clock that only goes forwards.
pub fn now() -> u64 {
    critical_section::with(|section| {
        let last = LAST.borrow(section);
        let count = u64::from(register::read(COUNTER));
        let rounds = last.get() >> 32;
        let mut now = rounds << 32 | count;
        if now < last.get() {
            now += 1 << 32;
        }
        last.set(now);
        now
    })
}

pub(crate) fn start(mut syst: SYST) {
    register::write(PRESCALE, FREQUENCY / 1000 - 1);
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(FREQUENCY / 1000 - 1);
    syst.clear_current();
    syst.enable_counter();
    syst.enable_interrupt();
}

#[exception]
fn SysTick() {
    // Often enough to see each time that it begins anew.
    now();
    let on_tick = critical_section::with(|section| ON_TICK.borrow(section).get());
    if let Some(call) = on_tick {
        call();
    }
}
