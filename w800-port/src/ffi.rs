//! The types and functions of `wm_mqtt_client.h`.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr;

use crate::api::{self, Call};
use crate::config::{Given, Options};
use crate::error::Failure;
use crate::events::Event;
use crate::journal::{Journal, RawJournal};
use crate::port::Foreign;

/// `wm_mqtt_client_config_t`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawConfig {
    pub(crate) uri: *const c_char,
    pub(crate) client_id: *const c_char,
    pub(crate) username: *const c_char,
    pub(crate) password: *const c_char,
    pub(crate) auth_mode: c_int,
    pub(crate) ca: *const c_char,
    pub(crate) cert: *const c_char,
    pub(crate) key: *const c_char,
    pub(crate) alpn: *const *const c_char,
    pub(crate) will_topic: *const c_char,
    pub(crate) will_msg: *const c_char,
    pub(crate) will_qos: u8,
    pub(crate) will_retain: u8,
    pub(crate) keep_alive: u16,
    pub(crate) clean_session: u8,
    /// C's `bool`, which may hold anything if nobody has initialised it.
    pub(crate) debug: u8,
}

/// `wm_mqtt_client_options_t`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawOptions {
    pub(crate) size: u32,
    pub(crate) mqtt_version: u8,
    pub(crate) auto_reconnect: u8,
    pub(crate) window: u16,
    pub(crate) reconnect_min: u16,
    pub(crate) reconnect_max: u16,
    pub(crate) rx_size: u32,
    pub(crate) tx_size: u32,
    pub(crate) max_message: u32,
    pub(crate) part_size: u32,
    pub(crate) session_expiry: u32,
    pub(crate) journal: *const RawJournal,
}

/// `struct wm_mqtt_client_handle_st`
#[repr(C)]
pub(crate) struct Handle {
    pub(crate) client: *const c_void,
    pub(crate) config: *const c_void,
    pub(crate) uri: *const c_char,
    pub(crate) client_id: *const c_char,
    pub(crate) username: *const c_char,
    pub(crate) password: *const c_char,
    pub(crate) ca: *const c_char,
    pub(crate) cert: *const c_char,
    pub(crate) key: *const c_char,
    pub(crate) alpn: *const *const c_char,
    pub(crate) will_topic: *const c_char,
    pub(crate) will_msg: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct DataInfo {
    pub(crate) topic: *mut c_char,
    pub(crate) topic_len: u16,
    pub(crate) payload: *mut c_char,
    pub(crate) payload_len: u16,
    pub(crate) msgid: c_int,
    pub(crate) qos: u8,
    pub(crate) dup: u8,
    pub(crate) retained: u8,
    pub(crate) client_handle: *const c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PartInfo {
    pub(crate) topic: *mut c_char,
    pub(crate) payload: *mut c_char,
    pub(crate) payload_len: u16,
    pub(crate) qos: u8,
    pub(crate) retained: u8,
    pub(crate) msgid: c_int,
    pub(crate) offset: u32,
    pub(crate) total: u32,
    pub(crate) client_handle: *const c_void,
}

/// `wm_mqtt_event_data_t`
#[repr(C)]
pub(crate) union EventData {
    pub(crate) data: DataInfo,
    pub(crate) part: PartInfo,
    pub(crate) msg_id: c_int,
    pub(crate) client_handle: *const c_void,
}

/// Where pointers have 32 bits, as the vendor's.
#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(size_of::<RawConfig>() == 52);
    assert!(size_of::<Handle>() == 48);
    assert!(size_of::<EventData>() == 28);
    assert!(core::mem::offset_of!(RawConfig, clean_session) == 48);
    assert!(core::mem::offset_of!(RawConfig, debug) == 49);
    assert!(core::mem::offset_of!(DataInfo, client_handle) == 24);
};

impl EventData {
    const ZERO: Self = Self {
        data: DataInfo {
            topic: ptr::null_mut(),
            topic_len: 0,
            payload: ptr::null_mut(),
            payload_len: 0,
            msgid: 0,
            qos: 0,
            dup: 0,
            retained: 0,
            client_handle: ptr::null(),
        },
    };

