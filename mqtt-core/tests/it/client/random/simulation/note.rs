//! Messages that can be told apart.

/// A message is known by its number. Topic and payload follow from number and length, so that a
/// byte out of place shows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Note {
    pub(super) number: u32,
    pub(super) len: usize,
}

/// Few, so that topic aliases have something to stand for.
const TOPICS: [&str; 3] = ["a", "some/topic", "a/rather/longer/one"];

/// The longest topic there is.
pub(super) const MAX_TOPIC: usize = 20;

impl Note {
    /// Where the payload has no room for the number, it is in the topic.
    pub(super) fn topic(self) -> String {
        if self.len < 4 {
            format!("{}/{}", self.number, self.len)
        } else {
            TOPICS[self.number as usize % TOPICS.len()].into()
        }
    }

    pub(super) fn payload(self) -> Vec<u8> {
        let mut state = self.number.wrapping_mul(2_654_435_761);
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let number = self.number.to_be_bytes();
        let number = number.into_iter().filter(|_| self.len >= 4);
        number
            .chain(std::iter::repeat_with(next))
            .take(self.len)
            .collect()
    }

    /// Reads and checks a message.
    pub(super) fn read(topic: &str, payload: &[u8]) -> Self {
        let len = payload.len();
        let number = match payload.first_chunk::<4>() {
            Some(number) => u32::from_be_bytes(*number),
            None => {
                let (number, _) = topic.split_once('/').expect("a topic of the model");
                number.parse().unwrap()
            }
        };
        let note = Self { number, len };
        assert_eq!(topic, note.topic(), "topic of {note:?}");
        assert_eq!(payload, note.payload(), "payload of {note:?}");
        note
    }
}
