//! Headers of frames, and masking.
//!
//! Firmware wants to know that nothing here can panic, so slices are taken with `get`.

use crate::FrameError;

/// What a frame is (5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameType {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl FrameType {
    /// Its number. (As the enum's own number it would leave holes, out of which
    /// one compiler makes a call of `abort`.)
    const fn opcode(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// The header of a server's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) frame_type: FrameType,
    /// The last frame of its message.
    pub(crate) last: bool,
    pub(crate) payload_len: u64,
}

/// The longest payload of a control frame (5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// The longest header of a server's frame: type, length, no mask.
pub(crate) const MAX_RECEIVED_HEADER: usize = 10;

/// The longest header of a client's frame.
pub(crate) const MAX_SENT_HEADER: usize = 14;

/// Reads the header of a server's frame, or says how many bytes more it takes to go on.
pub(crate) fn parse(bytes: &[u8], max_frame: u64) -> Result<Result<Header, usize>, FrameError> {
    // The first two bytes are judged before the rest of the header is waited for.
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(Err(2 - bytes.len()));
    };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBits);
    }
    let last = first & 0x80 != 0;
    let frame_type = match first & 0x0f {
        0 => FrameType::Continuation,
        1 => FrameType::Text,
        2 => FrameType::Binary,
        8 => FrameType::Close,
        9 => FrameType::Ping,
        10 => FrameType::Pong,
        opcode => return Err(FrameError::Opcode(opcode)),
    };
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    if frame_type.opcode() >= 8 {
        if !last {
            return Err(FrameError::FragmentedControl);
        }
        if usize::from(second) > MAX_CONTROL {
            return Err(FrameError::LongControl);
        }
    }
    // In the shortest form, and below 2^63.
    let (payload_len, least, most) = match second {
        126 => match rest.first_chunk() {
            Some(&len) => (u16::from_be_bytes(len).into(), 126, 0xffff),
            None => return Ok(Err(2 - rest.len())),
        },
        127 => match rest.first_chunk() {
            Some(&len) => (u64::from_be_bytes(len), 0x1_0000, u64::MAX >> 1),
            None => return Ok(Err(8 - rest.len())),
        },
        len => (len.into(), 0, 125),
    };
    if payload_len < least || payload_len > most {
        return Err(FrameError::Length);
    }
    if payload_len > max_frame {
        return Err(FrameError::TooLong);
    }
    Ok(Ok(Header {
        frame_type,
        last,
        payload_len,
    }))
}

/// How many bytes of `len` go into one frame that has `room` for header and payload.
pub(crate) fn payload_for(len: usize, room: usize) -> usize {
    // Behind the type are one, three or nine bytes of length and four of the key.
    let short = room.saturating_sub(6).min(MAX_CONTROL);
    let medium = room.saturating_sub(8).min(0xffff);
    let long = room.saturating_sub(MAX_SENT_HEADER);
    len.min(short.max(medium).max(long))
}

/// Writes a whole frame, masked, and returns its length, or `None` when there is no room for it.
pub(crate) fn write(
    frame_type: FrameType,
    payload: &[u8],
    mask: [u8; 4],
    out: &mut [u8],
) -> Option<usize> {
    let [a, b, c, d] = mask;
    let first = 0x80 | frame_type.opcode();
    let len = payload.len();
    let at = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => put(out, [first, 0x80 | len, a, b, c, d])?,
        (_, Ok(len)) => {
            let [m, l] = len.to_be_bytes();
            put(out, [first, 0x80 | 126, m, l, a, b, c, d])?
        }
        _ => {
            let [p, q, r, s, t, u, v, w] = (len as u64).to_be_bytes();
            put(out, [first, 0x80 | 127, p, q, r, s, t, u, v, w, a, b, c, d])?
        }
    };
    let end = at.checked_add(len)?;
    copy_masked(payload, mask, out.get_mut(at..end)?);
    Some(end)
}

/// Writes to the beginning of `out`, and returns how much.
fn put<const N: usize>(out: &mut [u8], bytes: [u8; N]) -> Option<usize> {
    *out.first_chunk_mut()? = bytes;
    Some(N)
}

/// Copies `from` to `to`, masked (5.3). Whole words, which compilers turn into vectors.
fn copy_masked(from: &[u8], mask: [u8; 4], to: &mut [u8]) {
    const WORD: usize = 8;

    let [a, b, c, d] = mask;
    let key = [a, b, c, d, a, b, c, d];
    let word = u64::from_ne_bytes(key);
    let mut from = from.chunks_exact(WORD);
    let mut to = to.chunks_exact_mut(WORD);
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut(), from.first_chunk()) {
            *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
        }
    }
    for ((to, from), key) in to
        .into_remainder()
        .iter_mut()
        .zip(from.remainder())
        .zip(key)
    {
        *to = from ^ key;
    }
}

#[cfg(test)]
mod tests {
    use edge_ws::FrameHeader;

    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Section 5.7 of RFC 6455, with the masks there.
    #[test]
    fn examples_of_the_rfc() {
        let mut out = [0; 32];
        let n = write(FrameType::Text, b"Hello", MASK, &mut out);
        assert_eq!(n, Some(11));
        assert_eq!(
            out[..11],
            [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        let n = write(FrameType::Pong, b"Hello", MASK, &mut out);
        assert_eq!(n, Some(11));
        assert_eq!(
            out[..11],
            [
                0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        assert_eq!(write(FrameType::Pong, b"Hello", MASK, &mut out[..10]), None);

        let len = |bytes| {
            parse(bytes, u64::MAX)
                .unwrap()
                .map(|header| header.payload_len)
        };
        assert_eq!(len(&[0x82, 0x7e, 0x01, 0x00]), Ok(256));
        assert_eq!(len(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(65_536));
        assert_eq!(len(&[]), Err(2));
        assert_eq!(len(&[0x82]), Err(1));
        assert_eq!(len(&[0x82, 0x7e, 0x01]), Err(1));
        assert_eq!(len(&[0x82, 0x7f]), Err(8));
    }

    #[test]
    fn lengths() {
        for len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000] {
            let payload = vec![0x5a; len];
            let mut out = vec![0; len + MAX_SENT_HEADER];
            let n = write(FrameType::Binary, &payload, MASK, &mut out).unwrap();
            let (header, at) = FrameHeader::deserialize(&out).unwrap();
            assert_eq!((header.payload_len, n - at), (len as u64, len));
            assert_eq!(payload_for(len, n), len);
            if len > 0 {
                assert!(payload_for(len, n - 1) < len, "{len}");
            }
        }
        // Whatever the room, what is said to fit does.
        for room in (0..200).chain(65_500..65_600) {
            let n = payload_for(usize::MAX, room);
            let mut out = vec![0; room];
            if room >= 7 {
                assert!(n > 0);
                write(FrameType::Binary, &vec![0; n], MASK, &mut out).unwrap();
            } else {
                assert_eq!(n, 0);
            }
        }
    }

    #[test]
    fn masking() {
        let payload: Vec<u8> = (0..=255).collect();
        for len in 0..payload.len() {
            let mut out = vec![0; len];
            copy_masked(&payload[..len], MASK, &mut out);
            for (i, byte) in out.into_iter().enumerate() {
                assert_eq!(byte, payload[i] ^ MASK[i % 4]);
            }
        }
    }
}
