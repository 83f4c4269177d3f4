//! Which subscription a message is for, and which are to be made known to the server.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtt_core::wire::{
    Filter, PacketId, Property, Publish, QoS, ReasonCode, RetainHandling, SubAck, TopicFilter,
    UnsubAck, Version,
};
use mqtt_core::{Client as Core, Error, UsageError};

use super::error::SubscribeError;
use super::inbox::{Epochs, Inbox};
use super::shared::Answer;
use super::subscription::Gap;

/// What the server has granted for each filter.
pub(super) type Granted = Box<[Result<QoS, ReasonCode>]>;
pub(super) type SubscribeAnswer = Answer<Result<Granted, SubscribeError>>;
pub(super) type UnsubscribeAnswer = Answer<Result<(), SubscribeError>>;

#[derive(Debug)]
pub(super) struct Routes {
    /// Only in 5.0 are there subscription identifiers.
    version: Version,
    routes: Vec<Route>,
    last_key: u64,
    /// Added to the keys this gives the subscription identifiers. It is random, because a session
    /// may still have messages, and subscriptions, with identifiers of an earlier process.
    base: u32,
    /// Filters that nobody wants any more, and the server still has.
    leaving: VecDeque<Leaving>,
    /// True if the server has to be told something.
    is_due: bool,
}

#[derive(Debug)]
struct Route {
    key: u64,
    /// The subscription identifier.
    identifier: u32,
    filters: Box<[OwnedFilter]>,
    stage: Stage,
    inbox: Arc<Inbox>,
    answer: Option<SubscribeAnswer>,
    /// True if a later subscription has a filter in common, whose identifier the server gives.
    is_shadowed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The server has to be asked.
    Due,
    Requested,
    Active,
    /// The server is not asked.
    Local,
}

#[derive(Debug)]
struct OwnedFilter {
    topic: Box<str>,
    qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
    has_wildcard: bool,
}

/// An UNSUBSCRIBE that is due or waits for its answer.
#[derive(Debug)]
pub(super) struct Leaving {
    filters: Box<[Box<str>]>,
    answer: Option<UnsubscribeAnswer>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) enum Request {
    /// The key of the subscription.
    Subscribe(u64),
    Unsubscribe(Leaving),
}

impl OwnedFilter {
    fn new(filter: &Filter<'_>) -> Self {
        Self {
            topic: filter.topic.into(),
            qos: filter.qos,
            no_local: filter.no_local,
            retain_as_published: filter.retain_as_published,
            retain_handling: filter.retain_handling,
            has_wildcard: filter.topic.contains(['+', '#', '$']),
        }
    }

    fn as_filter(&self) -> Filter<'_> {
        Filter {
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: self.retain_handling,
            ..Filter::new(&self.topic, self.qos)
        }
    }

    fn matches(&self, topic: &str) -> bool {
        if self.has_wildcard {
            TopicFilter::new(&self.topic).is_ok_and(|filter| filter.matches(topic))
        } else {
            *self.topic == *topic
        }
    }
}

impl Route {
    fn matches(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| filter.matches(topic))
    }

    fn has(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| *filter.topic == *topic)
    }

    /// True if a message to `topic` is for it; with these subscription identifiers, if any of them
    /// is known.
    fn claims(&self, topic: &str, known: Option<impl Iterator<Item = u32>>) -> bool {
        match known {
            Some(mut known) if !self.is_shadowed && self.stage != Stage::Local => {
                known.any(|identifier| identifier == self.identifier)
            }
            _ => self.matches(topic),
        }
    }
}

/// How many subscription identifiers there are, all but 0.
const IDENTIFIERS: u64 = 0xFFF_FFFF;

impl Routes {
    /// Keeps to identifiers of three bytes, as long as there are not too many subscriptions.
    pub(super) const fn new(version: Version, random: u32) -> Self {
        Self {
            version,
            routes: Vec::new(),
            last_key: 0,
            base: random % (1 << 20),
            leaving: VecDeque::new(),
            is_due: false,
        }
    }

