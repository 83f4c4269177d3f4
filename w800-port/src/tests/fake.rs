//! The port of the tests. Each test runs in a thread, which has a world of its own.

#![expect(unsafe_code, reason = "it is C's side of the boundary")]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::alloc::{Layout, alloc, dealloc};
use std::borrow::ToOwned;
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::string::String;
use std::vec::Vec;
use std::{format, thread_local, vec};

use mqtt_core::wire::{ConnAck, Packet, ReasonCode, Version};

use crate::ffi::EventData;
use crate::port::{Settings, Target};
use crate::task;

/// What the application is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Connected,
    Disconnected,
    /// With `client_handle`.
    Lost(usize),
    Data {
        topic: String,
        payload: Option<Vec<u8>>,
        id: i32,
        qos: u8,
        dup: u8,
        retained: u8,
        client: usize,
    },
    Published(i32),
    Part {
        topic: Option<String>,
        payload: Option<Vec<u8>>,
        id: i32,
        offset: u32,
        total: u32,
    },
    Unsent(i32),
}

/// A stream, and the server at its other end.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) to_client: VecDeque<u8>,
    pub(crate) to_server: Vec<u8>,
    /// What reading says when there is nothing left: 0, or an error.
    pub(crate) at_end: c_int,
    pub(crate) write_error: Option<c_int>,
    /// How many bytes may be written; `None` for any.
    pub(crate) room: Option<usize>,
    pub(crate) is_closed: bool,
    /// How many bytes were read and written.
    moved: usize,
}

type Server = Box<dyn FnMut(&mut Line, &Packet<'_>)>;

/// A server that is given all bytes that it has not taken, and says how many it takes.
type RawServer = Box<dyn FnMut(&mut Line, &[u8]) -> usize>;

pub(crate) struct World {
    now: u32,
    blocks: BTreeMap<usize, usize>,
    /// How many allocations succeed from now on.
    pub(crate) memory: usize,
    posted: Vec<bool>,
    is_locked: bool,
    is_started: bool,
    is_woken: bool,
    /// How long the background task wanted to wait last.
    pub(crate) waits: u32,
    /// How often it has looked after all clients.
    pub(crate) rounds: usize,
    pub(crate) lines: Vec<Line>,
    pub(crate) targets: Vec<Seen>,
    /// What opening says.
    pub(crate) open_error: Option<c_int>,
    /// What steps say, one after the other, and then always.
    pub(crate) steps: VecDeque<c_int>,
    pub(crate) last_step: c_int,
    /// How many clients there are.
    pub(crate) apps: usize,
    pub(crate) reason: Option<CString>,
    pub(crate) told: Vec<Told>,
    /// How many events the queue takes from now on.
    pub(crate) queue: usize,
    pub(crate) log: Vec<String>,
    pub(crate) version: Version,
    server: Option<RawServer>,
    pub(crate) mac: Option<[u8; 6]>,
    random: u8,
    other: Option<Box<dyn FnOnce()>>,
}

/// A target as it was.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: u8,
    pub(crate) verify: u8,
    pub(crate) ca: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) alpn: Vec<String>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World {
        now: 0xffff_f000, // it soon wraps around
        blocks: BTreeMap::new(),
        memory: usize::MAX,
        posted: vec![],
        is_locked: false,
        is_started: false,
        is_woken: false,
        waits: 0,
        rounds: 0,
        lines: vec![],
        targets: vec![],
        open_error: None,
        steps: VecDeque::new(),
        last_step: 1,
        apps: 0,
        reason: None,
        told: vec![],
        queue: usize::MAX,
        log: vec![],
        version: Version::V311,
        server: None,
        mac: Some([0x28, 0x6d, 0xcd, 0x29, 0x31, 0x5f]),
        random: 0,
        other: None,
    });
}

/// Looks at the world, or changes it.
pub(crate) fn world<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with(|world| f(&mut world.borrow_mut()))
}

