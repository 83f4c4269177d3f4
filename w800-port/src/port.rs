//! What `wm_mqtt_port.h` declares, made safe to call.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem;
use core::ptr::NonNull;

use crate::error::Text;
use crate::events::Event;
use crate::ffi::EventData;
use crate::library::Library;

/// `wm_mqtt_port_settings_t`
#[repr(C)]
pub(crate) struct Settings {
    pub(crate) chip: *const c_char,
    pub(crate) rx_size: u32,
    pub(crate) tx_size: u32,
    pub(crate) max_message: u32,
    pub(crate) window: u16,
    pub(crate) events: u16,
    pub(crate) tls: u8,
}

// SAFETY: it is constant.
unsafe impl Sync for Settings {}

/// `wm_mqtt_port_target_t`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) host: *const c_char,
    pub(crate) port: u16,
    pub(crate) tls: u8,
    pub(crate) verify: u8,
    pub(crate) ca: *const c_char,
    pub(crate) cert: *const c_char,
    pub(crate) key: *const c_char,
    pub(crate) alpn: *const *const c_char,
}

unsafe extern "C" {
    static wm_mqtt_port_settings: Settings;
    fn wm_mqtt_port_alloc(size: usize) -> *mut c_void;
    fn wm_mqtt_port_free(memory: *mut c_void);
    fn wm_mqtt_port_now() -> u32;
    fn wm_mqtt_port_random(buf: *mut c_void, size: usize);
    fn wm_mqtt_port_mac(mac: *mut u8) -> c_int;
    fn wm_mqtt_port_log(level: c_int, text: *const c_char);
    fn wm_mqtt_port_event(event: c_int, data: *const EventData) -> c_int;
    fn wm_mqtt_port_lock();
    fn wm_mqtt_port_unlock();
    fn wm_mqtt_port_semaphore() -> *mut c_void;
    fn wm_mqtt_port_post(semaphore: *mut c_void);
    fn wm_mqtt_port_pend(semaphore: *mut c_void, ms: u32) -> c_int;
    fn wm_mqtt_port_start(task: extern "C" fn()) -> c_int;
    fn wm_mqtt_port_wait(ms: u32);
    fn wm_mqtt_port_wake();
    fn wm_mqtt_port_open(target: *const Target, error: *mut c_int) -> *mut c_void;
    fn wm_mqtt_port_step(stream: *mut c_void) -> c_int;
    fn wm_mqtt_port_read(stream: *mut c_void, buf: *mut c_void, size: usize) -> c_int;
    fn wm_mqtt_port_write(stream: *mut c_void, buf: *const c_void, size: usize) -> c_int;
    fn wm_mqtt_port_reason(stream: *mut c_void) -> *const c_char;
    fn wm_mqtt_port_close(stream: *mut c_void);
}

/// What the build has decided.
pub(crate) fn settings() -> &'static Settings {
    // SAFETY: a constant of the port's, which nobody changes.
    unsafe { &wm_mqtt_port_settings }
}

/// The name that default client identifiers begin with.
pub(crate) fn chip() -> &'static [u8] {
    let chip = settings().chip;
    if chip.is_null() {
        return b"MQTT";
    }
    // SAFETY: a C string that is constant, as the header says.
    unsafe { CStr::from_ptr(chip) }.to_bytes()
}

/// Bytes of the C heap.
pub(crate) struct Heap {
    at: NonNull<u8>,
    len: usize,
}

impl Heap {
    /// So many bytes, all zero; `None` if there is no memory.
    pub(crate) fn new(len: usize) -> Option<Self> {
        // Nothing in Rust may be longer.
        isize::try_from(len).ok()?;
        // SAFETY: no conditions.
        let at = NonNull::new(unsafe { wm_mqtt_port_alloc(len.max(1)) })?.cast::<u8>();
        // SAFETY: the port gave so many bytes, and nobody else has them.
        unsafe { at.write_bytes(0, len) };
        Some(Self { at, len })
    }