    /// Adds a subscription, and returns its key. Without an answer the server is not asked.
    pub(super) fn add(
        &mut self,
        filters: &[Filter<'_>],
        inbox: Arc<Inbox>,
        answer: Option<SubscribeAnswer>,
    ) -> u64 {
        for route in &mut self.routes {
            route.is_shadowed |= filters.iter().any(|filter| route.has(filter.topic));
        }
        self.last_key += 1;
        let is_local = answer.is_none();
        self.routes.push(Route {
            key: self.last_key,
            identifier: self.identifier(self.last_key),
            filters: filters.iter().map(OwnedFilter::new).collect(),
            stage: if is_local { Stage::Local } else { Stage::Due },
            inbox,
            answer,
            is_shadowed: false,
        });
        self.is_due |= !is_local;
        self.last_key
    }

    fn identifier(&self, key: u64) -> u32 {
        let number = (u64::from(self.base) + key) % IDENTIFIERS;
        u32::try_from(number).map_or(1, |number| number + 1)
    }

    /// True if a subscription of this process has, or had, this identifier.
    fn is_known(&self, identifier: u32) -> bool {
        let number = u64::from(identifier) + IDENTIFIERS - 1 - u64::from(self.base);
        (1..=self.last_key).contains(&(number % IDENTIFIERS))
    }

    /// Removes a subscription. The server is told, unless it does not know of it.
    pub(super) fn remove(&mut self, key: u64, answer: Option<UnsubscribeAnswer>) {
        let Some(at) = self.routes.iter().position(|route| route.key == key) else {
            return;
        };
        let route = self.routes.remove(at);
        if !matches!(route.stage, Stage::Requested | Stage::Active) {
            if let Some(answer) = answer {
                answer.send(Ok(()));
            }
            return;
        }
        let is_unwanted = |topic: &str| !self.routes.iter().any(|route| route.has(topic));
        let filters = route.filters.iter().map(|filter| filter.topic.clone());
        let filters: Box<[_]> = filters.filter(|topic| is_unwanted(topic)).collect();
        if filters.is_empty() {
            if let Some(answer) = answer {
                answer.send(Ok(()));
            }
            return;
        }
        self.leaving.push_back(Leaving { filters, answer });
        self.is_due = true;
    }

    /// Makes the requests that are due, as far as there is room, and hands them to `sent`.
    pub(super) fn request(
        &mut self,
        core: &mut Core<'_>,
        sent: &mut impl FnMut(PacketId, Request),
    ) {
        if !core::mem::take(&mut self.is_due) {
            return;
        }
        while let Some(leaving) = self.leaving.pop_front() {
            // After a lost connection somebody may have them again.
            let is_active = |filter: &str| -> bool {
                let mut active = self
                    .routes
                    .iter()
                    .filter(|route| route.stage == Stage::Active);
                active.any(|route| route.has(filter))
            };
            let filters = leaving.filters.iter().map(|filter| &**filter);
            let filters: Vec<&str> = filters.filter(|filter| !is_active(filter)).collect();
            if filters.is_empty() {
                if let Some(answer) = leaving.answer {
                    answer.send(Ok(()));
                }
                continue;
            }
            match core.unsubscribe(&filters) {
                Ok(id) => sent(id, Request::Unsubscribe(leaving)),
                Err(Error::Usage(error)) if error != UsageError::NotConnected => {
                    let error = Err(SubscribeError::Usage(error));
                    if let Some(answer) = leaving.answer {
                        answer.send(error);
                    }
                }
                Err(_) => {
                    self.leaving.push_front(leaving);
                    self.is_due = true;
                    return;
                }
            }
        }
        let mut failed = Vec::new();
        for route in &mut self.routes {
            if route.stage != Stage::Due {
                continue;
            }
            match subscribe(core, self.version, route) {
                Ok(id) => {
                    route.stage = Stage::Requested;
                    sent(id, Request::Subscribe(route.key));
                }
                Err(Error::Usage(error)) if error != UsageError::NotConnected => {
                    match route.answer.take() {
                        Some(answer) => {
                            answer.send(Err(SubscribeError::Usage(error)));
                        }
                        None => route.inbox.push_gap(Gap::Usage(error)),
                    }
                    failed.push(route.key);
                }
                Err(_) => {
                    self.is_due = true;
                    break;
                }
            }
        }
        self.routes.retain(|route| !failed.contains(&route.key));
    }

    pub(super) fn subscribed(&mut self, key: u64, suback: &SubAck<'_>) {
        let Some(at) = self.routes.iter().position(|route| route.key == key) else {
            return;
        };
        let Some(route) = self.routes.get_mut(at) else {
            return;
        };
        route.stage = Stage::Active;
        let granted: Granted = suback.codes.iter().map(granted).collect();
        let is_refused = granted.iter().all(Result::is_err);
        match route.answer.take() {
            Some(answer) if is_refused => {
                let codes = suback.codes.iter().collect();
                answer.send(Err(SubscribeError::Refused(codes)));
            }
            Some(answer) => {
                // If nobody waits any more, the subscription is about to be removed.
                answer.send(Ok(granted));
            }
            None => {
                let refused = route.filters.iter().zip(&granted);
                let refused = refused.filter_map(|(filter, granted)| {
                    granted.err().map(|code| (filter.topic.clone(), code))
                });
                let refused: Box<[_]> = refused.collect();
                if !refused.is_empty() {
                    route.inbox.push_gap(Gap::Refused(refused));
                }
            }
        }
        if is_refused {
            self.routes.remove(at);
        }
    }

    /// The connection ended before a request was answered.
    pub(super) fn unanswered(&mut self, request: Request) {
        match request {
            Request::Subscribe(key) => {
                if let Some(route) = self.routes.iter_mut().find(|route| route.key == key) {
                    route.stage = Stage::Due;
                }
            }
            Request::Unsubscribe(leaving) => self.leaving.push_back(leaving),
        }
        self.is_due = true;
    }

    /// There is no connection any more on which the server could confirm an end.
    pub(super) fn disconnected(&mut self) {
        for leaving in &mut self.leaving {
            if let Some(answer) = leaving.answer.take() {
                answer.send(Ok(()));
            }
        }
    }

    /// There is a new connection, with the session that began as `since` says. Returns how many
    /// messages are left out.
    pub(super) fn reconnected(&self, since: Epochs) -> u64 {
        let missed = self
            .routes
            .iter()
            .map(|route| route.inbox.reconnected(since));
        missed.sum()
    }

    /// The server knows of no subscription: all are to be made again.
    pub(super) fn forgotten(&mut self) {
        for leaving in self.leaving.drain(..) {
            if let Some(answer) = leaving.answer {
                answer.send(Ok(()));
            }
        }
        for route in &mut self.routes {
            if route.stage == Stage::Active {
                route.stage = Stage::Due;
            }
        }
        self.is_due = true;
    }

    /// The inboxes that a message to `topic` is for.
    pub(super) fn find<'a>(
        &'a self,
        topic: &'a str,
        publish: &'a Publish<'a>,
    ) -> impl Iterator<Item = &'a Arc<Inbox>> {
        let identifiers = || {
            let properties = publish.properties.iter();
            properties.filter_map(|property| match property {
                Property::SubscriptionIdentifier(identifier) => Some(identifier),
                _ => None,
            })
        };
        let is_known = identifiers().any(|identifier| self.is_known(identifier));
        let routes = self.routes.iter();
        let routes = routes.filter(move |route| route.claims(topic, is_known.then(identifiers)));
        routes.map(|route| &route.inbox)
    }

    /// Nothing more comes, for anybody.
    pub(super) fn close(&mut self) {
        self.leaving.clear();
        for route in self.routes.drain(..) {
            route.inbox.close();
        }
    }
}

