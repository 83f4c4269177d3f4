//! What of a client's `Debug` text says what it is.
//!
//! The text has every field and all of the memory, and so is a sound fingerprint by itself. It also
//! has bytes that were written once and are not looked at again, and that differ with how the
//! client came to be what it is. These are left out:
//!
//! - of `Control`, the packets but PUBLISH, all but `bytes[start..end]`. Where these lie makes no
//!   difference either: what is pushed goes behind `end`, after everything was moved to the front
//!   if it has to be;
//! - of `Arena`, the messages, all but the two segments in use, `start..end` and `0..newer`.
//!
//! All else stays, and all of it does if the text has another form one day: that costs states, not
//! soundness.

/// Gives the parts of the text that count.
pub(crate) fn canonical<'t>(text: &'t str, mut part: impl FnMut(&'t str)) {
    // Before that is the configuration, which does not change.
    let mut text = text.find("outbox: ").map_or(text, |at| &text[at..]);
    if let Some(arena) = Memory::find(text, "arena: Arena { bytes: [") {
        let ends = ["start: ", "end: ", "newer: "].map(|name| arena.number(name));
        if let [Some(start), Some(end), Some(newer)] = ends {
            part(arena.before);
            part(elements(arena.bytes, start, end));
            part(elements(arena.bytes, 0, newer));
            part(arena.fields);
            text = arena.after;
        }
    }
    if let Some(control) = Memory::find(text, "control: Control { bytes: [") {
        let ends = ["start: ", "end: "].map(|name| control.number(name));
        if let ([Some(start), Some(end)], Some(partial)) = (ends, control.field("partial: ")) {
            part(control.before);
            part(elements(control.bytes, start, end));
            part(partial);
            text = control.after;
        }
    }
    part(text);
}

/// A memory among the fields, and the text around it.
struct Memory<'t> {
    before: &'t str,
    bytes: &'t str,
    fields: &'t str,
    after: &'t str,
}

impl<'t> Memory<'t> {
    fn find(text: &'t str, beginning: &str) -> Option<Self> {
        let (before, text) = text.split_once(beginning)?;
        let (bytes, text) = text.split_once(']')?;
        let (fields, after) = text.split_once(" }")?;
        Some(Self {
            before,
            bytes,
            fields,
            after,
        })
    }

    fn field(&self, name: &str) -> Option<&'t str> {
        let (_, value) = self.fields.split_once(name)?;
        value.split(',').next()
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.field(name)?.parse().ok()
    }
}

/// The elements from `start` to `end` of a list.
fn elements(list: &str, start: usize, end: usize) -> &str {
    let place = |n: usize| match n.checked_sub(1) {
        None => 0,
        Some(n) => {
            let at = list.match_indices(", ").nth(n);
            at.map_or(list.len(), |(at, separator)| at + separator.len())
        }
    };
    if start < end {
        &list[place(start)..place(end)]
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use mqtt_core::wire::QoS;
    use mqtt_core::{Buffers, Client, Config, Inbound, Instant, Message, Slot};

    use super::{canonical, elements};

    #[test]
    fn parts_of_a_list() {
        let list = "1, 20, 3, 40";
        assert_eq!(elements(list, 0, 0), "");
        assert_eq!(elements(list, 0, 1), "1, ");
        assert_eq!(elements(list, 1, 3), "20, 3, ");
        assert_eq!(elements(list, 0, 4), list);
        assert_eq!(elements(list, 3, 4), "40");
    }

    fn parts(client: &Client<'_>) -> Vec<String> {
        let text = format!("{client:?}");
        let mut parts = Vec::new();
        canonical(&text, |part| parts.push(part.to_owned()));
        parts
    }

    /// The text has the packets and the fields of all parts. If it is cut short one day, states
    /// would be taken for the same that are not.
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
        let packets = [
            "16, 17, 0, 4, 77, 81, 84, 84, ",
            "50, 7, 0, 1, 116, 0, 1, 0, 120, ",
        ];
        let fields = [
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
        for text in packets.iter().chain(&fields) {
            assert!(all.contains(text), "{text} in {all}");
        }
    }

    /// What was sent is not looked at again.
    #[test]
    fn memory_that_means_nothing() {
        let (mut tx, mut slots) = ([0; 96], [Slot::EMPTY; 2]);
        let buffers = Buffers::new(&mut tx, &mut slots, &mut []);
        let mut client = Client::new(Config::new("c"), buffers);
        client.connect(Instant::default()).unwrap();
        let n = client.transmit().len();
        client.transmitted(n - 1, Instant::default());
        let [.., unsent, partial, _] = &parts(&client)[..] else {
            panic!("canonical.rs does not know this form: {client:?}");
        };
        assert_eq!([&unsent[..], partial], ["99, ", "1"]);
    }
}
