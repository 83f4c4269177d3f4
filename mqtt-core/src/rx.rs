use core::fmt;

use crate::buffers::shift;
use crate::{Client, Error, Event, Instant};

/// Received bytes on their way to a [`Client`].
///
/// The transport writes to [`space`](Self::space) and says how much with
/// [`filled`](Self::filled); [`poll`](Self::poll) has the client read it. A message that is
/// larger than the buffer arrives in pieces ([`Event::PublishStart`]).
pub struct RxBuf<'b> {
    bytes: &'b mut [u8],
    head: usize,
    tail: usize,
}

/// Without what was received.
impl fmt::Debug for RxBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxBuf")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl<'b> RxBuf<'b> {
    /// An empty buffer in this memory.
    #[must_use]
    pub const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            head: 0,
            tail: 0,
        }
    }

    /// Where the transport writes what it receives. Empty only while the client cannot take more:
    /// until [`Client::transmit`] is sent and [`poll`](Self::poll) called again or, before 5.0 and
    /// with manual acknowledgement, until the application acknowledges something.
    #[must_use]
    pub fn space(&mut self) -> &mut [u8] {
        if self.head > 0 {
            shift(self.bytes, self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        self.bytes.get_mut(self.tail..).unwrap_or_default()
    }

    /// Notes that `n` bytes were written to [`space`](Self::space).
    pub fn filled(&mut self, n: usize) {
        self.tail = self.tail.saturating_add(n).min(self.bytes.len());
    }

    /// Forgets everything received; for a new connection.
    pub const fn clear(&mut self) {
        (self.head, self.tail) = (0, 0);
    }

    /// The next event; `None` when more must be received, sent or waited for first.
    ///
    /// Also notices time-outs, so call it when [`Client::poll_timeout`] has come, too.
    ///
    /// # Errors
    /// Those of [`Client::process`].
    pub fn poll(
        &mut self,
        client: &mut Client<'_>,
        now: Instant,
    ) -> Result<Option<Event<'_>>, Error> {
        let mut event = None;
        self.poll_into(client, now, &mut event)?;
        Ok(event)
    }

    /// [`poll`](Self::poll) that puts the event, or `None`, where it is wanted. An event is large, and
    /// to return it is to move it.
    ///
    /// # Errors
    /// Those of [`Client::process`].
    pub fn poll_into<'i>(
        &'i mut self,
        client: &mut Client<'_>,
        now: Instant,
        event: &mut Option<Event<'i>>,
    ) -> Result<(), Error> {
        *event = None;
        let capacity = self.bytes.len();
        let bytes = &*self.bytes;
        loop {
            let input = bytes.get(self.head..self.tail).unwrap_or_default();
            let consumed = client.step(input, now, capacity, event)?;
            self.head += consumed;
            if event.is_some() || consumed == 0 {
                return Ok(());
            }
        }
    }
}
