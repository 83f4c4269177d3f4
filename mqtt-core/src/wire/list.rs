use core::fmt;
use core::iter::FusedIterator;
use core::mem;

use super::property::Property;
use super::reader::Reader;
use super::reason::ReasonCode;
use super::subscribe::Filter;
use super::types::Version;
use super::writer::Writer;

/// How an element stands in a packet.
pub(crate) trait Sealed<'a>: Copy {
    fn read(r: &mut Reader<'a>) -> Self;
    fn put(&self, out: &mut Writer<'_>);
}

/// What a [`List`] can hold: properties, filters, topic filters and reason codes.
#[expect(private_bounds, reason = "no other crate implements this")]
pub trait Element<'a>: Sealed<'a> {}

impl<'a> Element<'a> for Property<'a> {}
impl<'a> Element<'a> for Filter<'a> {}
impl<'a> Element<'a> for &'a str {}
impl Element<'_> for ReasonCode {}

/// Any number of properties, filters or reason codes, without a heap.
///
/// A received list is a view of the packet's bytes, which were checked when the packet was
/// decoded. A list to be sent is made from slices: `List::from(&[..])`. Both are read alike, and
/// two lists are equal when their elements are.
///
/// ```
/// use mqtt_core::wire::{List, Property};
///
/// let properties = List::from(&[Property::UserProperty("unit", "K")]);
/// assert_eq!(properties.iter().count(), 1);
/// ```
#[derive(Clone, Copy)]
pub struct List<'a, T>(Repr<'a, T>);

#[derive(Clone, Copy)]
enum Repr<'a, T> {
    Raw(&'a [u8]),
    Items(&'a [T], &'a [T]),
}

impl<'a, T> List<'a, T> {
    /// A list with no elements.
    pub const EMPTY: Self = Self(Repr::Raw(&[]));

    /// The elements of `first`, then those of `second`.
    #[must_use]
    pub const fn joined(first: &'a [T], second: &'a [T]) -> Self {
        Self(Repr::Items(first, second))
    }

    /// Bytes of a packet in which every element has been parsed once.
    pub(crate) const fn from_checked(raw: &'a [u8]) -> Self {
        Self(Repr::Raw(raw))
    }

    /// True if the list has no elements.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Repr::Raw(raw) => raw.is_empty(),
            Repr::Items(first, second) => first.is_empty() && second.is_empty(),
        }
    }

    /// Takes the first element off: what `read` makes of the bytes, or the item.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn pop<E: From<T>>(&mut self, read: impl FnOnce(&mut Reader<'a>) -> E) -> Option<E>
    where
        T: Copy,
    {
        match &mut self.0 {
            Repr::Raw([]) => None,
            Repr::Raw(raw) => {
                // These bytes were read when the packet was decoded, so they are read now.
                let mut r = Reader::new(raw, Version::NEWEST);
                let element = read(&mut r);
                *raw = r.rest();
                Some(element)
            }
            Repr::Items(first, second) => {
                if first.is_empty() {
                    *first = mem::take(second);
                }
                let (element, rest) = first.split_first()?;
                *first = rest;
                Some(E::from(*element))
            }
        }
    }

    /// The bytes of a received list.
    pub(crate) const fn raw(&self) -> Option<&'a [u8]> {
        match self.0 {
            Repr::Raw(raw) => Some(raw),
            Repr::Items(..) => None,
        }
    }
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// The elements, in order.
    #[must_use]
    pub const fn iter(&self) -> Iter<'a, T> {
        Iter(*self)
    }

    /// The length of the elements as they stand in a packet.
    #[cfg(feature = "bytes")]
    pub(crate) fn encoded_len(&self) -> usize {
        let mut count = Writer::count(Version::NEWEST);
        self.put(&mut count);
        count.len()
    }

    /// Writes the elements as they stand in a packet.
    #[cfg(feature = "bytes")]
    pub(crate) fn write(&self, buffer: &mut [u8]) {
        self.put(&mut Writer::fill(Version::NEWEST, buffer));
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn put(&self, out: &mut Writer<'_>) {
        match self.0 {
            Repr::Raw(raw) => out.bytes(raw),
            Repr::Items(mut items, mut more) => loop {
                if items.is_empty() {
                    items = mem::take(&mut more);
                }
                let Some((item, rest)) = items.split_first() else {
                    break;
                };
                item.put(out);
                items = rest;
            },
        }
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::joined(items, &[])
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for List<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self::joined(items, &[])
    }
}

impl<'a, T: Element<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl<'a, T: Element<'a> + defmt::Format> defmt::Format for List<'a, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        for element in self {
            defmt::write!(f, "{} ", element);
        }
    }
}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Element<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Iterates over a [`List`].
#[derive(Clone)]
pub struct Iter<'a, T>(List<'a, T>);

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for Iter<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(&self.0).finish()
    }
}

impl<'a, T: Element<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.pop(T::read)
    }
}

impl<'a, T: Element<'a>> FusedIterator for Iter<'a, T> {}