impl Leaving {
    pub(super) fn answered(self, unsuback: &UnsubAck<'_>) {
        let codes: Box<[_]> = unsuback
            .codes
            .iter()
            .filter(|code| code.is_error())
            .collect();
        let result = if codes.is_empty() {
            Ok(())
        } else {
            Err(SubscribeError::Refused(codes))
        };
        if let Some(answer) = self.answer {
            answer.send(result);
        }
    }
}

fn subscribe(core: &mut Core<'_>, version: Version, route: &Route) -> Result<PacketId, Error> {
    let filters: Vec<_> = route.filters.iter().map(OwnedFilter::as_filter).collect();
    let properties = [Property::SubscriptionIdentifier(route.identifier)];
    if version == Version::V5 {
        let unavailable = UsageError::SubscriptionIdentifierNotAvailable;
        match core.subscribe_with(&filters, &properties) {
            Err(Error::Usage(error)) if error == unavailable => {}
            result => return result,
        }
    }
    core.subscribe(&filters)
}

fn granted(code: ReasonCode) -> Result<QoS, ReasonCode> {
    QoS::from_u8(code as u8)
        .filter(|_| !code.is_error())
        .ok_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokio::inbox::Overflow;

    /// Which of the subscriptions, counted from 1, a message is for.
    fn claimed(subscriptions: &[&[&str]], topic: &str, identifiers: &[u32]) -> Vec<usize> {
        let mut routes = Routes::new(Version::V5, 0);
        let inboxes: Vec<_> = subscriptions
            .iter()
            .map(|filters| {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|filter| Filter::new(filter, QoS::AtMostOnce))
                    .collect();
                let inbox = Arc::new(Inbox::new(1, Overflow::Wait));
                routes.add(&filters, Arc::clone(&inbox), Some(Answer::to_nobody()));
                inbox
            })
            .collect();
        let properties: Vec<_> = identifiers
            .iter()
            .map(|nth| Property::SubscriptionIdentifier(nth + 1))
            .collect();
        let publish = Publish {
            properties: properties.as_slice().into(),
            ..Publish::new(topic, &[])
        };
        let place = |inbox| inboxes.iter().position(|other| Arc::ptr_eq(other, inbox));
        let found = routes.find(topic, &publish);
        found.map(|inbox| 1 + place(inbox).unwrap()).collect()
    }

    #[test]
    fn by_topic() {
        let subscriptions: &[&[&str]] = &[&["a/#"], &["a/b", "c"], &["$share/x/+"]];
        for (topic, expected) in [
            ("a/b", &[1, 2][..]),
            ("a", &[1, 3]),
            ("c", &[2, 3]),
            ("d/e", &[]),
            ("$SYS", &[]),
        ] {
            assert_eq!(claimed(subscriptions, topic, &[]), expected, "{topic}");
        }
    }

    /// A server may send a message once for each of overlapping subscriptions, or once for all.
    #[test]
    fn by_identifier() {
        let subscriptions: &[&[&str]] = &[&["a/#"], &["a/b"]];
        assert_eq!(claimed(subscriptions, "a/b", &[1]), [1]);
        assert_eq!(claimed(subscriptions, "a/b", &[2]), [2]);
        assert_eq!(claimed(subscriptions, "a/b", &[1, 2]), [1, 2]);
        // Of nobody here any more, and of an earlier process.
        assert_eq!(claimed(subscriptions, "a/b", &[1, 9]), [1]);
        assert_eq!(claimed(subscriptions, "a/b", &[9]), [1, 2]);
        // The server knows the same filter by the later subscription alone.
        let subscriptions: &[&[&str]] = &[&["a", "b"], &["b", "c"]];
        assert_eq!(claimed(subscriptions, "b", &[2]), [1, 2]);
        assert_eq!(claimed(subscriptions, "c", &[2]), [2]);
        assert_eq!(claimed(subscriptions, "a", &[1]), [1]);
    }

    /// What is under way for a subscription that has ended is for no other one.
    #[test]
    fn by_the_identifier_of_nobody() {
        let mut routes = Routes::new(Version::V5, u32::MAX);
        let mut add = |filter| {
            let inbox = Arc::new(Inbox::new(1, Overflow::Wait));
            let filters = [Filter::new(filter, QoS::AtMostOnce)];
            routes.add(&filters, inbox, Some(Answer::to_nobody()))
        };
        let (_one, two) = (add("a/#"), add("a/b"));
        let properties = [Property::SubscriptionIdentifier(routes.identifier(two))];
        let publish = Publish {
            properties: properties.as_slice().into(),
            ..Publish::new("a/b", &[])
        };
        routes.remove(two, None);
        assert_eq!(routes.find("a/b", &publish).count(), 0);
    }
}
