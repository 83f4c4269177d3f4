use core::fmt;

use super::reader::has_nul;
use super::scan::{WIDE, any_zero};

/// Why a string is not a topic name or filter.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TopicError {
    /// No character at all `[MQTT-4.7.3-1]`.
    Empty,
    /// More than 65,535 bytes `[MQTT-4.7.3-3]`.
    TooLong,
    /// Holds U+0000 `[MQTT-4.7.3-2]`.
    NulCharacter,
    /// A wildcard in a name `[MQTT-4.7.0-1]`, or one that does not fill its level, or `#` before
    /// the last level `[MQTT-4.7.1-1]`, `[MQTT-4.7.1-2]`.
    Wildcard,
    /// `$share/` without a share name and a filter after it `[MQTT-4.8.2-1]`, `[MQTT-4.8.2-2]`.
    Share,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "topic is empty",
            Self::TooLong => "topic is longer than 65,535 bytes",
            Self::NulCharacter => "topic holds U+0000",
            Self::Wildcard => "wildcard in a wrong place",
            Self::Share => "malformed shared subscription",
        })
    }
}

impl core::error::Error for TopicError {}

#[inline]
fn check_length(topic: &str) -> Result<(), TopicError> {
    match topic.len() {
        0 => Err(TopicError::Empty),
        1..=0xFFFF => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// What a shared subscription begins with.
const SHARE: &[u8] = b"$share/";

/// 0 for `+` and `#`, which differ in one bit.
const fn unless_wildcard(byte: u8) -> u8 {
    (byte & !(b'+' ^ b'#')) ^ (b'#' & b'+')
}

const fn is_wildcard(byte: u8) -> bool {
    unless_wildcard(byte) == 0
}

pub(crate) fn is_shared(filter: &str) -> bool {
    filter.as_bytes().starts_with(SHARE)
}

pub(crate) fn has_wildcard(filter: &[u8]) -> bool {
    filter.iter().any(|byte| is_wildcard(*byte))
}

fn levels(topic: &[u8]) -> impl Iterator<Item = &[u8]> {
    topic.split(|byte| *byte == b'/')
}

/// The share name of a shared subscription and the filter after it, either of which may be empty.
fn split_share(filter: &[u8]) -> Option<(&[u8], &[u8])> {
    let shared = filter.strip_prefix(SHARE)?;
    let name_len = shared.iter().position(|byte| *byte == b'/');
    let (name, rest) = shared.split_at_checked(name_len.unwrap_or(shared.len()))?;
    Some((name, rest.get(1..).unwrap_or_default()))
}

/// True if each wildcard fills its level, and `#` the last one.
fn wildcards_fit(pattern: &[u8]) -> bool {
    let mut before = b'/';
    let mut rest = pattern;
    while let [byte, after @ ..] = rest {
        let fills_level = match after {
            [] => before == b'/',
            [next, ..] => before == b'/' && *byte == b'+' && *next == b'/',
        };
        if is_wildcard(*byte) && !fills_level {
            return false;
        }
        (before, rest) = (*byte, after);
    }
    true
}

/// True for most filters: those that are not shared, are not short, and are found to be valid by
/// looking at many bytes at a time. Others may be, too.
fn is_soon_valid(filter: &[u8]) -> bool {
    let ([first, second, ..], [.., before_last, last]) = (filter, filter) else {
        return false;
    };
    *first != b'$'
        && fits(b'/', *first, *second)
        && (fits(*before_last, *last, b'/') || *before_last == b'/' && *last == b'#')
        && blocks_fit::<16>(filter).or_else(|| blocks_fit::<8>(filter)) == Some(true)
}

/// Whether each byte between the first and the last one may stand there; `None` if these are less
/// than `N`.
#[inline]
fn blocks_fit<const N: usize>(filter: &[u8]) -> Option<bool> {
    let block = |at| {
        let before = filter.get(at..)?.first_chunk::<N>()?;
        let here = filter.get(at + 1..)?.first_chunk()?;
        let after = filter.get(at + 2..)?.first_chunk()?;
        Some(block_fits(before, here, after))
    };
    let last = filter.len().checked_sub(N + 2)?;
    let mut fit = block(last)?;
    let mut at = 0;
    while at < last {
        fit &= block(at)?;
        at += N;
    }
    Some(fit)
}

/// On its own, and without knowledge of how these overlap, so that it compiles to vector
/// instructions.
#[inline(never)]
fn block_fits<const N: usize>(before: &[u8; N], here: &[u8; N], after: &[u8; N]) -> bool {
    let bytes = before.iter().zip(here).zip(after);
    bytes.fold(true, |fit, ((before, here), after)| {
        fit & fits(*before, *here, *after)
    })
}

/// Whether a byte of a filter may stand between two others.
#[inline]
const fn fits(before: u8, here: u8, after: u8) -> bool {
    let fills_level = (before == b'/') & (here == b'+') & (after == b'/');
    (here != 0) & (!is_wildcard(here) | fills_level)
}

/// A topic that messages are published to: at least one character and no wildcard.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `name`.
    ///
    /// # Errors
    /// Names the rule that `name` breaks.
    #[inline]
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        check_name(name)?;
        Ok(Self(name))
    }

    /// The name as a string.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Whether `name` is a topic name.
#[inline]
pub(super) fn check_name(name: &str) -> Result<(), TopicError> {
    check_length(name)?;
    if any_zero(name.as_bytes(), |byte| byte.min(unless_wildcard(byte))) {
        return Err(if has_nul(name) {
            TopicError::NulCharacter
        } else {
            TopicError::Wildcard
        });
    }
    Ok(())
}

/// A pattern of topics to subscribe to, perhaps shared (`$share/group/filter`).
///
/// Shared subscriptions are part of 5.0, but brokers offer them to older clients, too. So
/// `$share/` begins one in every version.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks `filter`.
    ///
    /// # Errors
    /// Names the rule that `filter` breaks.
    pub fn new(filter: &'a str) -> Result<Self, TopicError> {
        check_length(filter)?;
        if WIDE && is_soon_valid(filter.as_bytes()) {
            return Ok(Self(filter));
        }
        if has_nul(filter) {
            return Err(TopicError::NulCharacter);
        }
        let mut pattern = filter.as_bytes();
        if let Some((name, shared)) = split_share(pattern) {
            if name.is_empty() || has_wildcard(name) || shared.is_empty() {
                return Err(TopicError::Share);
            }
            pattern = shared;
        }
        if wildcards_fit(pattern) {
            Ok(Self(filter))
        } else {
            Err(TopicError::Wildcard)
        }
    }

    /// The filter as a string, `$share/` prefix included.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The share name of a shared subscription.
    #[must_use]
    pub fn share_name(self) -> Option<&'a str> {
        let (name, _) = split_share(self.0.as_bytes())?;
        self.0.get(SHARE.len()..SHARE.len() + name.len())
    }

    /// What is matched against topics: the filter without its `$share/name/` prefix.
    fn pattern(self) -> &'a [u8] {
        let filter = self.0.as_bytes();
        split_share(filter).map_or(filter, |(_, pattern)| pattern)
    }

    /// True if messages published to `topic` pass this filter.
    ///
    /// A filter that begins with a wildcard does not match topics that begin with `$`
    /// `[MQTT-4.7.2-1]`.
    ///
    /// ```
    /// use mqtt_core::wire::TopicFilter;
    ///
    /// let filter = TopicFilter::new("sport/+/player1/#")?;
    /// assert!(filter.matches("sport/tennis/player1"));
    /// assert!(filter.matches("sport/tennis/player1/score/wimbledon"));
    /// assert!(!filter.matches("sport/tennis/player2"));
    /// # Ok::<(), mqtt_core::wire::TopicError>(())
    /// ```
    #[must_use]
    pub fn matches(self, topic: &str) -> bool {
        let pattern = self.pattern();
        if topic.as_bytes().first() == Some(&b'$') && matches!(pattern, [b'+' | b'#', ..]) {
            return false;
        }
        let mut topic = levels(topic.as_bytes());
        for want in levels(pattern) {
            if want == b"#" {
                return true;
            }
            match topic.next() {
                Some(level) if want == b"+" || want == level => {}
                _ => return false,
            }
        }
        topic.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is found out by blocks is what is found out byte by byte.
        #[test]
        fn filters_in_blocks(
            filter in "[ab/ü]{0,40}[/+#$a\0]{0,3}[ab/ü]{0,40}[/+#a]{0,2}[a/]{0,40}",
        ) {
            let bytes = filter.as_bytes();
            let is_valid = !has_nul(&filter) && wildcards_fit(bytes);
            let by_blocks = bytes.len() >= 10 && bytes[0] != b'$';
            prop_assert_eq!(is_soon_valid(bytes), by_blocks && is_valid);
        }
    }

    #[test]
    fn names() {
        for good in ["a", "/", "a b/ü", "$SYS/x", "//"] {
            assert_eq!(TopicName::new(good).map(TopicName::as_str), Ok(good));
        }
        assert_eq!(TopicName::new(""), Err(TopicError::Empty));
        assert_eq!(TopicName::new("a/+"), Err(TopicError::Wildcard));
        assert_eq!(TopicName::new("a#"), Err(TopicError::Wildcard));
        assert_eq!(TopicName::new("a\0+"), Err(TopicError::NulCharacter));
        let long = [b'a'; 65_536];
        let long = core::str::from_utf8(&long).unwrap();
        assert!(TopicName::new(&long[1..]).is_ok());
        assert_eq!(TopicName::new(long), Err(TopicError::TooLong));
        assert_eq!(TopicFilter::new(long), Err(TopicError::TooLong));
    }

    /// Examples of 4.7.1 and 4.8.2 of MQTT 5.0.
    #[test]
    fn filters() {
        for good in [
            "#",
            "+",
            "/",
            "sport/#",
            "sport/tennis/#",
            "+/tennis/#",
            "sport/+/player1",
            "+/+",
            "/+",
        ] {
            assert!(TopicFilter::new(good).is_ok(), "{good}");
        }
        for bad in [
            "sport/tennis#",
            "sport/tennis/#/ranking",
            "sport+",
            "#/",
            "a/+b",
            "##",
        ] {
            assert_eq!(TopicFilter::new(bad), Err(TopicError::Wildcard), "{bad}");
        }
        assert_eq!(TopicFilter::new(""), Err(TopicError::Empty));
        assert_eq!(TopicFilter::new("a\0"), Err(TopicError::NulCharacter));
        for bad in [
            "$share/",
            "$share//a",
            "$share/a",
            "$share/a/",
            "$share/a+/b",
            "$share/#/b",
        ] {
            assert_eq!(TopicFilter::new(bad), Err(TopicError::Share), "{bad}");
        }
        let shared = TopicFilter::new("$share/consumer1/sport/tennis/+").unwrap();
        assert_eq!(shared.share_name(), Some("consumer1"));
        assert!(shared.matches("sport/tennis/x"));
        assert!(
            TopicFilter::new("$share/g//finance")
                .unwrap()
                .matches("/finance")
        );
        assert_eq!(TopicFilter::new("$share/a/b#"), Err(TopicError::Wildcard));
        assert_eq!(TopicFilter::new("$shared").unwrap().share_name(), None);
    }

    /// Examples of 4.7.1 and 4.7.2 of MQTT 5.0.
    #[test]
    fn matching() {
        let yes = [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
            ),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/monitor"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
            ("ACCOUNTS", "ACCOUNTS"),
        ];
        let no = [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("ACCOUNTS", "Accounts"),
            ("a/b", "a"),
            ("a", "a/b"),
        ];
        for (filter, topic) in yes {
            assert!(
                TopicFilter::new(filter).unwrap().matches(topic),
                "{filter} {topic}"
            );
        }
        for (filter, topic) in no {
            assert!(
                !TopicFilter::new(filter).unwrap().matches(topic),
                "{filter} {topic}"
            );
        }
    }
}