/// Has a server answer each packet.
pub(crate) fn serve(server: impl FnMut(&mut Line, &Packet<'_>) + 'static) {
    let mut server: Server = Box::new(server);
    serve_bytes(move |line, bytes| {
        let version = world(|world| world.version);
        let Some((packet, n)) = Packet::decode(bytes, version).unwrap() else {
            return 0;
        };
        server(line, &packet);
        n
    });
}

/// Has a server look at bytes.
pub(crate) fn serve_bytes(server: impl FnMut(&mut Line, &[u8]) -> usize + 'static) {
    world(|world| world.server = Some(Box::new(server)));
}

/// What every server does.
pub(crate) fn accept(line: &mut Line, packet: &Packet<'_>) {
    match packet {
        Packet::Connect(_) => {
            line.say(&ConnAck::new(false, ReasonCode::Success).into());
        }
        Packet::PingReq => line.say(&Packet::PingResp),
        Packet::Disconnect(_) => line.at_end = -1,
        _ => {}
    }
}

impl Line {
    /// Sends a packet of 3.1.1 to the client.
    pub(crate) fn say(&mut self, packet: &Packet<'_>) {
        self.say_in(packet, Version::V311);
    }

    pub(crate) fn say_in(&mut self, packet: &Packet<'_>, version: Version) {
        let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
        packet.encode(version, &mut bytes).unwrap();
        self.to_client.extend(bytes);
    }

    fn read(&mut self, buf: &mut [u8]) -> c_int {
        if self.to_client.is_empty() {
            return self.at_end;
        }
        let n = buf.len().min(self.to_client.len());
        for (to, from) in buf.iter_mut().zip(self.to_client.drain(..n)) {
            *to = from;
        }
        // More than leaves the queue.
        self.moved += 2 * n;
        c_int::try_from(n).unwrap()
    }
}

/// Has the background task work, and the server answer, until nothing happens any more.
pub(crate) fn settle() {
    for _ in 0..1000 {
        let before = world(|world| {
            world.is_woken = false;
            world.rounds += 1;
            world.activity()
        });
        let wait = if world(|world| world.is_started) {
            task::round()
        } else {
            u32::MAX
        };
        world(|world| world.waits = wait);
        answer();
        let (after, is_woken) = world(|world| (world.activity(), world.is_woken));
        if before == after && !is_woken && wait > 0 {
            return;
        }
    }
    panic!("it does not come to rest");
}

/// Does something, as another task, when a call waits next.
pub(crate) fn when_waiting<'a>(f: impl FnOnce() + 'a) {
    let f: Box<dyn FnOnce() + 'a> = Box::new(f);
    // SAFETY: it is called before what it borrows is gone, as every test that uses it waits.
    let f = unsafe { core::mem::transmute::<Box<dyn FnOnce() + 'a>, Box<dyn FnOnce()>>(f) };
    world(|world| world.other = Some(f));
}

/// Lets time pass, in which the background task does what is due.
pub(crate) fn pass(ms: u32) {
    let mut left = ms;
    loop {
        settle();
        let step = world(|world| world.waits).min(left);
        if left == 0 {
            return;
        }
        left -= step;
        world(|world| world.now = world.now.wrapping_add(step));
    }
}

fn answer() {
    let Some(mut server) = world(|world| world.server.take()) else {
        return;
    };
    let lines = world(|world| world.lines.len());
    for at in 0..lines {
        let mut line = world(|world| core::mem::take(&mut world.lines[at]));
        let bytes = core::mem::take(&mut line.to_server);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = server(&mut line, rest);
            rest = &rest[n..];
            if n == 0 {
                break;
            }
        }
        line.to_server = rest.to_vec();
        world(|world| world.lines[at] = line);
    }
    world(|world| world.server = Some(server));
}

impl World {
    /// Something that changes with whatever happens.
    fn activity(&self) -> (usize, usize, usize, usize) {
        let of_line = |line: &Line| {
            let states = usize::from(line.is_closed) + usize::from(line.at_end < 0);
            line.moved + line.to_client.len() + states
        };
        let lines = self.lines.iter().map(of_line).sum();
        (lines, self.told.len(), self.lines.len(), self.steps.len())
    }

    /// The last connection.
    pub(crate) fn line(&mut self) -> &mut Line {
        self.lines.last_mut().unwrap()
    }

    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.told)
    }

    /// How many bytes of the heap are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.blocks.values().sum()
    }

    pub(crate) fn now(&self) -> u32 {
        self.now
    }
}

