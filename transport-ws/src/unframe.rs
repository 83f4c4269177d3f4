use crate::{Engine, Event};

/// How often a read goes on without data before it returns, to let its caller look after other
/// things: a server can send frames without data forever.
pub(crate) const ROUNDS: usize = 64;

/// Moves the data in `buf`, which was received, to its beginning.
///
/// Returns how much there is, and whether the engine may have something new to send or to tell. No
/// byte is left over, because data is never longer than its frames. `on_ping` may have the answer
/// written at once; if not, only the last of several pings is answered.
pub(crate) fn unframe(
    engine: &mut Engine,
    buf: &mut [u8],
    mut on_ping: impl FnMut(&mut Engine),
) -> (usize, bool) {
    let mut from = 0;
    let mut to = 0;
    let mut news = false;
    while from < buf.len() {
        let Ok(received) = engine.receive(&buf[from..]) else {
            // The error stays, and the next read tells it.
            return (to, true);
        };
        match received.event {
            Some(Event::Data(range)) => {
                let data = from + range.start..from + range.end;
                let len = data.len();
                if data.start != to {
                    buf.copy_within(data, to);
                }
                to += len;
            }
            Some(Event::Ping) => {
                on_ping(engine);
                news = true;
            }
            Some(Event::Closed) => return (to, true),
            None => {}
        }
        from += received.consumed;
    }
    (to, news)
}
