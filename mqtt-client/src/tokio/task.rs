//! The task of a client: connects, and connects again.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;

use ::tokio::time::{Instant, sleep_until, timeout};
use mqtt_core::wire::ReasonCode;
use mqtt_core::{Instant as CoreInstant, Step};

use super::connection::{Connection, Ended};
use super::error::{ConnectionError, DisconnectError};
use super::options::Options;
use super::server::Server;
use super::shared::{Shared, State, Wanted};
use super::status::Status;
use crate::auth::Exchange;

pub(super) fn spawn(shared: Arc<Shared>, servers: Vec<Server>, options: Options) {
    let task = Task {
        shared: Closer(shared),
        servers,
        options,
        first: 0,
        attempt: 0,
    };
    ::tokio::spawn(task.run());
}

struct Task {
    shared: Closer,
    servers: Vec<Server>,
    options: Options,
    /// Which server to try first.
    first: usize,
    /// How many attempts were in vain.
    attempt: u32,
}

/// Closes the client at the end of its task, even if that is the end of the runtime.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.lock().close(&self.0);
        self.0.set_status(Status::Closed);
    }
}

impl Task {
    async fn run(mut self) {
        while self.is_wanted().await {
            let error = self.connect().await;
            if let Some(delay) = self.ended(error) {
                let until = Instant::now() + delay;
                self.pause(Wanted::Always, Some(until)).await;
            }
        }
    }

    /// Decides what is next after a connection, or an attempt with all servers. Returns how long
    /// to wait before the next one, if there is to be one and not at once.
    fn ended(&mut self, error: ConnectionError) -> Option<Duration> {
        let shared = &self.shared.0;
        let mut state = shared.lock();
        let is_taken_over = matches!(
            &error,
            ConnectionError::Disconnected(reason) if reason.code == ReasonCode::SessionTakenOver
        );
        if matches!(error, ConnectionError::Requested) {
            closed(&mut state, Some(&error));
            if matches!(state.wanted, Wanted::Once | Wanted::Always) {
                // Somebody has asked for the next connection since then.
                return None;
            }
        }
        if state.wanted == Wanted::Once || is_taken_over && state.wanted == Wanted::Always {
            // To take it over again from the other client would go on for ever.
            state.wanted = Wanted::No;
        }
        if state.wanted != Wanted::Always {
            let connecting = state.take_connecting();
            drop(state);
            shared.set_status(Status::Idle {
                error: Some(error.clone()),
            });
            closed(&mut shared.lock(), Some(&error));
            connecting.answer(&Err(error));
            return None;
        }
        drop(state);
        let delay = self.options.backoff.delay(self.attempt, random());
        self.attempt = self.attempt.saturating_add(1);
        shared.set_status(Status::Waiting { delay, error });
        Some(delay)
    }

    /// Waits until a connection is wanted; false if there will be none any more.
    async fn is_wanted(&mut self) -> bool {
        loop {
            let wanted = self.shared.0.lock().wanted;
            match wanted {
                Wanted::Never => return false,
                Wanted::Once | Wanted::Always => return true,
                Wanted::No => {}
            }
            self.idle();
            self.pause(Wanted::No, None).await;
        }
    }

    /// Says that no connection is wanted any more, if that is news.
    fn idle(&self) {
        let connecting = self.shared.0.lock().take_connecting();
        let idle = |status: &mut Status| match status {
            Status::Waiting { error, .. } => {
                let error = Some(error.clone());
                *status = Status::Idle { error };
                true
            }
            _ => false,
        };
        self.shared.0.status.send_if_modified(idle);
        connecting.answer(&Err(ConnectionError::Requested));
    }