// ---- The port ----

#[unsafe(no_mangle)]
static wm_mqtt_port_settings: Settings = Settings {
    chip: c"W800".as_ptr(),
    rx_size: 256,
    tx_size: 1024,
    max_message: 4000,
    window: 3,
    events: 2,
    tls: 1,
};

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_alloc(size: usize) -> *mut c_void {
    if world(|world| world.memory) == 0 {
        return ptr::null_mut();
    }
    let layout = Layout::from_size_align(size.max(1), 16).unwrap();
    // SAFETY: not of size zero.
    let block = unsafe { alloc(layout) };
    // As dirty as malloc's.
    // SAFETY: so many bytes are there.
    unsafe { block.write_bytes(0xa5, size) };
    world(|world| {
        world.memory -= 1;
        world.blocks.insert(block as usize, size);
    });
    block.cast()
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    let size = world(|world| world.blocks.remove(&(memory as usize)));
    let layout = Layout::from_size_align(size.unwrap().max(1), 16).unwrap();
    // SAFETY: allocated with this layout, and not freed before.
    unsafe { dealloc(memory.cast(), layout) };
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_now() -> u32 {
    world(|world| world.now)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_random(buf: *mut u8, size: usize) {
    for i in 0..size {
        let byte = world(|world| {
            world.random = world.random.wrapping_mul(29).wrapping_add(17);
            world.random
        });
        // SAFETY: so many bytes are there to be written.
        unsafe { buf.add(i).write(byte) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_mac(mac: *mut [u8; 6]) -> c_int {
    match world(|world| world.mac) {
        Some(address) => {
            // SAFETY: six bytes are there to be written.
            unsafe { mac.write(address) };
            0
        }
        None => -1,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_log(level: c_int, text: *const c_char) {
    // SAFETY: a C string.
    let text = unsafe { text_of(text) };
    world(|world| world.log.push(format!("{level} {}", text.unwrap())));
}

/// # Safety
/// A C string, or NULL.
unsafe fn text_of(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
}

/// Takes what the application has to free: `len` bytes, and a NUL behind them.
///
/// # Safety
/// A block of the port's, or NULL.
unsafe fn take(block: *mut c_char, len: usize) -> Option<Vec<u8>> {
    if block.is_null() {
        return None;
    }
    assert_eq!(world(|world| world.blocks[&(block as usize)]), len + 1);
    // SAFETY: it is as long as this.
    let bytes = unsafe { core::slice::from_raw_parts(block.cast::<u8>(), len + 1) };
    assert_eq!(bytes[len], 0);
    let bytes = bytes[..len].to_vec();
    wm_mqtt_port_free(block.cast());
    Some(bytes)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_event(event: c_int, data: *const EventData) -> c_int {
    if world(|world| world.queue) == 0 {
        return -1;
    }
    // SAFETY: NULL, or valid.
    let data = unsafe { data.as_ref() };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    // SAFETY: the field that goes with the event.
    let told = unsafe {
        match (event, data) {
            (0, None) => Told::Connected,
            (1, None) => Told::Disconnected,
            (1, Some(data)) => Told::Lost(data.client_handle as usize),
            (2, Some(data)) => {
                let data = data.data;
                Told::Data {
                    topic: text(take(data.topic, data.topic_len.into()).unwrap()),
                    payload: take(data.payload, data.payload_len.into()),
                    id: data.msgid,
                    qos: data.qos,
                    dup: data.dup,
                    retained: data.retained,
                    client: data.client_handle as usize,
                }
            }
            (3, Some(data)) => Told::Published(data.msg_id),
            (4, Some(data)) => {
                let part = data.part;
                let topic = text_of(part.topic);
                if let Some(topic) = &topic {
                    take(part.topic, topic.len());
                }
                Told::Part {
                    topic,
                    payload: take(part.payload, part.payload_len.into()),
                    id: part.msgid,
                    offset: part.offset,
                    total: part.total,
                }
            }
            (5, Some(data)) => Told::Unsent(data.msg_id),
            _ => panic!("event {event}"),
        }
    };
    world(|world| {
        world.queue -= 1;
        world.told.push(told);
    });
    0
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_lock() {
    assert!(!world(|world| core::mem::replace(
        &mut world.is_locked,
        true
    )));
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_unlock() {
    assert!(world(|world| core::mem::replace(
        &mut world.is_locked,
        false
    )));
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_semaphore() -> *mut c_void {
    world(|world| {
        world.posted.push(false);
        ptr::without_provenance_mut(world.posted.len())
    })
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_post(semaphore: *mut c_void) {
    world(|world| world.posted[semaphore as usize - 1] = true);
}

/// While a call waits, everything else goes on.
#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_pend(semaphore: *mut c_void, ms: u32) -> c_int {
    assert!(!world(|world| world.is_locked));
    let mut left = ms;
    loop {
        settle();
        if let Some(other) = world(|world| world.other.take()) {
            other();
            continue;
        }
        let is_posted = world(|world| core::mem::take(&mut world.posted[semaphore as usize - 1]));
        if is_posted {
            return 0;
        }
        if left == 0 {
            return -1;
        }
        let step = world(|world| world.waits).min(left);
        left -= step;
        world(|world| world.now = world.now.wrapping_add(step));
    }
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_start(_: extern "C" fn()) -> c_int {
    world(|world| {
        assert!(!world.is_started);
        world.is_started = true;
    });
    0
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_wait(_: u32) {
    panic!("the task's own loop does not run here");
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_wake() {
    world(|world| world.is_woken = true);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_open(target: *const Target, error: *mut c_int) -> *mut c_void {
    assert!(world(|world| world.is_locked));
    // SAFETY: valid, with C strings and an array of them that ends with NULL.
    let seen = unsafe {
        let target = &*target;
        let mut alpn = vec![];
        if !target.alpn.is_null() {
            while let Some(name) = text_of(*target.alpn.add(alpn.len())) {
                alpn.push(name);
            }
        }
        Seen {
            host: text_of(target.host).unwrap(),
            port: target.port,
            tls: target.tls,
            verify: target.verify,
            ca: text_of(target.ca),
            cert: text_of(target.cert),
            key: text_of(target.key),
            alpn,
        }
    };
    world(|world| {
        world.targets.push(seen);
        if let Some(code) = world.open_error {
            // SAFETY: there to be written.
            unsafe { error.write(code) };
            return ptr::null_mut();
        }
        world.lines.push(Line::default());
        world.random = 0;
        ptr::without_provenance_mut(world.lines.len())
    })
}

fn line<R>(stream: *mut c_void, f: impl FnOnce(&mut Line) -> R) -> R {
    world(|world| {
        let line = &mut world.lines[stream as usize - 1];
        assert!(!line.is_closed);
        f(line)
    })
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_step(stream: *mut c_void) -> c_int {
    assert!(!world(|world| world.is_locked));
    line(stream, |_| ());
    world(|world| world.steps.pop_front().unwrap_or(world.last_step))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_read(stream: *mut c_void, buf: *mut u8, size: usize) -> c_int {
    assert!(size > 0);
    // SAFETY: so many bytes are there to be written.
    let buf = unsafe { core::slice::from_raw_parts_mut(buf, size) };
    line(stream, |line| line.read(buf))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wm_mqtt_port_write(stream: *mut c_void, buf: *const u8, size: usize) -> c_int {
    assert!(size > 0);
    // SAFETY: so many bytes are there to be read.
    let buf = unsafe { core::slice::from_raw_parts(buf, size) };
    line(stream, |line| {
        if let Some(error) = line.write_error {
            return error;
        }
        let n = size.min(line.room.unwrap_or(usize::MAX));
        line.room = line.room.map(|room| room - n);
        line.to_server.extend_from_slice(&buf[..n]);
        line.moved += n;
        c_int::try_from(n).unwrap()
    })
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_reason(_: *mut c_void) -> *const c_char {
    world(|world| {
        world
            .reason
            .as_ref()
            .map_or(ptr::null(), |reason| reason.as_ptr())
    })
}

#[unsafe(no_mangle)]
extern "C" fn wm_mqtt_port_close(stream: *mut c_void) {
    line(stream, |line| line.is_closed = true);
}
