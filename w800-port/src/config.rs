//! What an application asks for, checked and kept.

use core::str;
use core::time::Duration;

use mqtt_core::wire::{QoS, Version, Will};
use mqtt_core::{Acknowledgement, Config};

use crate::error::Failure;
use crate::ffi::Names;
use crate::memory::CText;
use crate::port::Target;
use crate::uri::Endpoint;

/// How long connecting may take, from the name to CONNACK, in milliseconds.
pub(crate) const CONNECT_TIME: u32 = 30_000;

/// What `init` is given: C strings without their NUL.
pub(crate) struct Given<'a> {
    pub(crate) uri: Option<&'a [u8]>,
    pub(crate) client_id: Option<&'a [u8]>,
    pub(crate) username: Option<&'a [u8]>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) auth_mode: i32,
    pub(crate) ca: Option<&'a [u8]>,
    pub(crate) cert: Option<&'a [u8]>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) alpn: Names<'a>,
    pub(crate) will_topic: Option<&'a [u8]>,
    pub(crate) will_msg: Option<&'a [u8]>,
    pub(crate) will_qos: u8,
    pub(crate) will_retain: bool,
    pub(crate) keep_alive: u16,
    pub(crate) clean_session: bool,
    pub(crate) debug: bool,
    pub(crate) has_journal: bool,
    /// `None` for a client as the vendor's.
    pub(crate) options: Option<Options>,
}

/// What the vendor's client does not have.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) mqtt_version: u8,
    pub(crate) auto_reconnect: bool,
    pub(crate) window: u16,
    pub(crate) reconnect_min: u16,
    pub(crate) reconnect_max: u16,
    pub(crate) rx_size: u32,
    pub(crate) tx_size: u32,
    pub(crate) max_message: u32,
    pub(crate) part_size: u32,
    pub(crate) session_expiry: u32,
}

impl Options {
    /// All as the vendor's, or as the build has it.
    const NONE: Self = Self {
        mqtt_version: 0,
        auto_reconnect: false,
        window: 0,
        reconnect_min: 0,
        reconnect_max: 0,
        rx_size: 0,
        tx_size: 0,
        max_message: 0,
        part_size: 0,
        session_expiry: 0,
    };
}

/// Sizes and habits of a client, from the options and the build.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) version: Version,
    /// True if events that the vendor's client does not have may be posted.
    pub(crate) extended: bool,
    pub(crate) auto_reconnect: bool,
    pub(crate) reconnect_min: u16,
    pub(crate) reconnect_max: u16,
    pub(crate) session_expiry: u32,
    pub(crate) window: u16,
    pub(crate) events: usize,
    pub(crate) rx: usize,
    pub(crate) tx: usize,
    /// The longest payload for one event.
    pub(crate) max_message: usize,
    /// How long the parts of longer ones are; 0 if they are discarded.
    pub(crate) part: usize,
}

/// The level of MQTT 5.0, which a build may be without.
const V5: u8 = 5;

/// Lengths of events have 16 bits.
const MAX_PAYLOAD: u32 = 0xffff;

impl Shape {
    pub(crate) const fn is_v5(&self) -> bool {
        self.version as u8 == V5
    }

    pub(crate) fn new(given: &Given<'_>) -> Result<Self, Failure> {
        let settings = crate::port::settings();
        let options = given.options.unwrap_or(Options::NONE);
        let version = match options.mqtt_version {
            0 => Version::V311,
            number => Version::from_u8(number).ok_or(Failure::VERSION)?,
        };
        if options.session_expiry > 0 && version as u8 != V5 {
            return Err(Failure::EXPIRY);
        }
        let or = |wanted: u32, built: u32| if wanted == 0 { built } else { wanted };
        let window = or(options.window.into(), settings.window.into());
        Ok(Self {
            version,
            extended: given.options.is_some(),
            auto_reconnect: options.auto_reconnect,
            reconnect_min: options.reconnect_min.max(1),
            reconnect_max: match options.reconnect_max {
                0 => 60,
                seconds => seconds,
            },
            session_expiry: match options.session_expiry {
                0 if !given.clean_session => u32::MAX,
                seconds => seconds,
            },
            window: u16::try_from(window).unwrap_or(u16::MAX).clamp(1, 60_000),
            events: usize::from(settings.events).max(1),
            rx: or(options.rx_size, settings.rx_size).max(64) as usize,
            tx: or(options.tx_size, settings.tx_size).max(256) as usize,
            max_message: or(options.max_message, settings.max_message).min(MAX_PAYLOAD) as usize,
            part: options.part_size.min(MAX_PAYLOAD) as usize,
        })
    }

    /// How many received messages may be in flight. In 5.0 the server is told; before, it has a limit of
    /// its own, and a QoS 2 message beyond ours ends the connection. 20 and 32 are common, but mosquitto
    /// 2.0.11 has the more in flight the more are through.
    pub(crate) fn inbound(&self) -> usize {
        let window = usize::from(self.window);
        if self.version as u8 == V5 {
            window
        } else {
            window.max(128)
        }
    }
}

/// What was given, in the client's own memory.
pub(crate) struct Kept {
    pub(crate) uri: CText,
    pub(crate) endpoint: Endpoint<'static>,
    pub(crate) host: CText,
    /// What a browser would say that it comes from.
    pub(crate) origin: CText,
    pub(crate) client_id: CText,
    pub(crate) username: Option<CText>,
    pub(crate) password: Option<CText>,
    pub(crate) auth: Auth,
    pub(crate) ca: Option<CText>,
    pub(crate) cert: Option<CText>,
    pub(crate) key: Option<CText>,
    pub(crate) will_topic: Option<CText>,
    pub(crate) will_msg: Option<CText>,
    pub(crate) will_qos: u8,
    pub(crate) will_retain: bool,
    pub(crate) keep_alive: u16,
    pub(crate) clean_session: bool,
    pub(crate) debug: bool,
    pub(crate) shape: Shape,
}