    /// Waits until this moment, or until something else is wanted than `wanted`. Meanwhile
    /// messages may expire.
    async fn pause(&mut self, wanted: Wanted, until: Option<Instant>) {
        let shared = &self.shared.0;
        loop {
            let expiry = {
                let mut state = shared.lock();
                expire(shared, &mut state);
                state.core.with(|core| core.poll_timeout())
            };
            let expiry = expiry.map(|at| shared.tokio_instant(at));
            let next = [until, expiry].into_iter().flatten().min();
            let mut timer = pin!(sleep_until(next.unwrap_or_else(Instant::now)));
            let is_over = poll_fn(|cx| {
                let mut state = shared.lock();
                state.waker = Some(cx.waker().clone());
                if state.closing.is_some() {
                    closed(&mut state, None);
                }
                if state.wanted != wanted {
                    return Poll::Ready(true);
                }
                drop(state);
                if next.is_some() && timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(next == until);
                }
                Poll::Pending
            });
            if is_over.await {
                return;
            }
        }
    }

    /// Tries each server once, and stays with the first one that accepts.
    async fn connect(&mut self) -> ConnectionError {
        let mut error = ConnectionError::Requested;
        for n in 0..self.servers.len() {
            let index = (self.first + n) % self.servers.len();
            let started = Instant::now();
            let ended = self.connect_to(index).await;
            error = ended.error;
            if ended.was_accepted {
                // One that is ended at once was not really accepted: the delays go on, and
                // another server has its turn.
                if started.elapsed() > self.options.backoff.delay(self.attempt, u32::MAX) {
                    self.attempt = 0;
                    self.first = index;
                } else {
                    self.first = index + 1;
                }
                break;
            }
            if matches!(error, ConnectionError::Requested) {
                break;
            }
        }
        error
    }

    async fn connect_to(&self, index: usize) -> Ended {
        let shared = &self.shared.0;
        let failed = |error| Ended {
            was_accepted: false,
            error,
        };
        let Some(server) = self.servers.get(index) else {
            return failed(ConnectionError::Requested);
        };
        let name = server.shared_name();
        shared.set_status(Status::Connecting {
            server: Arc::clone(&name),
        });
        let exchange = match self.exchange() {
            Ok(exchange) => exchange,
            Err(error) => return failed(ConnectionError::Authentication(error)),
        };
        let opening = timeout(self.options.open_timeout, server.open());
        let stream = match self.unless_closing(opening).await {
            Some(Ok(Ok(stream))) => stream,
            Some(Ok(Err(error))) => return failed(ConnectionError::Open(error)),
            Some(Err(_)) => return failed(ConnectionError::OpenTimeout),
            None => return failed(ConnectionError::Requested),
        };
        let max_packet = self.options.max_packet;
        let connection = Connection::new(shared, name, stream, max_packet);
        connection.run(exchange).await
    }

    fn exchange(&self) -> Result<Option<(Exchange, Vec<u8>)>, crate::auth::Error> {
        let Some(make) = &self.options.authenticator else {
            return Ok(None);
        };
        let mut state = self.shared.0.lock();
        state
            .core
            .with(|core| Exchange::begin(make.make(), core))
            .map(Some)
    }

    /// What `future` gives, unless the end is asked for before.
    async fn unless_closing<F: Future>(&self, future: F) -> Option<F::Output> {
        let shared = &self.shared.0;
        let mut future = pin!(future);
        poll_fn(|cx| {
            {
                let mut state = shared.lock();
                state.waker = Some(cx.waker().clone());
                if state.closing.is_some() {
                    return Poll::Ready(None);
                }
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// Gives up what has expired without a connection.
fn expire(shared: &Shared, state: &mut State) {
    let now: CoreInstant = shared.now();
    while let Ok(Step {
        event: Some(event), ..
    }) = state.core.with(|core| core.process(&[], now))
    {
        shared.occurred(state, &event);
    }
}

/// Answers those who have asked for an orderly end.
fn closed(state: &mut State, error: Option<&ConnectionError>) {
    let Some(closing) = state.closing.take() else {
        return;
    };
    let unfinished = state.unfinished();
    let result = match error {
        _ if unfinished == 0 => Ok(()),
        None | Some(ConnectionError::Requested) => Err(DisconnectError::Unfinished(unfinished)),
        Some(error) => Err(DisconnectError::Connection(error.clone())),
    };
    for answer in closing.answers {
        let _ = answer.send(result.clone());
    }
}

/// A number that differs from client to client.
pub(super) fn random() -> u32 {
    // Without random numbers the delays are only more alike.
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
