//! A session that survives a loss of power.

use core::cell::RefCell;
use core::ffi::{c_int, c_void};
use core::ptr;
use std::rc::Rc;
use std::vec::Vec;
use std::{thread_local, vec};

use mqtt_core::wire::{ConnAck, Packet, ReasonCode};

use super::fake::{self, Line, Told, accept, serve, settle, world};
use super::{App, CONFIG, OPTIONS, agree, why};
use crate::ffi::{self, RawOptions};
use crate::journal::RawJournal;

thread_local! {
    static RECORDS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(vec![]) };
    static FAILS: RefCell<bool> = const { RefCell::new(false) };
}

fn fails() -> bool {
    FAILS.with(|fails| *fails.borrow())
}

fn result() -> c_int {
    if fails() { -1 } else { 0 }
}

unsafe extern "C" fn append(context: *mut c_void, record: *const c_void, size: usize) -> c_int {
    assert!(context.is_null());
    // SAFETY: so many bytes are there.
    let record = unsafe { core::slice::from_raw_parts(record.cast::<u8>(), size) };
    if !fails() {
        RECORDS.with(|records| records.borrow_mut().push(record.to_vec()));
    }
    result()
}

unsafe extern "C" fn read(_: *mut c_void, index: u32, buffer: *mut c_void, size: usize) -> c_int {
    if fails() {
        return -1;
    }
    RECORDS.with(|records| {
        let records = records.borrow();
        let Some(record) = records.get(index as usize) else {
            return 0;
        };
        assert!(record.len() <= size);
        // SAFETY: so many bytes are there to be written.
        unsafe { ptr::copy_nonoverlapping(record.as_ptr(), buffer.cast(), record.len()) };
        record.len().try_into().unwrap()
    })
}

unsafe extern "C" fn reset(_: *mut c_void) -> c_int {
    RECORDS.with(|records| records.borrow_mut().clear());
    result()
}

static JOURNAL: Shared = Shared(RawJournal {
    context: ptr::null_mut(),
    append: Some(append),
    read: Some(read),
    reset: Some(reset),
});

struct Shared(RawJournal);

// SAFETY: it is constant.
unsafe impl Sync for Shared {}

const DURABLE: RawOptions = RawOptions {
    journal: &raw const JOURNAL.0,
    ..OPTIONS
};

/// What the application has in memory is gone.
fn lose_power(app: App) {
    let records = RECORDS.with(|records| records.borrow().clone());
    FAILS.with(|fails| *fails.borrow_mut() = true);
    drop(app);
    FAILS.with(|fails| *fails.borrow_mut() = false);
    RECORDS.with(|all| *all.borrow_mut() = records);
    world(fake::World::take_told);
}

#[test]
fn a_message_survives() {
    let seen = Rc::new(RefCell::new(vec![]));
    let log = seen.clone();
    serve(move |line: &mut Line, packet: &Packet<'_>| match packet {
        Packet::Connect(_) => line.say(&ConnAck::new(true, ReasonCode::Success).into()),
        Packet::Publish(publish) => {
            log.borrow_mut()
                .push((publish.packet_id.unwrap().get(), publish.dup));
            if publish.dup {
                agree(line, packet);
            }
        }
        _ => agree(line, packet),
    });
    let app = App::with(&CONFIG, &DURABLE);
    assert_eq!(app.connect(), 0);
    assert_eq!(app.publish(c"a", b"x", 1), 1);
    settle();
    lose_power(app);
    let app = App::with(&CONFIG, &DURABLE);
    assert_eq!(app.connect(), 0);
    settle();
    assert_eq!(*seen.borrow(), [(1, false), (1, true)]);
    assert_eq!(
        world(fake::World::take_told),
        [Told::Connected, Told::Published(1)]
    );
    // A clean end leaves nothing to be sent.
    drop(app);
    world(fake::World::take_told);
    let app = App::with(&CONFIG, &DURABLE);
    assert_eq!(app.connect(), 0);
    settle();
    assert_eq!(seen.borrow().len(), 2);
}

#[test]
fn it_is_begun_anew() {
    serve(agree);
    let app = App::with(&CONFIG, &DURABLE);
    assert_eq!(app.connect(), 0);
    for _ in 0..500 {
        assert!(app.publish(c"a", b"x", 2) > 0);
        settle();
        assert!(RECORDS.with(|records| records.borrow().len()) < 100);
    }
    assert_eq!(app.reconnect(), 0);
    assert!(RECORDS.with(|records| records.borrow().len()) < 10);
}

#[test]
fn it_fails() {
    serve(accept);
    let app = App::with(&CONFIG, &DURABLE);
    assert_eq!(app.connect(), 0);
    FAILS.with(|fails| *fails.borrow_mut() = true);
    assert_eq!(app.publish(c"a", b"x", 1), -5002);
    assert_eq!(why(app.0).0, -5002);
    settle();
    let told = world(fake::World::take_told);
    assert_eq!(told, [Told::Connected, Told::Lost(app.client())]);
    // Nobody knows what is in it.
    FAILS.with(|fails| *fails.borrow_mut() = false);
    assert_eq!(app.connect(), -5002);
    drop(app);
    FAILS.with(|fails| *fails.borrow_mut() = true);
    let mut error = 0;
    // SAFETY: valid.
    let handle = unsafe { ffi::wm_mqtt_client_init_with(&CONFIG, &DURABLE, &raw mut error) };
    assert!(handle.is_null());
    assert_eq!(error, -5002);
    assert_eq!(world(|world| world.in_use()), 0);
}