    /// The number of an event, and the data that go with it. They point to what the event owns.
    pub(crate) fn of(event: &Event) -> (c_int, Option<Self>) {
        let mut raw = Self::ZERO;
        let number = match event {
            Event::Connected => return (0, None),
            Event::Disconnected => return (1, None),
            Event::Lost(client) => {
                raw.client_handle = client.0;
                1
            }
            Event::Data(data) => {
                raw.data = DataInfo {
                    topic: data.topic.as_c(),
                    topic_len: data.topic_len,
                    payload: data.payload.as_ref().map_or(ptr::null_mut(), |p| p.as_c()),
                    payload_len: data.payload_len,
                    msgid: data.about.id(),
                    qos: data.about.qos as u8,
                    dup: data.about.dup.into(),
                    retained: data.about.retained.into(),
                    client_handle: data.client.0,
                };
                2
            }
            Event::Published(id) => {
                raw.msg_id = id.get().into();
                3
            }
            Event::Part(part) => {
                raw.part = PartInfo {
                    topic: part.topic.as_ref().map_or(ptr::null_mut(), |t| t.as_c()),
                    payload: part.payload.as_ref().map_or(ptr::null_mut(), |p| p.as_c()),
                    payload_len: part.payload_len,
                    qos: part.about.qos as u8,
                    retained: part.about.retained.into(),
                    msgid: part.about.id(),
                    offset: part.offset,
                    total: part.total,
                    client_handle: part.client.0,
                };
                4
            }
            Event::Unsent(id) => {
                raw.msg_id = id.get().into();
                5
            }
        };
        (number, Some(raw))
    }
}

/// What events call `client_handle`: an address that is compared, never looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Token(pub(crate) *const c_void);

/// Names that end with NULL.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    at: *const *const c_char,
    lasts: PhantomData<&'a c_char>,
}

impl<'a> Names<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut at = self.at;
        core::iter::from_fn(move || {
            if at.is_null() {
                return None;
            }
            // SAFETY: the array goes on until its NULL, as the header says.
            let name = unsafe { *at };
            if name.is_null() {
                return None;
            }
            // SAFETY: there is at least the NULL behind it.
            at = unsafe { at.add(1) };
            // SAFETY: a C string, as the header says.
            Some(unsafe { CStr::from_ptr(name) }.to_bytes())
        })
    }

    pub(crate) const fn is_some(&self) -> bool {
        !self.at.is_null()
    }
}

/// The bytes of a C string, without the NUL; `None` for NULL.
///
/// # Safety
/// `text` is NULL or a C string that lasts for `'a`.
unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// `len` bytes; `None` for NULL.
///
/// # Safety
/// `at` is NULL or points to so many bytes that last for `'a`.
unsafe fn slice<'a>(at: *const c_char, len: usize) -> Option<&'a [u8]> {
    if at.is_null() || isize::try_from(len).is_err() {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { core::slice::from_raw_parts(at.cast(), len) })
}

