use crate::wire::{PacketId, Version};

/// A change of the session that is to survive a loss of power.
///
/// [`Client::journal`](crate::Client::journal) gives the records to be written to stable storage,
/// in order, and [`Client::restore`](crate::Client::restore) takes them back. As bytes a record is
/// a [`head`](Self::head) of fixed size and a [`body`](Self::body) of any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Record<'a> {
    /// The server has accepted a connection. From here on, messages may have been sent.
    Connected {
        /// False if the server had no session, which ends the one before.
        session_present: bool,
        /// The client identifier that the server has assigned; empty if it has not.
        assigned_client_id: &'a str,
    },
    /// The connection has ended. From here on, messages were not sent.
    Disconnected,
    /// A message was handed over. At QoS 0 it has a lent payload and is not restored.
    Publish {
        /// Its identifier, which above QoS 0 is also in the packet.
        id: PacketId,
        /// The version that the packet is written in.
        version: Version,
        /// PUBLISH, without its payload if that stays with the application.
        packet: &'a [u8],
    },
    /// The server has received a QoS 2 message; of it only the identifier is kept.
    Acknowledged(PacketId),
    /// A message has reached its end, whatever that was.
    Done(PacketId),
    /// A QoS 2 message of the server's was received and dealt with.
    Received(PacketId),
    /// The server will not repeat that message.
    Released(PacketId),
    /// A message that was there during a connection had to wait and was not sent.
    Unsent(PacketId),
}

impl<'a> Record<'a> {
    /// What kind of record it is, and the fields of fixed size.
    #[must_use]
    pub fn head(&self) -> [u8; 4] {
        let (kind, detail, id) = match *self {
            Self::Connected {
                session_present, ..
            } => (1, u8::from(session_present), None),
            Self::Disconnected => (2, 0, None),
            Self::Publish { id, version, .. } => (3, version as u8, Some(id)),
            Self::Acknowledged(id) => (4, 0, Some(id)),
            Self::Done(id) => (5, 0, Some(id)),
            Self::Received(id) => (6, 0, Some(id)),
            Self::Released(id) => (7, 0, Some(id)),
            Self::Unsent(id) => (8, 0, Some(id)),
        };
        let [high, low] = id.map_or(0, PacketId::get).to_be_bytes();
        [kind, detail, high, low]
    }

    /// What follows the head; of most records nothing.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        match *self {
            Self::Connected {
                assigned_client_id, ..
            } => assigned_client_id.as_bytes(),
            Self::Publish { packet, .. } => packet,
            _ => &[],
        }
    }

    /// The record of this head and body; `None` if there is none such.
    #[must_use]
    pub fn from_parts(head: [u8; 4], body: &'a [u8]) -> Option<Self> {
        let [kind, detail, high, low] = head;
        let id = PacketId::new(u16::from_be_bytes([high, low]));
        let record = match kind {
            1 => Self::Connected {
                session_present: detail != 0,
                assigned_client_id: core::str::from_utf8(body).ok()?,
            },
            2 => Self::Disconnected,
            3 => Self::Publish {
                id: id?,
                version: Version::from_u8(detail)?,
                packet: body,
            },
            4 => Self::Acknowledged(id?),
            5 => Self::Done(id?),
            6 => Self::Received(id?),
            7 => Self::Released(id?),
            8 => Self::Unsent(id?),
            _ => return None,
        };
        // Nothing may be left over that would not be written again.
        (record.head() == head && record.body() == body).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let id = PacketId::new(0x1234).unwrap();
        let records = [
            Record::Connected {
                session_present: true,
                assigned_client_id: "auto-1",
            },
            Record::Connected {
                session_present: false,
                assigned_client_id: "",
            },
            Record::Disconnected,
            Record::Publish {
                id,
                version: Version::NEWEST,
                packet: b"\x32\x01",
            },
            Record::Acknowledged(id),
            Record::Done(id),
            Record::Received(id),
            Record::Released(id),
            Record::Unsent(id),
        ];
        for (n, record) in records.into_iter().enumerate() {
            let (head, body) = (record.head(), record.body());
            assert_eq!(Record::from_parts(head, body), Some(record));
            for other in &records[n + 1..] {
                assert_ne!((head, body), (other.head(), other.body()));
            }
        }
        assert_eq!(
            Record::Done(id).head(),
            [5, 0, 0x12, 0x34],
            "what is in the field must stay readable"
        );
    }

    #[test]
    fn what_is_no_record() {
        for (head, body) in [
            ([0, 0, 0, 0], &b""[..]),
            ([9, 0, 0, 1], b""),
            ([3, 5, 0, 0], b"\x32\x01"),
            ([4, 0, 0, 0], b""),
            ([5, 0, 0, 0], b""),
            ([6, 0, 0, 0], b""),
            ([7, 0, 0, 0], b""),
            ([8, 0, 0, 0], b""),
            ([5, 1, 0, 1], b""),
            ([5, 0, 0, 1], b"x"),
            ([2, 0, 0, 1], b""),
            ([3, 6, 0, 1], b"\x32\x01"),
            ([1, 2, 0, 0], b""),
            ([1, 1, 0, 0], b"\xff"),
        ] {
            assert_eq!(Record::from_parts(head, body), None, "{head:?} {body:?}");
        }
    }
}
