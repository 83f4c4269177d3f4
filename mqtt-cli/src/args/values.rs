//! Parsers of single values. Their errors say what would have been right.

use std::net::Ipv6Addr;
use std::time::Duration;

use mqtt_client::uri::Endpoint;
use mqtt_client::{QoS, Version};
use mqtt_core::wire::{TopicError, TopicFilter, TopicName};

pub(super) fn topic_name(text: &str) -> Result<String, String> {
    match TopicName::new(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(TopicError::Wildcard) => {
            Err("the wildcards + and # are for subscriptions only".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn topic_filter(text: &str) -> Result<String, String> {
    match TopicFilter::new(text) {
        Ok(filter) => Ok(filter.as_str().to_owned()),
        Err(TopicError::Wildcard) => {
            Err("+ stands for a whole level, # for all levels at the end".to_owned())
        }
        Err(TopicError::Share) => Err("a shared subscription is $share/NAME/TOPIC".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A host as a URL may have it, or an IPv6 address without brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    if text.contains([':', '/', '@', '?', '#']) {
        return Err("it is a name or an address and nothing else; --url may have more".to_owned());
    }
    // Read as it is in a URL.
    let endpoint: Result<Endpoint, _> = format!("mqtt://{text}").parse();
    endpoint
        .map(|endpoint| endpoint.host)
        .map_err(|why| why.to_string())
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a header is a name, a colon and a value".to_owned()),
    }
}

pub(super) fn qos(text: &str) -> Result<QoS, String> {
    text.parse()
        .ok()
        .and_then(QoS::from_u8)
        .ok_or_else(|| "a QoS is 0, 1 or 2".to_owned())
}

pub(super) fn protocol_version(text: &str) -> Result<Version, String> {
    match text.strip_prefix("mqttv").unwrap_or(text) {
        "31" | "3.1" => Ok(Version::V31),
        "311" | "3.1.1" => Ok(Version::V311),
        "5" | "5.0" => Ok(Version::V5),
        _ => Err("the versions are mqttv31, mqttv311 and mqttv5".to_owned()),
    }
}

pub(super) fn client_id(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("leave the option out to have an identifier made up".to_owned()),
        1..=0xFFFF if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err("an identifier has at most 65,535 bytes, none of them zero".to_owned()),
    }
}

pub(super) fn session_expiry(text: &str) -> Result<u32, String> {
    if matches!(text, "-1" | "∞") {
        return Ok(u32::MAX);
    }
    text.parse()
        .map_err(|_| "it is a number of seconds up to 4294967295, or -1 for ever".to_owned())
}

/// A positive number of whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("it is a number of seconds, 1 or more".to_owned()),
    }
}

/// A number of seconds with or without a fraction.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it is a number of seconds, such as 0.5".to_owned())
}

/// A positive number of messages in a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e7).contains(&rate) => Ok(rate),
        _ => Err("it is a number of messages in a second, from 0.001 to 10000000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, texts) in [
            (Version::V31, ["31", "mqttv31"]),
            (Version::V311, ["311", "mqttv311"]),
            (Version::V5, ["5", "mqttv5"]),
        ] {
            for text in texts {
                assert_eq!(protocol_version(text), Ok(version));
            }
        }
        for bad in ["", "4", "mqtt5", "3.11"] {
            assert!(protocol_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(expected));
        }
        for bad in [
            "", "a b", "h:1884", "h:1883", "me@h", "h/t", "mqtt://h", "h#",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers() {
        let pair = ("Origin".to_owned(), "https://h:1".to_owned());
        assert_eq!(header("Origin: https://h:1"), Ok(pair));
        assert!(header("Origin").is_err());
        assert!(header(": x").is_err());
    }

    #[test]
    fn numbers() {
        assert_eq!(qos("2"), Ok(QoS::ExactlyOnce));
        for bad in ["", "3", "-1", "1.0", "256"] {
            assert!(qos(bad).is_err(), "{bad}");
        }
        assert_eq!(session_expiry("-1"), Ok(u32::MAX));
        assert_eq!(session_expiry("60"), Ok(60));
        assert!(session_expiry("-2").is_err());
        assert_eq!(period("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["-1", "inf", "NaN", "x"] {
            assert!(period(bad).is_err(), "{bad}");
        }
        assert!(seconds("0").is_err());
        assert_eq!(rate("2.5"), Ok(2.5));
        for bad in ["0", "-1", "inf", "NaN", "x", "1e9"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
