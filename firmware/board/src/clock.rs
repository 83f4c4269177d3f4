//! Milliseconds, by the processor's own timer.

use core::cell::Cell;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;

/// The processor's clock, in Hz.
const FREQUENCY: u32 = 25_000_000;

static MILLIS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

type Hook = Option<fn()>;

static ON_TICK: Mutex<Cell<Hook>> = Mutex::new(Cell::new(None));

/// Calls this with each millisecond, from the interrupt.
pub fn on_tick(call: fn()) {
    critical_section::with(|section| ON_TICK.borrow(section).set(Some(call)));
}

/// Milliseconds since the start.
pub fn now() -> u64 {
    critical_section::with(|section| MILLIS.borrow(section).get())
}

pub(crate) fn start(mut syst: SYST) {
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(FREQUENCY / 1000 - 1);
    syst.clear_current();
    syst.enable_counter();
    syst.enable_interrupt();
}

#[exception]
fn SysTick() {
    let on_tick = critical_section::with(|section| {
        let millis = MILLIS.borrow(section);
        millis.set(millis.get() + 1);
        ON_TICK.borrow(section).get()
    });
    if let Some(call) = on_tick {
        call();
    }
}
