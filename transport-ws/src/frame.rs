//! Headers of frames, and masking.
//!
//! `edge-ws` reads and writes the headers. What it does not look at (the last-frame bit of control
//! frames, the form of the length) is checked here, so nothing else asks it.

use edge_ws::{Error, FrameHeader, FrameType};

use crate::FrameError;

/// The longest payload of a control frame (5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// The longest header of a server's frame: type, length, no mask.
pub(crate) const MAX_RECEIVED_HEADER: usize = 10;

/// The longest header of a client's frame.
pub(crate) const MAX_SENT_HEADER: usize = FrameHeader::MAX_LEN;

/// Reads the header of a server's frame, or says how many bytes more it takes to go on.
pub(crate) fn parse(
    bytes: &[u8],
    max_frame: u64,
) -> Result<Result<FrameHeader, usize>, FrameError> {
    // The first two bytes are judged before the rest of the header is waited for.
    if let &[first, second, ..] = bytes {
        let opcode = first & 0x0f;
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        if matches!(opcode, 3..=7 | 11..) {
            return Err(FrameError::Opcode(opcode));
        }
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        if opcode >= 8 && first & 0x80 == 0 {
            return Err(FrameError::FragmentedControl);
        }
        if opcode >= 8 && usize::from(second) > MAX_CONTROL {
            return Err(FrameError::LongControl);
        }
    }
    let (header, len) = match FrameHeader::deserialize(bytes) {
        Ok(header) => header,
        Err(Error::Incomplete(missing)) => return Ok(Err(missing)),
        Err(_) => return Err(FrameError::Length),
    };
    if len != header.serialized_len() || header.payload_len >> 63 != 0 {
        return Err(FrameError::Length);
    }
    if header.payload_len > max_frame {
        return Err(FrameError::TooLong);
    }
    Ok(Ok(header))
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
    let header = FrameHeader {
        frame_type,
        payload_len: payload.len() as u64,
        mask_key: Some(u32::from_be_bytes(mask)),
    };
    let at = header.serialized_len();
    let end = at.checked_add(payload.len())?;
    let out = out.get_mut(..end)?;
    header.serialize(out).ok()?;
    copy_masked(payload, mask, &mut out[at..]);
    Some(end)
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
        let mut bytes = [0; WORD];
        bytes.copy_from_slice(from);
        to.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
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
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Section 5.7 of RFC 6455, with the masks there.
    #[test]
    fn examples_of_the_rfc() {
        let mut out = [0; 32];
        let n = write(FrameType::Text(false), b"Hello", MASK, &mut out);
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
            let n = write(FrameType::Binary(false), &payload, MASK, &mut out).unwrap();
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
                write(FrameType::Binary(false), &vec![0; n], MASK, &mut out).unwrap();
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
