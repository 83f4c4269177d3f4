//! The clients of the two parties, one for each driver.

use std::thread;
use std::time::Duration;

#[cfg(feature = "embedded")]
use mqtt_client::embedded;
use mqtt_client::mqtt_core::Client as Core;
use mqtt_client::net::{self, Options};
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, Error, Event, HeapStorage, blocking};
use testkit::Tap;
#[cfg(feature = "embedded")]
use tokio::{runtime::Runtime, time::timeout};

use super::PATIENCE;
use super::tap::{Taps, Wire};
#[cfg(feature = "embedded")]
use crate::drivers::TokioTimer;

/// How long one look at a connection takes if nothing happens on it.
const TURN: Duration = Duration::from_millis(20);

/// How long there is nothing to do when there is no server.
const RETRY: Duration = Duration::from_millis(1);

/// A client, and where its server is.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: Options,
}

/// What a client comes to know.
pub(crate) trait Party {
    fn on(&mut self, event: Event<'_>, taps: &Taps);
}

/// How a client stands between two turns.
pub(crate) struct Turn<'t, 'b> {
    pub(crate) core: &'t mut Core<'b>,
    pub(crate) taps: &'t Taps,
    /// True if there is a connection.
    pub(crate) is_open: bool,
    /// True unless it has waited for a while and nothing has happened.
    pub(crate) is_busy: bool,
}

/// A client that connects whenever it has no connection.
pub(crate) trait Link<'b>: Send {
    fn new(config: Config<'b>, storage: &'b mut HeapStorage, server: Server) -> Self;

    fn taps(&self) -> &Taps;

    /// Runs the client until `is_over` says before one of its turns that it is enough. An error
    /// may only be the end of the connection.
    fn run<P: Party>(
        &mut self,
        party: &mut P,
        is_over: impl FnMut(&mut P, &mut Turn<'_, 'b>) -> bool,
    );

    /// Continues the session at another port.
    fn go(&mut self, port: u16);
}

/// True if the connection has ended, and false if that is no reason.
fn is_end<E>(error: &Error<E>) -> bool {
    matches!(error, Error::Closed | Error::Unanswered | Error::Stream(_))
}

/// The blocking driver over any transport.
pub(crate) struct Blocking<'b> {
    client: blocking::Client<'b, Tap<net::Stream, Wire>>,
    server: Server,
    is_open: bool,
    taps: Taps,
}

impl<'b> Link<'b> for Blocking<'b> {
    fn new(config: Config<'b>, storage: &'b mut HeapStorage, server: Server) -> Self {
        let taps = Taps::new(config.version);
        Self {
            client: blocking::Client::new(config, storage.split()),
            server,
            is_open: false,
            taps,
        }
    }

    fn taps(&self) -> &Taps {
        &self.taps
    }

    fn run<P: Party>(
        &mut self,
        party: &mut P,
        mut is_over: impl FnMut(&mut P, &mut Turn<'_, 'b>) -> bool,
    ) {
        let mut is_busy = true;
        loop {
            let mut turn = Turn {
                core: self.client.core(),
                taps: &self.taps,
                is_open: self.is_open,
                is_busy,
            };
            if is_over(party, &mut turn) {
                return;
            }
            is_busy = false;
            if !self.is_open {
                let Server { endpoint, options } = &self.server;
                // There may be no server at the moment, or the connection ends in a handshake.
                let Ok(stream) = net::connect(endpoint, options) else {
                    thread::sleep(RETRY);
                    continue;
                };
                let stream = Tap::new(stream, self.taps.wire());
                self.client.connect(stream).unwrap();
                self.is_open = true;
            }
            match self.client.poll(Some(TURN)) {
                Ok(Some((event, _))) => {
                    party.on(event, &self.taps);
                    is_busy = true;
                }
                Ok(None) => {}
                Err(error) if is_end(&error) => self.is_open = false,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn go(&mut self, port: u16) {
        if self.is_open {
            self.client.disconnect(PATIENCE).unwrap();
            self.is_open = false;
        }
        self.server.endpoint.port = port;
    }
}

/// The driver without a heap, over TCP. Its connection ends with each run.
#[cfg(feature = "embedded")]
pub(crate) struct Embedded<'b> {
    client: embedded::Client<'b, TokioTimer>,
    server: Server,
    taps: Taps,
    runtime: Runtime,
}

#[cfg(feature = "embedded")]
impl<'b> Link<'b> for Embedded<'b> {
    fn new(config: Config<'b>, storage: &'b mut HeapStorage, server: Server) -> Self {
        let taps = Taps::new(config.version);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            client: embedded::Client::new(config, storage.split(), TokioTimer::new()),
            server,
            taps,
            runtime,
        }
    }

    fn taps(&self) -> &Taps {
        &self.taps
    }

    fn run<P: Party>(
        &mut self,
        party: &mut P,
        mut is_over: impl FnMut(&mut P, &mut Turn<'_, 'b>) -> bool,
    ) {
        let Self {
            client,
            server: Server { endpoint, options },
            taps,
            runtime,
        } = self;
        runtime.block_on(async {
            let mut is_busy = true;
            loop {
                let mut turn = Turn {
                    core: client.core(),
                    taps,
                    is_open: false,
                    is_busy,
                };
                if is_over(party, &mut turn) {
                    return;
                }
                is_busy = false;
                let (host, port) = (&endpoint.host, endpoint.port);
                let tcp = transport_tcp::tokio::TcpStream::connect(host, port, &options.tcp).await;
                let Ok(mut tcp) = tcp else {
                    tokio::time::sleep(RETRY).await;
                    continue;
                };
                let wire = taps.wire();
                let (reader, writer) = tcp.split();
                let reader = Tap::new(reader, wire.clone());
                let mut connection = client.connect(reader, Tap::new(writer, wire)).unwrap();
                loop {
                    // What is not over in time is dropped.
                    match timeout(TURN, connection.poll()).await {
                        Ok(Ok(event)) => {
                            if let Some((event, _)) = event {
                                party.on(event, taps);
                            }
                            is_busy = true;
                        }
                        Ok(Err(error)) if is_end(&error) => break,
                        Ok(Err(error)) => panic!("{error}"),
                        Err(_) => is_busy = false,
                    }
                    let mut turn = Turn {
                        core: connection.core(),
                        taps,
                        is_open: true,
                        is_busy,
                    };
                    if is_over(party, &mut turn) {
                        return;
                    }
                }
            }
        });
    }

    fn go(&mut self, port: u16) {
        self.server.endpoint.port = port;
    }
}
