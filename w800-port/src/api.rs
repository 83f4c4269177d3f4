//! What the functions of `wm_mqtt_client.h` do.

use core::str;

use mqtt_core::wire::{Filter, PacketId, QoS, RetainHandling, Version};
use mqtt_core::{Error, Message, UsageError};

use crate::client::{Client, END_TIME};
use crate::config::{CONNECT_TIME, Given};
use crate::error::{Code, Failure, Trouble};
use crate::ffi::Handle;
use crate::library::Library;
use crate::memory;
use crate::port::{self, Foreign};
use crate::task;
use crate::wait::{For, Ticket, Until, wait};

/// How long an answer may take, or room for another message, in milliseconds.
const PATIENCE: u32 = 10_000;

/// What the background task is given beyond the time that it keeps itself.
const SLACK: u32 = 2_000;

const BUSY: Failure = Failure::new(Code::BUSY, "too many calls wait");

pub(crate) fn init(given: &Given<'_>) -> Result<*mut Handle, Failure> {
    let id = port::locked(Library::next_id);
    let client = memory::build(given, id)?;
    Ok(port::locked(|library| {
        let handle = library.add(client);
        if let Some((client, _)) = library.get(id) {
            client.new_token();
        }
        handle
    }))
}

/// Notes why `init` has failed.
pub(crate) fn note(failure: Failure) {
    port::locked(|library| library.trouble.set(failure, None));
}

pub(crate) fn last_error(handle: *const Handle) -> Trouble {
    port::locked(|library| {
        if handle.is_null() {
            return library.trouble;
        }
        library
            .find(handle)
            .map_or(Trouble::NONE, |(client, _)| client.trouble)
    })
}

/// Notes a failure with the client, and makes a number of it.
fn fail(client: &mut Client, failure: Failure) -> i32 {
    client.trouble.set(failure, None);
    failure.code.0
}

pub(crate) fn deinit(handle: *const Handle) -> i32 {
    let id = port::locked(|library| {
        let (client, _) = library.find(handle)?;
        client.begin_to_die();
        Some(client.id)
    });
    let Some(id) = id else {
        return Code::INVALID_PARAM.0;
    };
    close(id);
    port::locked(|library| {
        library.waiters.complete_all(id, Code::DISCONNECTED);
        let is_closed = library
            .get(id)
            .is_some_and(|(client, _)| client.is_closed());
        if let Some(client) = is_closed.then(|| library.remove(id)).flatten() {
            library.owed = library.owed.saturating_add(client.owed());
            memory::destroy(client);
        } else if let Some((client, _)) = library.get(id) {
            client.leave_to_task();
        }
    });
    // There may be events left to post, or a client to free.
    port::wake();
    0
}

/// Closes a client's connection and waits for that, a while. True if there is none now.
fn close(id: u32) -> bool {
    let until = Until::after(END_TIME + SLACK);
    let ticket = port::locked(|library| {
        let (client, cx) = library.get(id)?;
        if !client.ask_to_close(cx.now) {
            return None;
        }
        port::wake();
        cx.waiters.enter(id, For::End)
    });
    if let Some(ticket) = ticket {
        wait(ticket, until);
    }
    port::locked(|library| library.get(id).is_none_or(|(client, _)| client.is_closed()))
}

pub(crate) fn connect(handle: *const Handle) -> i32 {
    let begun = port::locked(|library| {
        let Some((client, _)) = library.find(handle) else {
            return Err(Code::INVALID_PARAM.0);
        };
        let id = client.id;
        begin(library, id)
    });
    finish(begun)
}

/// Begins to connect. The result is what to wait for, or with what to return at once.
fn begin(library: &mut Library, id: u32) -> Result<(u32, Ticket), i32> {
    let is_started = library.is_started;
    let Some((client, cx)) = library.get(id) else {
        return Err(Code::DISCONNECTED.0);
    };
    if let Err(failure) = client.kept.check(port::settings().tls != 0) {
        return Err(fail(client, failure));
    }
    if client.is_online() {
        return Err(0);
    }
    let Some(ticket) = cx.waiters.enter(id, For::Connection) else {
        return Err(fail(client, BUSY));
    };
    client.ask_to_connect(cx.now);
    if !is_started {
        if !port::start(task::run) {
            client.ask_to_close(cx.now);
            cx.waiters.complete(id, For::Connection, Code::NO_MEMORY.0);
            return Ok((id, ticket));
        }
        library.is_started = true;
    }
    port::wake();
    Ok((id, ticket))
}

/// Waits for the connection.
fn finish(begun: Result<(u32, Ticket), i32>) -> i32 {
    match begun {
        Ok((_, ticket)) => {
            // An end that is under way comes first.
            let until = Until::after(END_TIME + CONNECT_TIME + SLACK);
            wait(ticket, until).unwrap_or(Code::FAILURE.0)
        }
        Err(result) => result,
    }
}