    /// A copy of these; `None` if there is no memory.
    pub(crate) fn copy(bytes: &[u8]) -> Option<Self> {
        let mut copy = Self::new(bytes.len())?;
        for (to, from) in copy.bytes().iter_mut().zip(bytes) {
            *to = *from;
        }
        Some(copy)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        // SAFETY: its own, and initialised.
        unsafe { core::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }

    pub(crate) const fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: its own, and initialised.
        unsafe { core::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }

    pub(crate) const fn as_c(&self) -> *mut c_char {
        self.at.as_ptr().cast()
    }

    /// Gives the bytes away: whoever takes them calls [`free`].
    pub(crate) const fn into_raw(self) -> NonNull<u8> {
        let at = self.at;
        mem::forget(self);
        at
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the port's, and given back once.
        unsafe { wm_mqtt_port_free(self.at.as_ptr().cast()) };
    }
}

/// Gives back what [`Heap::into_raw`] gave.
///
/// # Safety
/// It is that, and nobody uses it any more.
pub(crate) unsafe fn free(memory: NonNull<u8>) {
    // SAFETY: the caller's.
    unsafe { wm_mqtt_port_free(memory.as_ptr().cast()) };
}

/// Milliseconds, which wrap around.
pub(crate) fn now() -> u32 {
    // SAFETY: no conditions.
    unsafe { wm_mqtt_port_now() }
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: so many bytes are there to be written.
    unsafe { wm_mqtt_port_random(bytes.as_mut_ptr().cast(), N) };
    bytes
}

/// The station's address; `None` as long as it has none.
pub(crate) fn mac() -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    // SAFETY: six bytes are there to be written.
    let result = unsafe { wm_mqtt_port_mac(mac.as_mut_ptr()) };
    (result == 0).then_some(mac)
}

#[derive(Clone, Copy)]
pub(crate) enum Level {
    Error = 0,
    Info = 1,
}

pub(crate) fn log(level: Level, text: &Text) {
    // SAFETY: the text has its NUL.
    unsafe { wm_mqtt_port_log(level as c_int, text.as_c().as_ptr().cast()) };
}

/// Hands an event to the event task, with all that it owns; gives it back if that has no room.
pub(crate) fn post(event: Event) -> Result<(), Event> {
    let (number, data) = EventData::of(&event);
    let data = data.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: data is NULL or valid, and is copied.
    if unsafe { wm_mqtt_port_event(number, data) } == 0 {
        // Its memory is the application's now.
        mem::forget(event);
        Ok(())
    } else {
        Err(event)
    }
}

/// A binary semaphore.
#[derive(Clone, Copy)]
pub(crate) struct Semaphore(NonNull<c_void>);

impl Semaphore {
    /// One that lasts for ever; `None` if there is no memory.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: no conditions.
        NonNull::new(unsafe { wm_mqtt_port_semaphore() }).map(Self)
    }

    pub(crate) fn post(self) {
        // SAFETY: the port's, and never freed.
        unsafe { wm_mqtt_port_post(self.0.as_ptr()) };
    }

    /// Waits until it is posted, or so many milliseconds are over. Not with the lock held.
    pub(crate) fn pend(self, ms: u32) {
        // SAFETY: the port's, and never freed.
        unsafe { wm_mqtt_port_pend(self.0.as_ptr(), ms) };
    }
}

/// Starts the background task. False if that cannot be done.
pub(crate) fn start(task: extern "C" fn()) -> bool {
    // SAFETY: no conditions.
    unsafe { wm_mqtt_port_start(task) == 0 }
}

/// What the background task waits with: `u32::MAX` is for ever.
pub(crate) fn wait(ms: u32) {
    // SAFETY: no conditions but not to hold the lock.
    unsafe { wm_mqtt_port_wait(ms) };
}

pub(crate) fn wake() {
    // SAFETY: no conditions.
    unsafe { wm_mqtt_port_wake() };
}

/// TCP, or TLS over it. Only the background task uses it.
#[derive(Clone, Copy)]
pub(crate) struct Stream(NonNull<c_void>);

