use core::time::Duration;
use std::sync::Arc;

use ::tokio::sync::{oneshot, watch};
use bytes::Bytes;
use mqtt_core::wire::{Filter, QoS, ReasonCode};
use mqtt_core::{Acknowledgement, Config, Durability, Message, UsageError};

use super::error::{ConfigError, ConnectionError, DisconnectError, PublishError, SubscribeError};
use super::inbox::{Inbox, Overflow};
use super::options::Options;
use super::owned::Core;
use super::publication::Publication;
use super::server::Server;
use super::shared::{Answer, Closing, Phase, Shared, Wanted};
use super::status::{Connected, Stats, Status};
use super::subscription::{Received, Subscription};
use super::task;

/// How long the connection may take to end when nobody has a handle any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// A handle to an MQTT client on tokio. Clones are handles to the same one.
///
/// The connection is the business of a task. Commands never wait for it but where they say so,
/// and may be called from anywhere, from whoever handles messages, too.
///
/// - **Connection**: [`connect`](Self::connect), [`start`](Self::start),
///   [`disconnect`](Self::disconnect), [`status`](Self::status).
/// - **Messages**: [`publish`](Self::publish), [`publish_bytes`](Self::publish_bytes),
///   [`try_publish`](Self::try_publish).
/// - **Subscriptions**: [`subscribe`](Self::subscribe), [`subscribe_with`](Self::subscribe_with),
///   [`listen`](Self::listen), [`acknowledge`](Self::acknowledge).
///
/// When the last handle and the last [`Subscription`] are dropped, the connection ends with a
/// DISCONNECT. Messages that are not through are then given up: call
/// [`disconnect`](Self::disconnect) to wait for them.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

/// What handles and subscriptions keep alive.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    /// True if messages are acknowledged when they are taken.
    pub(super) is_automatic: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.wanted = Wanted::Never;
        // The next process may want what nobody has seen here.
        state.discarded.clear();
        let deadline = self.shared.now() + FAREWELL;
        state.closing.get_or_insert(Closing {
            deadline,
            is_patient: false,
            is_said: false,
            answers: Vec::new(),
        });
        state.wake();
    }
}

/// How a [`Subscription`] queues its messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubscribeOptions {
    /// How many messages may wait to be taken, besides those above QoS 0, whose number
    /// [`Options::receive_maximum`] bounds; 1024 by default. As many again may be with the
    /// [`Subscription`], which takes all at once.
    pub capacity: usize,
    /// What to do when there are more.
    pub overflow: Overflow,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            capacity: 1024,
            overflow: Overflow::Wait,
        }
    }
}

