//! A message as a line of JSON, with the names that `mosquitto_sub` gives its parts.

use std::io;
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mqtt_core::wire::{Property, Publish};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Message<'a> {
    /// When it was received.
    tst: String,
    topic: &'a str,
    qos: u8,
    retain: u8,
    dup: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<u16>,
    payloadlen: usize,
    #[serde(skip_serializing_if = "Properties::is_empty")]
    properties: Properties<'a>,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Text {
        payload: &'a str,
    },
    /// It is JSON itself.
    Json {
        payload: Box<RawValue>,
    },
    /// It is not UTF-8.
    Bytes {
        payload_base64: String,
    },
}

impl<'a> Payload<'a> {
    fn new(bytes: &'a [u8], is_json_welcome: bool) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if is_json_welcome => {
                // Between tokens a line may end, within them it cannot.
                let line = text.replace(['\r', '\n'], " ");
                match RawValue::from_string(line) {
                    Ok(payload) => Self::Json { payload },
                    Err(_) => Self::Text { payload: text },
                }
            }
            Ok(payload) => Self::Text { payload },
            Err(_) => Self::Bytes {
                payload_base64: BASE64_STANDARD.encode(bytes),
            },
        }
    }
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format_indicator: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<&'a str>,
    /// As text if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data: Option<&'a str>,
    #[serde(
        rename = "correlation-data_base64",
        skip_serializing_if = "Option::is_none"
    )]
    correlation_bytes: Option<String>,
    /// Overlapping subscriptions may each have one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscription_identifiers: Vec<u32>,
    /// A list, because a name may come more than once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<UserProperty<'a>>,
}

#[derive(PartialEq, Serialize)]
struct UserProperty<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Properties<'a> {
    fn new(properties: &mqtt_core::wire::Properties<'a>) -> Self {
        let mut all = Self::default();
        for property in properties {
            match property {
                Property::PayloadFormatIndicator(is_text) => {
                    all.payload_format_indicator = Some(is_text.into());
                }
                Property::MessageExpiryInterval(seconds) => {
                    all.message_expiry_interval = Some(seconds);
                }
                Property::ContentType(text) => all.content_type = Some(text),
                Property::ResponseTopic(topic) => all.response_topic = Some(topic),
                Property::CorrelationData(data) => match std::str::from_utf8(data) {
                    Ok(text) => all.correlation_data = Some(text),
                    Err(_) => all.correlation_bytes = Some(BASE64_STANDARD.encode(data)),
                },
                Property::SubscriptionIdentifier(id) => all.subscription_identifiers.push(id),
                Property::UserProperty(name, value) => {
                    all.user_properties.push(UserProperty { name, value });
                }
                _ => {}
            }
        }
        all
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Writes a message without a new line at its end. A payload that is JSON goes in as it is if
/// `is_json_welcome`, else as text.
pub(super) fn line(
    publish: &Publish<'_>,
    payload: &[u8],
    now: SystemTime,
    is_json_welcome: bool,
) -> io::Result<Vec<u8>> {
    let message = Message {
        tst: humantime::format_rfc3339_micros(now).to_string(),
        topic: publish.topic,
        qos: publish.qos as u8,
        retain: publish.retain.into(),
        dup: publish.dup.into(),
        mid: publish.packet_id.map(|id| id.get()),
        payloadlen: payload.len(),
        properties: Properties::new(&publish.properties),
        payload: Payload::new(payload, is_json_welcome),
    };
    serde_json::to_vec(&message).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(payload: &[u8], properties: &[Property<'_>], is_json_welcome: bool) -> Value {
        let publish = Publish {
            retain: true,
            properties: properties.into(),
            ..Publish::new("a \"b\"", b"")
        };
        let now = SystemTime::UNIX_EPOCH;
        let line = line(&publish, payload, now, is_json_welcome).unwrap();
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn payloads() {
        let text = json!({
            "tst": "1970-01-01T00:00:00.000000Z", "topic": "a \"b\"", "qos": 0, "retain": 1,
            "dup": 0, "payloadlen": 5, "payload": "ü\n\0\""
        });
        assert_eq!(written("ü\n\0\"".as_bytes(), &[], false), text);
        let bytes = written(b"\xFF\xFE", &[], true);
        assert_eq!(bytes["payload_base64"], "//4=");
        assert_eq!(bytes.get("payload"), None);
    }

    #[test]
    fn payloads_that_are_json() {
        let payload = b"{\r\n  \"a\": [1, 12345678901234567890123, \"\\n\"]\n}";
        let embedded = written(payload, &[], true);
        assert_eq!(embedded["payload"]["a"][2], "\n");
        assert!(written(payload, &[], false)["payload"].is_string());
        for other in [&b"{"[..], b"", b"1 2", b"cold"] {
            let text = std::str::from_utf8(other).unwrap();
            assert_eq!(written(other, &[], true)["payload"], text);
        }
    }

    #[test]
    fn properties() {
        let properties = [
            Property::ContentType("text/plain"),
            Property::CorrelationData(b"\xFF"),
            Property::SubscriptionIdentifier(1),
            Property::SubscriptionIdentifier(2),
            Property::UserProperty("a", "b"),
            Property::UserProperty("a", "c"),
        ];
        assert_eq!(
            written(b"", &properties, false)["properties"],
            json!({
                "content-type": "text/plain",
                "correlation-data_base64": "/w==",
                "subscription-identifiers": [1, 2],
                "user-properties": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]
            })
        );
    }
}