impl Stream {
    /// Begins to open one. The target, and what it points to, has to last until
    /// [`close`](Self::close).
    pub(crate) fn open(target: &'static Target) -> Result<Self, i32> {
        let mut error = -2;
        // SAFETY: the target is valid for as long as the stream; `error` is there to be written.
        let stream = unsafe { wm_mqtt_port_open(target, &raw mut error) };
        NonNull::new(stream).map(Self).ok_or(error.min(-1))
    }

    /// Goes on with opening: 1 is open, 0 takes longer, less is an error. Not with the lock held.
    pub(crate) fn step(self) -> i32 {
        // SAFETY: open, as only the background task closes, which is the one that calls this.
        unsafe { wm_mqtt_port_step(self.0.as_ptr()) }
    }

    /// Reads into `buf`, which is not empty: 0 is nothing now.
    pub(crate) fn read(self, buf: &mut [u8]) -> Result<usize, i32> {
        // SAFETY: as for `step`; the port writes no more than the length.
        let n = unsafe { wm_mqtt_port_read(self.0.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) };
        count(n, buf.len())
    }

    /// Writes from `buf`, which is not empty: 0 is nothing now.
    pub(crate) fn write(self, buf: &[u8]) -> Result<usize, i32> {
        // SAFETY: as for `step`; the port reads no more than the length.
        let n = unsafe { wm_mqtt_port_write(self.0.as_ptr(), buf.as_ptr().cast(), buf.len()) };
        count(n, buf.len())
    }

    /// What the port has to say of the last error.
    pub(crate) fn reason(self) -> Option<Text> {
        // SAFETY: as for `step`.
        let reason = unsafe { wm_mqtt_port_reason(self.0.as_ptr()) };
        if reason.is_null() {
            return None;
        }
        let mut text = Text::EMPTY;
        // SAFETY: a C string that is valid until the stream is closed.
        text.push(unsafe { CStr::from_ptr(reason) }.to_bytes());
        Some(text)
    }

    pub(crate) fn close(self) {
        // SAFETY: as for `step`. Copies of it are gone, as the client's is taken for this.
        unsafe { wm_mqtt_port_close(self.0.as_ptr()) };
    }
}

/// A result of the port's, never more than was asked for.
fn count(n: c_int, most: usize) -> Result<usize, i32> {
    usize::try_from(n).map(|n| n.min(most)).map_err(|_| n)
}

/// Bytes of the application's, which keeps them valid and unchanged until it is told otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Foreign {
    at: *const u8,
    len: usize,
}

impl Foreign {
    /// # Safety
    /// The bytes stay valid and unchanged for as long as the client has this.
    pub(crate) const unsafe fn new(at: *const u8, len: usize) -> Self {
        // Nothing is longer than this, and NULL is nothing.
        let is_some = !at.is_null() && len <= isize::MAX as usize;
        Self {
            at,
            len: if is_some { len } else { 0 },
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: as `new` was promised.
        unsafe { core::slice::from_raw_parts(self.at, self.len) }
    }
}

/// The library's state, behind its lock.
struct Shared(UnsafeCell<Library>);

// SAFETY: `locked` is the only way in, and only one task at a time gets through.
unsafe impl Sync for Shared {}

#[cfg(not(test))]
static LIBRARY: Shared = Shared(UnsafeCell::new(Library::new()));

// Tests run side by side, each in a world of its own.
#[cfg(test)]
std::thread_local! {
    static LIBRARY: Shared = const { Shared(UnsafeCell::new(Library::new())) };
}

/// Does something with the library's state. Not within itself.
pub(crate) fn locked<R>(f: impl FnOnce(&mut Library) -> R) -> R {
    // SAFETY: no conditions.
    unsafe { wm_mqtt_port_lock() };
    #[cfg(not(test))]
    let library = LIBRARY.0.get();
    #[cfg(test)]
    let library = LIBRARY.with(|library| library.0.get());
    // SAFETY: this task holds the lock, which it cannot take twice, so nobody else is here.
    let result = f(unsafe { &mut *library });
    // SAFETY: it was locked above.
    unsafe { wm_mqtt_port_unlock() };
    result
}