/// `wm_mqtt_client_auth_mode_t`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Auth {
    pub(crate) server: bool,
    pub(crate) client: bool,
}

impl Auth {
    pub(crate) fn new(mode: i32) -> Result<Self, Failure> {
        let (server, client) = match mode {
            0 => (false, false),
            1 => (true, false),
            2 => (false, true),
            3 => (true, true),
            _ => return Err(Failure::AUTH_MODE),
        };
        Ok(Self { server, client })
    }
}

impl Kept {
    /// What `connect` refuses before it begins.
    pub(crate) fn check(&self, has_tls: bool) -> Result<(), Failure> {
        if self.endpoint.tls {
            if !has_tls {
                return Err(Failure::NO_TLS);
            }
            if self.auth.server && self.ca.is_none() {
                return Err(Failure::NO_CA);
            }
            if self.auth.client && (self.cert.is_none() || self.key.is_none()) {
                return Err(Failure::NO_CERT);
            }
        }
        if let Some(topic) = self.will_topic {
            if topic.bytes().is_empty() {
                return Err(Failure::WILL_TOPIC);
            }
            if self.will_qos > 2 {
                return Err(Failure::QOS);
            }
        }
        let texts = [self.will_topic, self.username, self.password];
        if texts.into_iter().flatten().any(|text| text.str().is_none()) {
            return Err(Failure::LOGIN_UTF8);
        }
        Ok(())
    }

    /// For the core. What [`check`](Self::check) refuses is left out.
    pub(crate) fn core(&self) -> Config<'static> {
        let username = self.username.and_then(CText::str);
        let password = self.password.filter(|_| username.is_some());
        let message = self.will_msg.map(CText::bytes).unwrap_or_default();
        let will = self.will_topic.and_then(CText::str);
        let will = will.map(|topic| Will {
            qos: QoS::from_u8(self.will_qos).unwrap_or_default(),
            retain: self.will_retain,
            ..Will::new(topic, message)
        });
        Config {
            version: self.shape.version,
            clean_start: self.clean_session,
            session_expiry: self.shape.session_expiry,
            keep_alive: self.keep_alive,
            username,
            password: password.map(CText::bytes),
            will,
            acknowledgement: Acknowledgement::Manual,
            connect_timeout: Duration::from_millis(CONNECT_TIME.into()),
            // A dead link is noticed after 1.5 times the keep-alive.
            ping_timeout: Duration::from_millis(u64::from(self.keep_alive) * 500),
            max_whole: self.shape.rx.min(MAX_PAYLOAD as usize),
            ..Config::new(self.client_id.str().unwrap_or_default())
        }
    }

    /// For the port, without ALPN.
    pub(crate) fn target(&self) -> Target {
        let pem = |text: Option<CText>| text.map_or(core::ptr::null(), CText::as_ptr);
        let shows = self.auth.client && self.cert.is_some() && self.key.is_some();
        Target {
            host: self.host.as_ptr(),
            port: self.endpoint.port,
            tls: self.endpoint.tls.into(),
            // A ca that is given is used, whatever the mode.
            verify: (self.auth.server || self.ca.is_some()).into(),
            ca: pem(self.ca),
            cert: pem(self.cert.filter(|_| shows)),
            key: pem(self.key.filter(|_| shows)),
            alpn: core::ptr::null(),
        }
    }
}

/// The identifier of a client that was given none: the chip's name and the end of its address,
/// the first byte of which the vendor writes in lower case.
pub(crate) fn default_id<'a>(chip: &[u8], mac: [u8; 6], place: &'a mut [u8; 40]) -> &'a [u8] {
    const LOWER: &[u8; 16] = b"0123456789abcdef";
    const UPPER: &[u8; 16] = b"0123456789ABCDEF";

    let [_, _, _, a, b, c] = mac;
    let digit =
        |digits: &[u8; 16], n: u8| digits.get(usize::from(n & 0xf)).copied().unwrap_or(b'0');
    let end = [
        b'_',
        digit(LOWER, a >> 4),
        digit(LOWER, a),
        digit(UPPER, b >> 4),
        digit(UPPER, b),
        digit(UPPER, c >> 4),
        digit(UPPER, c),
    ];
    let chip = chip
        .get(..chip.len().min(place.len() - end.len()))
        .unwrap_or_default();
    let mut len = 0;
    for (to, from) in place.iter_mut().zip(chip.iter().chain(&end)) {
        *to = *from;
        len += 1;
    }
    place.get(..len).unwrap_or_default()
}

/// What a URI leads to, or why it leads nowhere.
pub(crate) fn endpoint<'a>(uri: Option<&'a [u8]>) -> Result<Endpoint<'a>, Failure> {
    let uri = uri.ok_or(Failure::NO_URI)?;
    Endpoint::parse(str::from_utf8(uri).map_err(|_| Failure::URI_UTF8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_client_identifier() {
        let mut place = [0; 40];
        let mac = [0x28, 0x6d, 0xcd, 0xab, 0xcd, 0x0f];
        assert_eq!(default_id(b"W800", mac, &mut place), b"W800_abCD0F");
        let mut place = [0; 40];
        assert_eq!(default_id(&[b'x'; 99], mac, &mut place).len(), 40);
    }
}
