/// Topics and the aliases that stand for them, one after the other in a fixed memory, the least
/// recently used first. Meant for tens of them: they are looked through one by one.
#[derive(Debug)]
pub(crate) struct Aliases<'b> {
    bytes: &'b mut [u8],
    end: usize,
    /// The highest alias that may be used.
    maximum: u16,
}

/// The alias and the length of the topic, which follows.
const HEAD: usize = 4;

impl<'b> Aliases<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            end: 0,
            maximum: 0,
        }
    }

    /// Begins a connection on which aliases up to `maximum` may be used.
    pub(crate) const fn begin(&mut self, maximum: u16) {
        self.end = 0;
        self.maximum = maximum;
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

    /// The alias of `topic`, which is now the most recently used.
    pub(crate) fn find(&mut self, topic: &str) -> Option<u16> {
        let (at, alias, _) = self.iter().find(|&(.., other)| other == topic.as_bytes())?;
        let len = HEAD + topic.len();
        self.bytes.get_mut(at..self.end)?.rotate_left(len);
        Some(alias)
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

    /// Has `alias` stand for `topic`; false if there is no room.
    pub(crate) fn set(&mut self, alias: u16, topic: &str) -> bool {
        if !self.has_room(alias, topic) {
            return false;
        }
        if let Some((at, len)) = self.entry(alias) {
            self.remove(at, len);
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
                room.copy_from_slice(field);
                self.end += field.len();
            }
        }
        true
    }

    /// An alias for a topic of `len` bytes: one that is not in use, or that of the least recently
    /// used topics that have to make room. `None` if there never is any.
    pub(crate) fn vacate(&mut self, len: usize) -> Option<u16> {
        if self.maximum == 0 || HEAD + len > self.bytes.len() {
            return None;
        }
        let mut alias = None;
        loop {
            let in_use = self.iter().count();
            if alias.is_none() && in_use < usize::from(self.maximum) {
                alias = (1..=self.maximum).find(|&new| self.topic(new).is_none());
            }
            if alias.is_some() && self.end + HEAD + len <= self.bytes.len() {
                return alias;
            }
            let (at, oldest, topic) = self.iter().next()?;
            let len = HEAD + topic.len();
            self.remove(at, len);
            alias = Some(oldest);
        }
    }

    fn remove(&mut self, at: usize, len: usize) {
        self.bytes.copy_within(at + len..self.end, at);
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
                let mut changed = model.clone();
                if by_hand {
                    changed.retain(|&(alias, _)| alias != number);
                    changed.push((number, topic.clone()));
                    let fits = size(&changed) <= capacity;
                    prop_assert_eq!(aliases.set(number, &topic), fits);
                    if fits {
                        model = changed;
                    }
                } else if let Some(at) = model.iter().position(|(_, other)| *other == topic) {
                    let entry = model.remove(at);
                    prop_assert_eq!(aliases.find(&topic), Some(entry.0));
                    model.push(entry);
                } else {
                    prop_assert_eq!(aliases.find(&topic), None);
                    let alias = aliases.vacate(topic.len());
                    prop_assert_eq!(alias.is_some(), maximum > 0 && HEAD + topic.len() <= capacity);
                    if let Some(alias) = alias {
                        // Only the least recently used have gone, and no more than had to.
                        let gone = model.len() - aliases.iter().count();
                        if gone > 0 {
                            let before = &model[gone - 1..];
                            let full = before.len() >= usize::from(maximum);
                            prop_assert!(full || size(before) + HEAD + topic.len() > capacity);
                        }
                        model.drain(..gone);
                        prop_assert!(model.iter().all(|&(other, _)| other != alias));
                        prop_assert!(aliases.set(alias, &topic));
                        model.push((alias, topic));
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
