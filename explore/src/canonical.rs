//! What of a client's `Debug` text says what it is.
//!
//! The text has every field, and with [`Client::packets`](mqtt_core::Client::packets) is a sound
//! fingerprint. It also has where in the memory of `Control`, the packets but PUBLISH, these lie,
//! which makes no difference: what is pushed goes behind `end`, after everything was moved to the
//! front if it has to be. So of its fields all but `partial` are left out.
//!
//! All else stays, and all of it does if the text has another form one day: that costs states, not
//! soundness.

/// Gives the parts of the text that count.
pub(crate) fn canonical<'t>(text: &'t str, mut part: impl FnMut(&'t str)) {
    // Before that is the configuration, which does not change.
    let text = text.find("outbox: ").map_or(text, |at| &text[at..]);
    let [before, partial, after] = around_control(text).unwrap_or([text, "", ""]);
    part(before);
    part(partial);
    part(after);
}

/// The text before `Control`, its field `partial`, and the text behind.
fn around_control(text: &str) -> Option<[&str; 3]> {
    let (before, text) = text.split_once("control: Control { start: ")?;
    let (fields, after) = text.split_once(", .. }")?;
    let (_, partial) = fields.split_once(", partial: ")?;
    Some([before, partial, after])
}

#[cfg(test)]
mod tests {
    use mqtt_core::wire::QoS;
    use mqtt_core::{Buffers, Client, Config, Inbound, Instant, Message, Slot};

    use super::canonical;

    fn parts(client: &Client<'_>) -> Vec<String> {
        let text = format!("{client:?}");
        let mut parts = Vec::new();
        canonical(&text, |part| parts.push(part.to_owned()));
        parts
    }

    /// The text has the fields of all parts, and the packets are there. If there is less one day,
    /// states would be taken for the same that are not.
    #[test]
    fn the_text_of_a_client() {
        let (mut tx, mut slots) = ([0; 96], [Slot::EMPTY; 2]);
        let mut inbound = [Inbound::EMPTY; 1];
        let buffers = Buffers::new(&mut tx, &mut slots, &mut inbound);
        let mut client = Client::new(Config::new("c"), buffers);
        client.connect(Instant::default()).unwrap();
        let message = Message::new("t", b"x").qos(QoS::AtLeastOnce);
        client.publish(&message).unwrap();
        let all = parts(&client).concat();
        let [older, newer, control] = client.packets();
        assert_eq!(older, b"2\x07\0\x01t\0\x01\0x");
        assert_eq!(newer, b"");
        assert!(control.starts_with(b"\x10\x11\0\x04MQTT"), "{control:?}");
        let fields = [
            "arena: Arena { start: ",
            "cursor: ",
            "last_id: 1",
            "state: Waiting",
            "holes: ",
            "passing: ",
            "cells: [Inbound { ",
            "released: ",
            "assigned: ",
            "connected: ",
            "is_recorded: ",
            "phase: Connecting",
            "timers: ",
            "server: ",
            "aliases_in: ",
            "reading: ",
            "notes: ",
        ];
        for text in fields {
            assert!(all.contains(text), "{text} in {all}");
        }
    }

    /// What was sent is not looked at again, nor where it was.
    #[test]
    fn memory_that_means_nothing() {
        let (mut tx, mut slots) = ([0; 96], [Slot::EMPTY; 2]);
        let buffers = Buffers::new(&mut tx, &mut slots, &mut []);
        let mut client = Client::new(Config::new("c"), buffers);
        client.connect(Instant::default()).unwrap();
        let n = client.transmit().len();
        client.transmitted(n - 1, Instant::default());
        assert_eq!(client.packets()[2], b"c");
        let [_, partial, _] = &parts(&client)[..] else {
            panic!("canonical.rs does not know this form: {client:?}");
        };
        assert_eq!(partial, "1");
    }
}
