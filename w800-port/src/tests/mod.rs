//! The library against a port that is not there: a clock that is set, a network with a scripted
//! server, an event queue that can be full. Whoever waits looks after the background task.

#![expect(unsafe_code, reason = "it calls C's functions")]

mod fake;

mod connect;
mod journal;
mod messages;
mod options;
mod random;
mod waiting;
mod websocket;

use core::ffi::c_char;
use core::ptr;
use std::string::String;
use std::vec;

use mqtt_core::wire::{Ack, List, Packet, ReasonCode, SubAck, UnsubAck};

use crate::ffi::{self, Handle, RawConfig, RawOptions};
use fake::{Line, Told, accept, serve, world};

/// A configuration that is all zero but for the URI.
const CONFIG: RawConfig = RawConfig {
    uri: c"mqtt://broker".as_ptr(),
    client_id: ptr::null(),
    username: ptr::null(),
    password: ptr::null(),
    auth_mode: 0,
    ca: ptr::null(),
    cert: ptr::null(),
    key: ptr::null(),
    alpn: ptr::null(),
    will_topic: ptr::null(),
    will_msg: ptr::null(),
    will_qos: 0,
    will_retain: 0,
    keep_alive: 0,
    clean_session: 0,
    debug: 0,
};

const OPTIONS: RawOptions = RawOptions {
    size: size_of::<RawOptions>() as u32,
    mqtt_version: 0,
    auto_reconnect: 0,
    window: 0,
    reconnect_min: 0,
    reconnect_max: 0,
    rx_size: 0,
    tx_size: 0,
    max_message: 0,
    part_size: 0,
    session_expiry: 0,
    journal: ptr::null(),
};

/// The application: a client, freed at the end of the test, when nothing else may be left.
struct App(*mut Handle);

impl App {
    fn new(config: &RawConfig) -> Self {
        // SAFETY: valid.
        let handle = unsafe { ffi::wm_mqtt_client_init(config) };
        assert!(!handle.is_null(), "{:?}", why(ptr::null()));
        world(|world| world.apps += 1);
        Self(handle)
    }

    fn with(config: &RawConfig, options: &RawOptions) -> Self {
        let mut error = 1;
        // SAFETY: valid.
        let handle = unsafe { ffi::wm_mqtt_client_init_with(config, options, &raw mut error) };
        assert!(!handle.is_null(), "{:?}", why(ptr::null()));
        assert_eq!(error, 0);
        world(|world| world.apps += 1);
        Self(handle)
    }

    /// One that is connected to an agreeable server.
    fn connected(config: &RawConfig) -> Self {
        serve(agree);
        let app = Self::new(config);
        assert_eq!(app.connect(), 0);
        assert_eq!(world(|world| world.take_told()), [Told::Connected]);
        app
    }

    fn handle(&self) -> &Handle {
        // SAFETY: valid as long as this.
        unsafe { &*self.0 }
    }

    fn client(&self) -> usize {
        self.handle().client as usize
    }

    fn connect(&self) -> i32 {
        ffi::wm_mqtt_client_connect(self.0)
    }

    fn disconnect(&self) -> i32 {
        ffi::wm_mqtt_client_disconnect(self.0)
    }

    fn reconnect(&self) -> i32 {
        ffi::wm_mqtt_client_reconnect(self.0)
    }

    fn subscribe(&self, topic: &core::ffi::CStr, qos: u8) -> i32 {
        // SAFETY: valid.
        unsafe { ffi::wm_mqtt_client_subscribe(self.0, topic.as_ptr(), qos) }
    }

    fn unsubscribe(&self, topic: &core::ffi::CStr) -> i32 {
        // SAFETY: valid.
        unsafe { ffi::wm_mqtt_client_unsubscribe(self.0, topic.as_ptr()) }
    }

    fn publish(&self, topic: &core::ffi::CStr, message: &[u8], qos: u8) -> i32 {
        let len = message.len().try_into().unwrap();
        let message = if message.is_empty() {
            c"".as_ptr()
        } else {
            message.as_ptr().cast()
        };
        // SAFETY: valid.
        unsafe { ffi::wm_mqtt_client_publish(self.0, topic.as_ptr(), message, len, qos, 0) }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(ffi::wm_mqtt_client_deinit(self.0), 0);
        fake::settle();
        world(|world| {
            world.apps -= 1;
            if world.apps == 0 {
                assert_eq!(world.in_use(), 0, "leaked");
                assert!(world.lines.iter().all(|line| line.is_closed));
            }
        });
    }
}

/// The last error: its number and words.
fn why(handle: *const Handle) -> (i32, String) {
    let mut text = [0x55_u8; 120];
    // SAFETY: so many bytes are there.
    let code = unsafe {
        ffi::wm_mqtt_client_last_error(handle, text.as_mut_ptr().cast::<c_char>(), text.len())
    };
    let text = core::ffi::CStr::from_bytes_until_nul(&text).unwrap();
    (code, text.to_str().unwrap().into())
}

/// A server that agrees to everything.
fn agree(line: &mut Line, packet: &Packet<'_>) {
    accept(line, packet);
    match packet {
        Packet::Subscribe(subscribe) => {
            let codes: vec::Vec<_> = subscribe
                .filters
                .iter()
                .map(|filter| ReasonCode::from_u8(filter.qos as u8).unwrap())
                .collect();
            line.say(&Packet::SubAck(SubAck {
                packet_id: subscribe.packet_id,
                properties: List::EMPTY,
                codes: List::from(&codes[..]),
            }));
        }
        Packet::Unsubscribe(unsubscribe) => {
            line.say(&Packet::UnsubAck(UnsubAck {
                packet_id: unsubscribe.packet_id,
                properties: List::EMPTY,
                codes: List::EMPTY,
            }));
        }
        Packet::Publish(publish) => match (publish.qos as u8, publish.packet_id) {
            (1, Some(id)) => line.say(&Packet::PubAck(Ack::new(id))),
            (2, Some(id)) => line.say(&Packet::PubRec(Ack::new(id))),
            _ => {}
        },
        Packet::PubRel(ack) => line.say(&Packet::PubComp(Ack::new(ack.packet_id))),
        _ => {}
    }
}
