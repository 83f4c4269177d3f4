use crate::wire::{Ack, Auth, ConnAck, Disconnect, PacketId, Publish, SubAck, UnsubAck};

/// What has happened. Borrows the input, never the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event<'i> {
    /// The server has accepted the connection.
    Connected(ConnAck<'i>),
    /// The server has refused the connection. Close it.
    Refused(ConnAck<'i>),
    /// A message. Its topic is empty if a topic alias stands for it, which only a
    /// [`Config::topic_alias_maximum`](crate::Config::topic_alias_maximum) allows:
    /// [`Client::topic`](crate::Client::topic) knows it. With [`Acknowledgement::Manual`](crate::Acknowledgement::Manual) and QoS 1 or
    /// 2 it waits for [`acknowledge`](crate::Client::acknowledge).
    Publish(Publish<'i>),
    /// The beginning of a message that is larger than the receive buffer. Its payload follows in
    /// [`Payload`](Self::Payload) events.
    PublishStart {
        /// The message, with an empty payload.
        publish: Publish<'i>,
        /// The length of the whole payload.
        total: usize,
    },
    /// A piece of the payload of the message that [`PublishStart`](Self::PublishStart) began.
    /// The message is acknowledged, or waits for it, after the last piece.
    Payload {
        /// How many bytes of the payload came before.
        offset: usize,
        /// The piece.
        data: &'i [u8],
        /// True for the last piece.
        last: bool,
    },
    /// The connection was lost before the last piece of a payload. The server sends a QoS 1 or 2
    /// message again, from its beginning.
    Aborted,
    /// A QoS 1 or 2 message of ours is through (PUBACK, PUBCOMP), or, if the code is an error,
    /// was turned down (PUBACK, PUBREC). PUBCOMP always means that the server has the message, so
    /// its code is given as success. In a journal it is recorded after this.
    Published(Ack<'i>),
    /// The answer to a subscription.
    Subscribed(SubAck<'i>),
    /// The answer to the end of a subscription.
    Unsubscribed(UnsubAck<'i>),
    /// A step of an extended authentication, to be answered with
    /// [`authenticate`](crate::Client::authenticate) unless its code is success.
    Auth(Auth<'i>),
    /// The server closes the connection, and says why; 5.0 only. Close it.
    Disconnected(Disconnect<'i>),
    /// The packet of this identifier was lost: a subscribe or unsubscribe request whose connection
    /// ended before the answer, a message that was sent and whose session the server has not kept
    /// (whether it had any effect is not known), a message that this server does not take, that
    /// expired before it was sent, or, at QoS 0, whose payload was not sent to its end.
    Lost(PacketId),
    /// There is room again after an [`Error::Full`](crate::Error::Full).
    Writable,
}
