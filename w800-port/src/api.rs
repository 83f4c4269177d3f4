//! What the functions of `wm_mqtt_client.h` do.

use core::str;

use mqtt_core::wire::{Filter, QoS, RetainHandling};
use mqtt_core::{Error, Message, Resource, UsageError};

use crate::client::{Client, END_TIME};
use crate::config::{CONNECT_TIME, Given};
use crate::error::{Code, Failure, Trouble};
use crate::ffi::Handle;
use crate::journal::Journal;
use crate::library::Library;
use crate::memory;
use crate::port::{self, Foreign};
use crate::task;
use crate::wait::{For, Ticket, Until, wait};

/// How long an answer may take, or room for another message, in milliseconds.
const PATIENCE: u32 = 10_000;

/// What the background task is given beyond the time that it keeps itself.
const SLACK: u32 = 2_000;

pub(crate) fn init(given: &Given<'_>, journal: Option<Journal>) -> Result<*mut Handle, Failure> {
    let id = port::locked(Library::next_id);
    let client = memory::build(given, id)?;
    if let Some(journal) = journal {
        if let Err(failure) = client.keep(journal) {
            memory::destroy(client);
            return Err(failure);
        }
    }
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
    failure.code().0
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
        if let Some((client, _)) = library.get(id) {
            client.forget_payloads();
        }
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
    if let Err(failure) = client.save() {
        return Err(fail(client, failure));
    }
    let Some(ticket) = cx.waiters.enter(id, For::Connection) else {
        return Err(fail(client, Failure::BUSY));
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
            return Err(fail(client, Failure::BUSY));
        }
        client.renew();
        begin(library, id)
    });
    finish(begun)
}

/// A call that is about a topic.
pub(crate) enum Call {
    Subscribe {
        qos: u8,
        /// For 5.0 alone.
        options: Option<u8>,
    },
    Unsubscribe,
    Publish {
        payload: Foreign,
        qos: u8,
        retain: bool,
        /// True if the payload stays where it is until the message is through.
        may_lend: bool,
    },
}

/// What came of it.
enum Outcome {
    /// The result of the call.
    Done(i32),
    /// It waits for this.
    Waits(For),
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

/// Has the core do it, if it can.
fn attempt(client: &mut Client, topic: Option<&[u8]>, call: &Call) -> Result<Outcome, Failure> {
    let topic = topic.ok_or(Failure::NO_TOPIC)?;
    let topic = str::from_utf8(topic).map_err(|_| Failure::TOPIC)?;
    if topic.len() > usize::from(u16::MAX) {
        return Err(Failure::LONG_TOPIC);
    }
    if topic.bytes().any(|byte| byte == 0) {
        return Err(Failure::NUL_IN_TOPIC);
    }
    let qos = match *call {
        Call::Subscribe { qos, .. } | Call::Publish { qos, .. } => qos,
        Call::Unsubscribe => 0,
    };
    let qos = QoS::from_u8(qos).ok_or(Failure::QOS)?;
    let is_online = client.is_online();
    let result = match *call {
        Call::Subscribe { options, .. } => {
            if options.is_some() && !client.kept.shape.is_v5() {
                return Err(Failure::SUBSCRIPTION_VERSION);
            }
            let filter = filter(topic, qos, options.unwrap_or(0));
            let filter = filter.ok_or(Failure::SUBSCRIPTION_OPTIONS)?;
            match is_online {
                true => client.core.subscribe(&[filter]).map(For::Answer),
                false => return Err(Failure::NOT_CONNECTED),
            }
        }
        _ if !is_online => return Err(Failure::NOT_CONNECTED),
        Call::Unsubscribe => client.core.unsubscribe(&[topic]).map(For::Answer),
        Call::Publish {
            payload,
            retain,
            may_lend,
            ..
        } => {
            let message = Message::new(topic, payload.bytes()).qos(qos).retain(retain);
            let is_kept = qos != QoS::AtMostOnce;
            let result = if is_kept && client.core.in_flight() >= client.kept.shape.window {
                Err(Resource::Window.into())
            } else {
                client.core.publish(&message)
            };
            match result {
                Ok(id) => {
                    client.save()?;
                    return Ok(Outcome::Done(id.map_or(0, |id| id.get().into())));
                }
                Err(Error::Usage(UsageError::BufferTooSmall)) if may_lend && client.may_lend() => {
                    // Until it is through, the payload is needed.
                    client.lend(&message, payload).map(For::Answer)
                }
                Err(error) => Err(error),
            }
        }
    };
    match result {
        Ok(answer) => Ok(Outcome::Waits(answer)),
        Err(Error::Full(_)) => Ok(Outcome::Waits(For::Room)),
        Err(error) => Err(Failure::core(error)),
    }
}

pub(crate) fn call(handle: *const Handle, topic: Option<&[u8]>, call: &Call) -> i32 {
    let until = Until::after(PATIENCE);
    let mut id = None;
    loop {
        let begun = port::locked(|library| {
            let (found, missing) = match id {
                None => (library.find(handle), Code::NO_INITED),
                Some(id) => (library.get(id), Code::DISCONNECTED),
            };
            let Some((client, cx)) = found else {
                return Err(missing.0);
            };
            id = Some(client.id);
            let reason = match attempt(client, topic, call) {
                Ok(Outcome::Waits(reason)) => reason,
                Ok(Outcome::Done(result)) => {
                    port::wake();
                    return Err(result);
                }
                Err(failure) => return Err(fail(client, failure)),
            };
            port::wake();
            let Some(ticket) = cx.waiters.enter(client.id, reason) else {
                client.forget(reason);
                return Err(fail(client, Failure::BUSY));
            };
            Ok((client.id, reason, ticket))
        });
        let (client, reason, ticket) = match begun {
            Ok(begun) => begun,
            Err(result) => return result,
        };
        match (wait(ticket, until), reason) {
            (Some(result), For::Answer(_)) => return result,
            (Some(_), _) => {}
            (None, _) => return give_up(client, call, reason),
        }
    }
}

/// The time is over. A connection without an answer is of no use; one without room may be.
fn give_up(id: u32, call: &Call, reason: For) -> i32 {
    port::locked(|library| {
        let Some((client, _)) = library.get(id) else {
            return Code::DISCONNECTED.0;
        };
        client.forget(reason);
        let failure = match (call, reason) {
            (Call::Publish { .. }, For::Room) => Failure::FULL,
            _ => Failure::SILENT,
        };
        if failure == Failure::SILENT {
            client.give_up(failure);
        }
        port::wake();
        fail(client, failure)
    })
}
