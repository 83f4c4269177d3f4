//! Payloads that say which message they are, and show damage.

/// How many bytes say which message it is.
const HEAD: usize = 5;

/// A message of a client: its QoS and its number, counted for each QoS from 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Name {
    pub(crate) qos: u8,
    pub(crate) number: u32,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message {} of QoS {}", self.number, self.qos)
    }
}

impl Name {
    /// One message in 16 is larger than the receive buffer, and arrives in pieces.
    fn len(self) -> usize {
        match self.number as usize % 16 {
            15 => 5000,
            n => HEAD + 40 * n,
        }
    }

    pub(crate) fn payload(self) -> Vec<u8> {
        let mut payload = vec![self.number.to_le_bytes()[0] ^ self.qos; self.len()];
        payload[0] = self.qos;
        payload[1..HEAD].copy_from_slice(&self.number.to_be_bytes());
        payload
    }

    /// Which message this is, if it is not damaged.
    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let (&qos, rest) = payload.split_first()?;
        let number = u32::from_be_bytes(*rest.first_chunk()?);
        let name = Self { qos, number };
        (qos <= 2 && payload == name.payload()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_which_message_it_is_and_shows_damage() {
        for number in [0, 1, 15, 70_000] {
            let name = Name { qos: 1, number };
            let mut payload = name.payload();
            assert_eq!(Name::of(&payload), Some(name));
            *payload.last_mut().unwrap() ^= 1;
            assert_ne!(Name::of(&payload), Some(name));
            payload.pop();
            assert_eq!(Name::of(&payload), None);
        }
    }
}