pub(crate) fn disconnect(handle: *const Handle) -> i32 {
    let id = port::locked(|library| library.find(handle).map(|(client, _)| client.id));
    let Some(id) = id else {
        return Code::INVALID_PARAM.0;
    };
    close(id);
    0
}

pub(crate) fn reconnect(handle: *const Handle) -> i32 {
    let id = port::locked(|library| library.find(handle).map(|(client, _)| client.id));
    let Some(id) = id else {
        return Code::INVALID_PARAM.0;
    };
    close(id);
    let begun = port::locked(|library| {
        let Some((client, _)) = library.find(handle) else {
            return Err(Code::DISCONNECTED.0);
        };
        if !client.is_closed() {
            return Err(fail(client, BUSY));
        }
        client.renew();
        begin(library, id)
    });
    finish(begun)
}

/// The options of a subscription, as MQTT 5.0 writes them.
fn filter(topic: &str, qos: QoS, options: u8) -> Option<Filter<'_>> {
    let retain_handling = match options & 0x30 {
        0x00 => RetainHandling::Send,
        0x10 => RetainHandling::SendIfNew,
        0x20 => RetainHandling::DoNotSend,
        _ => return None,
    };
    (options & !0x3c == 0).then_some(Filter {
        no_local: options & 0x04 != 0,
        retain_as_published: options & 0x08 != 0,
        retain_handling,
        ..Filter::new(topic, qos)
    })
}

pub(crate) fn subscribe(
    handle: *const Handle,
    topic: Option<&[u8]>,
    qos: u8,
    options: Option<u8>,
) -> i32 {
    request(
        handle,
        topic,
        |client, topic| {
            let qos = QoS::from_u8(qos).ok_or(Failure::QOS)?;
            if options.is_some() && client.kept.shape.version != Version::V5 {
                let text = "options of a subscription need MQTT 5.0";
                return Err(Failure::new(Code::WRONG_MQTT_VERSION, text));
            }
            let text = "there are no such options of a subscription";
            let unknown = Failure::new(Code::INVALID_PARAM, text);
            filter(topic, qos, options.unwrap_or(0)).ok_or(unknown)?;
            Ok(())
        },
        |client, topic| {
            let qos = QoS::from_u8(qos).unwrap_or_default();
            let filter = filter(topic, qos, options.unwrap_or(0));
            client
                .core
                .subscribe(&[filter.unwrap_or(Filter::new(topic, qos))])
        },
    )
}

pub(crate) fn unsubscribe(handle: *const Handle, topic: Option<&[u8]>) -> i32 {
    request(
        handle,
        topic,
        |_, _| Ok(()),
        |client, topic| client.core.unsubscribe(&[topic]),
    )
}

/// Sends a request and waits for the answer.
fn request(
    handle: *const Handle,
    topic: Option<&[u8]>,
    check: impl Fn(&Client, &str) -> Result<(), Failure>,
    send: impl Fn(&mut Client, &str) -> Result<PacketId, Error>,
) -> i32 {
    let until = Until::after(PATIENCE);
    let id = match enter(handle, topic, |client, topic| check(client, topic)) {
        Ok(id) => id,
        Err(result) => return result,
    };
    let topic = topic
        .and_then(|topic| str::from_utf8(topic).ok())
        .unwrap_or_default();
    loop {
        // Either the request is sent, or there was no room for it.
        let sent = port::locked(|library| {
            let Some((client, cx)) = library.get(id) else {
                return Err(Code::DISCONNECTED.0);
            };
            if !client.is_online() {
                return Err(fail(client, Failure::NOT_CONNECTED));
            }
            let (reason, request) = match send(client, topic) {
                Ok(id) => (For::Answer(id), Some(id)),
                Err(Error::Full(_)) => (For::Room, None),
                Err(error) => return Err(fail(client, Failure::core(error))),
            };
            port::wake();
            match cx.waiters.enter(id, reason) {
                Some(ticket) => Ok((ticket, request)),
                None => {
                    // Sent or not: nobody would hear of the answer.
                    Err(fail(client, BUSY))
                }
            }
        });
        let (ticket, request) = match sent {
            Ok(sent) => sent,
            Err(result) => return result,
        };
        match (wait(ticket, until), request) {
            (Some(result), Some(_)) => return result,
            (Some(_), None) => {}
            (None, _) => return give_up(id, request),
        }
    }
}

/// No answer, or no room, in time: the connection is of no use.
fn give_up(id: u32, request: Option<PacketId>) -> i32 {
    const SILENT: Failure = Failure::new(Code::FAILURE, "no answer within 10 seconds");

    port::locked(|library| {
        let Some((client, _)) = library.get(id) else {
            return Code::DISCONNECTED.0;
        };
        client.give_up(SILENT, request);
        port::wake();
        fail(client, SILENT)
    })
}

