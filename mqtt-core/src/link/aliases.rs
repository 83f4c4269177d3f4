use crate::buffers::{copy, shift};

/// Topics and the aliases that stand for them, one after the other in a fixed memory, the least
/// recently used first. Meant for tens of them: they are looked through one by one.
#[derive(Debug)]
pub(crate) struct Aliases<'b> {
    bytes: &'b mut [u8],
    end: usize,
    /// The highest alias that may be used.
    maximum: u16,
    /// The lowest alias that was not used on this connection, or lower; 0 if all were.
    unused: u16,
}

/// The alias and the length of the topic, which follows.
const HEAD: usize = 4;

impl<'b> Aliases<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            end: 0,
            maximum: 0,
            unused: 1,
        }
    }

    /// Begins a connection on which aliases up to `maximum` may be used.
    pub(crate) const fn begin(&mut self, maximum: u16) {
        self.end = 0;
        self.maximum = maximum;
        self.unused = 1;
    }

    pub(crate) const fn maximum(&self) -> u16 {
        self.maximum
    }

    /// Where each entry begins, its alias and its topic.
    fn iter(&self) -> impl Iterator<Item = (usize, u16, &[u8])> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (head, rest) = self.bytes.get(at..self.end)?.split_first_chunk::<HEAD>()?;
            let [alias @ .., len_high, len_low] = *head;
            let len = usize::from(u16::from_be_bytes([len_high, len_low]));
            let entry = (at, u16::from_be_bytes(alias), rest.get(..len)?);
            at += HEAD + len;
            Some(entry)
        })
    }

    /// The topic that `alias` stands for.
    pub(crate) fn topic(&self, alias: u16) -> Option<&str> {
        let (.., topic) = self.iter().find(|&(_, other, _)| other == alias)?;
        core::str::from_utf8(topic).ok()
    }

    /// The alias of `topic`.
    pub(crate) fn find(&self, topic: &str) -> Option<u16> {
        let is_it = |&(.., other): &(usize, u16, &[u8])| other == topic.as_bytes();
        self.iter().find(is_it).map(|(_, alias, _)| alias)
    }

    /// An alias that `topic` can get: one that was not used yet, or that of the least recently used
    /// topic.
    pub(crate) fn choose(&mut self, topic: &str) -> Option<u16> {
        if HEAD + topic.len() > self.bytes.len() {
            return None;
        }
        while (1..=self.maximum).contains(&self.unused) {
            if self.topic(self.unused).is_none() {
                return Some(self.unused);
            }
            self.unused = self.unused.wrapping_add(1);
        }
        self.iter().next().map(|(_, alias, _)| alias)
    }

    /// Where the entry of `alias` is, and its length.
    fn entry(&self, alias: u16) -> Option<(usize, usize)> {
        let (at, _, topic) = self.iter().find(|&(_, other, _)| other == alias)?;
        Some((at, HEAD + topic.len()))
    }

    /// True if `alias` can stand for `topic`.
    pub(crate) fn has_room(&self, alias: u16, topic: &str) -> bool {
        let freed = self.entry(alias).map_or(0, |(_, len)| len);
        self.end - freed + HEAD + topic.len() <= self.bytes.len()
    }

    /// Has `alias` stand for `topic`, the most recently used one now; those used least recently make
    /// room. False if there can be none.
    pub(crate) fn set(&mut self, alias: u16, topic: &str) -> bool {
        let len = HEAD + topic.len();
        if len > self.bytes.len() {
            return false;
        }
        if let Some((at, len)) = self.entry(alias) {
            self.remove(at, len);
        }
        while self.end + len > self.bytes.len() {
            let oldest = self.iter().next().map(|(at, _, topic)| (at, topic.len()));
            let Some((at, len)) = oldest else {
                return false;
            };
            self.remove(at, HEAD + len);
        }
        // No topic of a packet is longer.
        let len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
        let fields = [
            &alias.to_be_bytes()[..],
            &len.to_be_bytes(),
            topic.as_bytes(),
        ];
        for field in fields {
            if let Some(room) = self.bytes.get_mut(self.end..self.end + field.len()) {
                copy(room, field);
                self.end += field.len();
            }
        }
        true
    }

    fn remove(&mut self, at: usize, len: usize) {
        shift(self.bytes, at + len..self.end, at);
        self.end -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    /// More topics than there are aliases.
    #[test]
    fn every_alias_is_used() {
        let mut bytes = [0; 40];
        let mut aliases = Aliases::new(&mut bytes);
        aliases.begin(u16::MAX);
        for number in 0..70_000_u32 {
            let topic = std::format!("{number}");
            let alias = aliases.choose(&topic).unwrap();
            assert!(number >= 0xFFFF || u32::from(alias) == number + 1);
            assert_ne!(alias, 0);
            assert!(aliases.set(alias, &topic));
            assert_eq!(aliases.find(&topic), Some(alias));
        }
    }

    proptest! {
        /// Against a list of pairs.
        #[test]
        fn least_recently_used(
            capacity in 0..80usize,
            maximum in 0..6u16,
            steps in proptest::collection::vec((any::<bool>(), 1..6u16, "[a-e]{0,3}x{0,20}"), 0..60),
        ) {
            let mut bytes = vec![0; capacity];
            let mut aliases = Aliases::new(&mut bytes);
            aliases.begin(maximum);
            let mut model: Vec<(u16, String)> = Vec::new();
            let size = |model: &[(u16, String)]| -> usize {
                model.iter().map(|(_, topic)| HEAD + topic.len()).sum()
            };
            for (by_hand, number, topic) in steps {
                let known = model.iter().find(|(_, other)| *other == topic);
                prop_assert_eq!(aliases.find(&topic), known.map(|&(alias, _)| alias));
                let has_room = size(&model) + HEAD + topic.len() <= capacity
                    + model.iter().find(|(alias, _)| *alias == number)
                        .map_or(0, |(_, topic)| HEAD + topic.len());
                prop_assert_eq!(aliases.has_room(number, &topic), has_room);
                let fits = HEAD + topic.len() <= capacity;
                let alias = if by_hand {
                    Some(number)
                } else if let Some(&(alias, _)) = known {
                    Some(alias)
                } else {
                    let alias = aliases.choose(&topic);
                    let unused = (1..=maximum).any(|n| model.iter().all(|&(used, _)| used != n));
                    prop_assert_eq!(alias.is_some(), fits && (unused || !model.is_empty()));
                    alias
                };
                if let Some(alias) = alias {
                    prop_assert_eq!(aliases.set(alias, &topic), fits);
                    if fits {
                        model.retain(|&(other, _)| other != alias);
                        model.push((alias, topic));
                        while size(&model) > capacity {
                            model.remove(0);
                        }
                    }
                }
                let entries: Vec<_> = aliases
                    .iter()
                    .map(|(_, alias, topic)| (alias, String::from_utf8(topic.to_vec()).unwrap()))
                    .collect();
                prop_assert_eq!(&entries, &model);
            }
        }
    }
}