/// # Safety
/// `config` is NULL or a configuration as the header describes it, `options` are NULL or valid.
unsafe fn init(
    config: *const RawConfig,
    options: *const RawOptions,
) -> Result<*mut Handle, Failure> {
    let options = if options.is_null() {
        None
    } else {
        // SAFETY: the first field is there in any version of the structure.
        let size = unsafe { (*options).size };
        if usize::try_from(size) != Ok(size_of::<RawOptions>()) {
            return Err(Failure::OPTIONS_SIZE);
        }
        // SAFETY: the caller's, and of this size.
        Some(unsafe { *options })
    };
    if config.is_null() {
        return Err(Failure::NO_CONFIG);
    }
    // SAFETY: the caller's.
    let config = unsafe { &*config };
    let raw = options.map_or(ptr::null(), |options| options.journal);
    // SAFETY: NULL or valid; its functions last as long as the client, as the header says.
    let journal = unsafe { raw.as_ref().map(|raw| Journal::new(*raw)).transpose()? };
    // SAFETY: C strings, an array of them, or NULL; all of them last for this call.
    let given = unsafe {
        Given {
            uri: bytes(config.uri),
            client_id: bytes(config.client_id),
            username: bytes(config.username),
            password: bytes(config.password),
            auth_mode: config.auth_mode,
            ca: bytes(config.ca),
            cert: bytes(config.cert),
            key: bytes(config.key),
            alpn: Names {
                at: config.alpn,
                lasts: PhantomData,
            },
            will_topic: bytes(config.will_topic),
            will_msg: bytes(config.will_msg),
            will_qos: config.will_qos,
            will_retain: config.will_retain != 0,
            keep_alive: config.keep_alive,
            clean_session: config.clean_session != 0,
            debug: config.debug != 0,
            has_journal: journal.is_some(),
            options: options.map(|o| Options {
                mqtt_version: o.mqtt_version,
                auto_reconnect: o.auto_reconnect != 0,
                window: o.window,
                reconnect_min: o.reconnect_min,
                reconnect_max: o.reconnect_max,
                rx_size: o.rx_size,
                tx_size: o.tx_size,
                max_message: o.max_message,
                part_size: o.part_size,
                session_expiry: o.session_expiry,
            }),
        }
    };
    api::init(&given, journal)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_init(config: *const RawConfig) -> *mut Handle {
    // SAFETY: as the header says.
    unsafe { wm_mqtt_client_init_with(config, ptr::null(), ptr::null_mut()) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_init_with(
    config: *const RawConfig,
    options: *const RawOptions,
    error: *mut c_int,
) -> *mut Handle {
    // SAFETY: as the header says.
    let result = unsafe { init(config, options) };
    let (handle, code) = match result {
        Ok(handle) => (handle, 0),
        Err(failure) => {
            api::note(failure);
            (ptr::null_mut(), failure.code().0)
        }
    };
    if !error.is_null() {
        // SAFETY: there to be written, as the header says.
        unsafe { error.write(code) };
    }
    handle
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn wm_mqtt_client_deinit(handle: *const Handle) -> c_int {
    api::deinit(handle)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn wm_mqtt_client_connect(handle: *const Handle) -> c_int {
    api::connect(handle)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn wm_mqtt_client_disconnect(handle: *const Handle) -> c_int {
    api::disconnect(handle)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn wm_mqtt_client_reconnect(handle: *const Handle) -> c_int {
    api::reconnect(handle)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_subscribe(
    handle: *const Handle,
    topic: *const c_char,
    qos: u8,
) -> c_int {
    // SAFETY: a C string or NULL, as the header says.
    let topic = unsafe { bytes(topic) };
    api::call(handle, topic, &Call::Subscribe { qos, options: None })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_subscribe_with(
    handle: *const Handle,
    topic: *const c_char,
    qos: u8,
    options: u8,
) -> c_int {
    let options = Some(options);
    // SAFETY: a C string or NULL, as the header says.
    let topic = unsafe { bytes(topic) };
    api::call(handle, topic, &Call::Subscribe { qos, options })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_unsubscribe(
    handle: *const Handle,
    topic: *const c_char,
) -> c_int {
    // SAFETY: a C string or NULL, as the header says.
    api::call(handle, unsafe { bytes(topic) }, &Call::Unsubscribe)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_unsubcribe(
    handle: *const Handle,
    topic: *const c_char,
) -> c_int {
    // SAFETY: the same function.
    unsafe { wm_mqtt_client_unsubscribe(handle, topic) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_publish(
    handle: *const Handle,
    topic: *const c_char,
    message: *const c_char,
    msg_len: u16,
    qos: u8,
    retain: u8,
) -> c_int {
    // SAFETY: a C string or NULL, as the header says.
    let topic = unsafe { bytes(topic) };
    let len = match msg_len {
        // SAFETY: only then the message, too, is a C string or NULL.
        0 => unsafe { bytes(message) }.map_or(0, <[u8]>::len),
        len => len.into(),
    };
    let call = Call::Publish {
        // SAFETY: so many bytes, which last for this call.
        payload: unsafe { Foreign::new(message.cast(), len) },
        qos,
        retain: retain != 0,
        may_lend: false,
    };
    api::call(handle, topic, &call)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_publish_large(
    handle: *const Handle,
    topic: *const c_char,
    topic_len: u16,
    message: *const c_void,
    msg_len: usize,
    qos: u8,
    retain: u8,
) -> c_int {
    // SAFETY: a C string, or so many bytes, or NULL, as the header says.
    let topic = unsafe {
        match topic_len {
            0 => bytes(topic),
            len => slice(topic, len.into()),
        }
    };
    let call = Call::Publish {
        // SAFETY: so many bytes, which stay until the message is through, as the header says.
        payload: unsafe { Foreign::new(message.cast(), msg_len) },
        qos,
        retain: retain != 0,
        may_lend: true,
    };
    api::call(handle, topic, &call)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wm_mqtt_client_last_error(
    handle: *const Handle,
    text: *mut c_char,
    size: usize,
) -> c_int {
    let trouble = api::last_error(handle);
    if !text.is_null() && size > 0 {
        let words = trouble.text.as_bytes();
        let len = words.len().min(size - 1);
        // SAFETY: so many bytes are there to be written, as the header says, and no more are read
        // than there are.
        unsafe {
            ptr::copy_nonoverlapping(words.as_ptr().cast(), text, len);
            text.add(len).write(0);
        }
    }
    trouble.code
}