impl Client {
    /// A client without a connection, and its task. The configuration is copied; of several
    /// servers the first one that accepts is taken; [`Backoff`](super::Backoff) says in which order.
    ///
    /// With feature `net`, a user name and password in the URI of the first server are used if
    /// the configuration has none.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong with the configuration.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub fn new(
        config: &Config<'_>,
        servers: impl IntoIterator<Item = Server>,
        options: Options,
    ) -> Result<Self, ConfigError> {
        let servers: Vec<_> = servers.into_iter().collect();
        if servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        if config.durability != Durability::Ram {
            return Err(ConfigError::Durability);
        }
        let core = Core::new(&with_credentials(config, &servers), &options)?;
        let has_method = config
            .properties
            .iter()
            .any(|property| matches!(property, mqtt_core::wire::Property::AuthenticationMethod(_)));
        if has_method != options.authenticator.is_some() {
            return Err(ConfigError::Authenticator);
        }
        let shared = Arc::new(Shared::new(core, &options, config.version));
        task::spawn(Arc::clone(&shared), servers, options);
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                is_automatic: config.acknowledgement == Acknowledgement::Automatic,
            }),
        })
    }

    /// Connects, trying each server once. From then on the client keeps connected: it connects
    /// again when a connection ends, until [`disconnect`](Self::disconnect).
    ///
    /// Returns at once if there is a connection; one that is about to end is waited for. Dropping the future leaves the attempt going on.
    ///
    /// # Errors
    /// Why the last server did not accept. There are no further attempts, unless
    /// [`start`](Self::start) or an earlier success has asked for them; then this waits.
    pub async fn connect(&self) -> Result<Connected, ConnectionError> {
        let answer = {
            let mut state = self.shared().lock();
            match &state.connected {
                Some(connected) if state.phase == Phase::Online && state.closing.is_none() => {
                    return Ok(connected.clone());
                }
                _ => {}
            }
            if state.phase == Phase::Closed {
                return Err(ConnectionError::Requested);
            }
            let (sender, answer) = oneshot::channel();
            state.connect(Wanted::Once, Some(sender));
            answer
        };
        answer.await.unwrap_or(Err(ConnectionError::Requested))
    }

    /// Connects in the background, and tries again until it succeeds: [`status`](Self::status)
    /// tells how that goes.
    pub fn start(&self) {
        self.shared().lock().connect(Wanted::Always, None);
    }

    /// What the client is doing about its connection, now and whenever it changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared().status.subscribe()
    }

    /// What has happened to messages so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().lock().stats
    }

    /// Publishes a message. Resolves when it is queued, to a future of its end.
    ///
    /// Waits while [`Options::max_in_flight`] or the server's Receive Maximum is reached or the
    /// transmit buffer is full, in the order of the callers. Without a connection
    /// [`Options::offline`] says what becomes of the message, and nothing is waited for. Dropping
    /// the future before it resolves withdraws the message.
    ///
    /// # Errors
    /// The message was not taken: that it breaks a rule of the protocol or a limit of the server,
    /// or what the policy for no connection says.
    pub async fn publish(&self, message: &Message<'_>) -> Result<Publication, PublishError> {
        self.shared().publish(message, None).await
    }

    /// [`publish`](Self::publish) with the payload apart, of which a large one is not copied.
    ///
    /// # Errors
    /// Those of [`publish`](Self::publish), and [`UsageError::Payload`] if `message` has a payload
    /// of its own.
    pub async fn publish_bytes(
        &self,
        message: &Message<'_>,
        payload: Bytes,
    ) -> Result<Publication, PublishError> {
        if !message.payload.is_empty() {
            return Err(PublishError::Usage(UsageError::Payload));
        }
        self.shared().publish(message, Some(&payload)).await
    }

    /// [`publish`](Self::publish) without waiting.
    ///
    /// # Errors
    /// Those of [`publish`](Self::publish), and [`PublishError::Full`] if it would wait.
    pub fn try_publish(&self, message: &Message<'_>) -> Result<Publication, PublishError> {
        self.shared().try_publish(message)
    }

    /// Subscribes to the topics that `filter` matches.
    ///
    /// Resolves when the server has granted it; without a connection, after the next one was
    /// made. Dropping the future withdraws the subscription. The QoS that was granted may be
    /// lower: [`Subscription::granted`].
    ///
    /// # Errors
    /// That the filter breaks a rule of the protocol or a limit of the server, or that the server
    /// refuses.
    pub async fn subscribe(&self, filter: &str, qos: QoS) -> Result<Subscription, SubscribeError> {
        let options = SubscribeOptions::default();
        self.subscribe_with(&[Filter::new(filter, qos)], options)
            .await
    }

    /// [`subscribe`](Self::subscribe) to several filters at once, whose messages come in one
    /// queue.
    ///
    /// # Errors
    /// Those of [`subscribe`](Self::subscribe); that the server refuses only if it does all of
    /// them.
    pub async fn subscribe_with(
        &self,
        filters: &[Filter<'_>],
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let (sender, answer) = Answer::new(self.shared());
        let subscription = self.queue(filters, options, Some(sender))?;
        let granted = answer.await.unwrap_or(Err(SubscribeError::Closed))?;
        Ok(subscription.granted_by(granted))
    }

    /// The messages to topics that `filters` match, without asking the server for them: for a
    /// session that it has kept. Call this before [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`SubscribeError::Usage`] if a filter breaks a rule of the protocol.
    pub fn listen(
        &self,
        filters: &[Filter<'_>],
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        self.queue(filters, options, None)
    }

    fn queue(
        &self,
        filters: &[Filter<'_>],
        options: SubscribeOptions,
        answer: Option<super::routes::SubscribeAnswer>,
    ) -> Result<Subscription, SubscribeError> {
        let inbox = Arc::new(Inbox::new(options.capacity, options.overflow));
        let key = self
            .shared()
            .lock()
            .subscribe(filters, Arc::clone(&inbox), answer)?;
        Ok(Subscription::new(Arc::clone(&self.handle), key, inbox))
    }

    /// Acknowledges a message, with [`Acknowledgement::Manual`]; of several subscriptions that
    /// got it, the last one counts. Nothing happens at QoS 0, the second time, or after the
    /// connection, at QoS 2 the session, has ended: the server sends the message again.
    pub fn acknowledge(&self, message: &mut Received) {
        self.acknowledge_with(message, ReasonCode::Success);
    }

    /// [`acknowledge`](Self::acknowledge) with a reason, an error for one to turn the message
    /// down; 5.0 only. A code that does not belong to PUBACK or PUBREC counts as success.
    pub fn acknowledge_with(&self, message: &mut Received, code: ReasonCode) {
        self.shared().acknowledge(message, code);
    }

    /// Sends what is queued, waits until messages above QoS 0 are through, and ends the
    /// connection with a DISCONNECT, all of that within about `timeout`. Meanwhile no message is
    /// taken. There are no further connections until [`connect`](Self::connect) or
    /// [`start`](Self::start) is called.
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// Not everything was through. Messages above QoS 0 stay with the client, for the next
    /// connection.
    pub async fn disconnect(&self, timeout: Duration) -> Result<(), DisconnectError> {
        let answer = {
            let mut state = self.shared().lock();
            if state.phase == Phase::Closed {
                return Ok(());
            }
            state.wanted = Wanted::No;
            let (sender, answer) = oneshot::channel();
            state.disconnect(self.shared().now() + timeout, sender);
            answer
        };
        answer.await.unwrap_or(Ok(()))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

/// The configuration with the user name and password of the first server's URI, unless it has
/// its own.
fn with_credentials<'a>(config: &Config<'a>, servers: &'a [Server]) -> Config<'a> {
    #[cfg(feature = "net")]
    if config.username.is_none() && config.password.is_none() {
        if let Some(endpoint) = servers
            .first()
            .and_then(|server| server.endpoint.as_deref())
        {
            return Config {
                username: endpoint.username.as_deref(),
                password: endpoint.password.as_deref(),
                ..*config
            };
        }
    }
    let _ = servers;
    *config
}