/// What requests and messages have in common before they are sent. The number of the client, or
/// with what to return.
fn enter(
    handle: *const Handle,
    topic: Option<&[u8]>,
    check: impl FnOnce(&Client, &str) -> Result<(), Failure>,
) -> Result<u32, i32> {
    port::locked(|library| {
        let Some((client, _)) = library.find(handle) else {
            return Err(Code::NO_INITED.0);
        };
        let text = "topic is NULL";
        let result = match topic.map(str::from_utf8) {
            None => Err(Failure::new(Code::INVALID_PARAM, text)),
            Some(Err(_)) => Err(Failure::TOPIC),
            Some(Ok(topic)) if topic.len() > usize::from(u16::MAX) => Err(Failure::LONG_TOPIC),
            Some(Ok(topic)) => check(client, topic),
        };
        let result = result.and_then(|()| {
            if client.is_online() {
                Ok(client.id)
            } else {
                Err(Failure::NOT_CONNECTED)
            }
        });
        result.map_err(|failure| fail(client, failure))
    })
}

pub(crate) fn publish(
    handle: *const Handle,
    topic: Option<&[u8]>,
    payload: &[u8],
    qos: u8,
    retain: bool,
) -> i32 {
    message(handle, topic, qos, |client, topic, qos| {
        let message = Message::new(topic, payload).qos(qos).retain(retain);
        client.core.publish(&message).map(|id| (id, false))
    })
}

pub(crate) fn publish_large(
    handle: *const Handle,
    topic: Option<&[u8]>,
    payload: Foreign,
    qos: u8,
    retain: bool,
) -> i32 {
    if topic.is_some_and(|topic| topic.contains(&0)) {
        const NUL: Failure = Failure::new(Code::TOPICNAME_TRUNCATED, "the topic has a NUL in it");
        return port::locked(|library| match library.find(handle) {
            Some((client, _)) => fail(client, NUL),
            None => Code::NO_INITED.0,
        });
    }
    message(handle, topic, qos, |client, topic, qos| {
        let message = Message::new(topic, payload.bytes()).qos(qos).retain(retain);
        match client.core.publish(&message) {
            Err(Error::Usage(UsageError::BufferTooSmall)) => {
                let message = Message::new(topic, &[]).qos(qos).retain(retain);
                client
                    .lend(&message, payload)
                    .map(|id| (Some(id), qos == QoS::AtMostOnce))
            }
            result => result.map(|id| (id, false)),
        }
    })
}

/// Hands a message over, and waits for room if there is none. `send` returns its identifier, and
/// whether that is only for the time until it is sent.
fn message(
    handle: *const Handle,
    topic: Option<&[u8]>,
    qos: u8,
    send: impl Fn(&mut Client, &str, QoS) -> Result<(Option<PacketId>, bool), Error>,
) -> i32 {
    let until = Until::after(PATIENCE);
    let check = |_: &Client, _: &str| QoS::from_u8(qos).map(|_| ()).ok_or(Failure::QOS);
    let id = match enter(handle, topic, check) {
        Ok(id) => id,
        Err(result) => return result,
    };
    let topic = topic
        .and_then(|topic| str::from_utf8(topic).ok())
        .unwrap_or_default();
    let qos = QoS::from_u8(qos).unwrap_or_default();
    loop {
        let sent = port::locked(|library| {
            let Some((client, cx)) = library.get(id) else {
                return Err(Code::DISCONNECTED.0);
            };
            if !client.is_online() {
                return Err(fail(client, Failure::NOT_CONNECTED));
            }
            let is_full =
                qos != QoS::AtMostOnce && client.core.in_flight() >= client.kept.shape.window;
            let result = if is_full {
                Err(mqtt_core::Resource::Window.into())
            } else {
                send(client, topic, qos)
            };
            port::wake();
            let reason = match result {
                Ok((Some(packet), true)) => For::Answer(packet),
                Ok((packet, _)) => return Err(packet.map_or(0, |packet| packet.get().into())),
                Err(Error::Full(_)) => For::Room,
                Err(error) => return Err(fail(client, Failure::core(error))),
            };
            match cx.waiters.enter(id, reason) {
                Some(ticket) => Ok((ticket, reason)),
                None => {
                    if let For::Answer(packet) = reason {
                        client.take_back(packet);
                    }
                    Err(fail(client, FULL))
                }
            }
        });
        let (ticket, reason) = match sent {
            Ok(sent) => sent,
            Err(result) => return result,
        };
        match (wait(ticket, until), reason) {
            (Some(result), For::Answer(_)) => return result,
            (Some(_), _) => {}
            (None, For::Answer(packet)) => {
                port::locked(|library| {
                    if let Some((client, _)) = library.get(id) {
                        client.take_back(packet);
                    }
                });
                return give_up(id, Some(packet));
            }
            (None, _) => {
                return port::locked(|library| match library.get(id) {
                    Some((client, _)) => fail(client, FULL),
                    None => Code::DISCONNECTED.0,
                });
            }
        }
    }
}

const FULL: Failure = Failure::new(
    Code::MAX_MESSAGES_INFLIGHT,
    "as many messages are in flight as there may be",
);
