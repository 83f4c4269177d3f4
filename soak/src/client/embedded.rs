//! The driver without a heap, on a runtime of its own, over the transports that need none either.

use std::time::Duration;

use embedded_io_async::{Read, Write};
use mqtt_client::HeapStorage;
use mqtt_client::embedded::{Client, Timer};
use mqtt_client::mqtt_core::Instant;
use testkit::Tap;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use transport_tcp::tokio::TcpStream;
use transport_tls::embedded::{Config, Link};
use transport_ws::Request;
use transport_ws::embedded::WsStream;

use super::core::Course;
use super::{Context, RECEIVE_MAXIMUM, TIMEOUT};
use crate::lane::Transport;
use crate::ledger::lock;
use crate::wire::Wire;

/// How long the orderly end may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// The time on tokio.
struct TokioTimer(tokio::time::Instant);

impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    async fn wait_until(&mut self, at: Instant) {
        sleep(at.saturating_since(self.now())).await;
    }
}

type Driver<'b> = Client<'b, TokioTimer>;

pub(crate) fn run(context: &Context) {
    let runtime = runtime();
    runtime.block_on(async {
        let mut storage = HeapStorage::new(4096, 64 * 1024, RECEIVE_MAXIMUM);
        let timer = TokioTimer(tokio::time::Instant::now());
        let mut client = Client::new(context.config(), storage.split(), timer);
        let mut course = Course::new(context);
        while !connection(context, &mut client, &mut course).await {
            sleep(Context::delay(&mut course.pace.random)).await;
        }
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// One connection, or an attempt; true if that is the end of everything.
async fn connection(context: &Context, client: &mut Driver<'_>, course: &mut Course<'_>) -> bool {
    if course.turn(client.core()) {
        return true;
    }
    lock(&context.ledger).begin();
    let (host, port) = (&context.endpoint.host, context.endpoint.port);
    let mut tcp = match TcpStream::connect(host, port, &context.options.tcp).await {
        Ok(tcp) => tcp,
        Err(error) => return failed(context, &error.to_string()),
    };
    let (reader, writer) = tcp.split();
    match context.lane.transport {
        Transport::Tcp => exchange(context, client, course, reader, writer).await,
        Transport::Tls => {
            let authorities = [&*context.authority];
            let config = Config::new(host, &authorities);
            let (mut rx, mut tx) = (vec![0; 16_640], vec![0; 4096]);
            let mut link = Link::new(reader, writer, &mut rx, &mut tx);
            let handshake = link.connect(&config, rand_core::OsRng);
            match timeout(TIMEOUT, handshake).await {
                Ok(Ok(mut stream)) => {
                    let (reader, writer) = stream.split();
                    exchange(context, client, course, reader, writer).await
                }
                Ok(Err(error)) => failed(context, &format!("{error:?}")),
                Err(_) => failed(context, "the TLS handshake takes too long"),
            }
        }
        Transport::Ws => {
            let request = Request {
                authority: host,
                path: &context.endpoint.path,
                credentials: None,
                headers: &[],
            };
            let (mut rx, mut tx) = ([0; 512], [0; 2048]);
            let random = |bytes: &mut [u8]| getrandom::fill(bytes).expect("random numbers");
            let handshake = WsStream::connect(reader, writer, &request, &mut rx, &mut tx, random);
            match timeout(TIMEOUT, handshake).await {
                Ok(Ok(mut stream)) => {
                    let (reader, writer) = stream.split();
                    exchange(context, client, course, reader, writer).await
                }
                Ok(Err(error)) => failed(context, &format!("{error:?}")),
                Err(_) => failed(context, "the WebSocket handshake takes too long"),
            }
        }
    }
}

fn failed(context: &Context, why: &str) -> bool {
    lock(&context.ledger).end(why);
    false
}

async fn exchange<R, W>(
    context: &Context,
    client: &mut Driver<'_>,
    course: &mut Course<'_>,
    reader: R,
    writer: W,
) -> bool
where
    R: Read,
    W: Write<Error = R::Error>,
{
    let wire = Wire::new(context.lane.version(), &context.ledger);
    let (reader, writer) = (Tap::new(reader, wire.clone()), Tap::new(writer, wire));
    course.begin();
    let mut connection = match client.connect(reader, writer) {
        Ok(connection) => connection,
        Err(error) => {
            course.ended::<()>(&mqtt_client::Error::Protocol(error));
            return true;
        }
    };
    loop {
        if course.turn(connection.core()) {
            if let Err(error) = connection.disconnect(FAREWELL).await {
                lock(&context.ledger).note(format!("disconnect: {error:?}"));
            }
            return true;
        }
        // What is not over in time is dropped, which loses nothing.
        match timeout(course.patience(), connection.poll()).await {
            Ok(Ok(Some((event, _)))) => course.on(&event),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                course.ended(&error);
                return false;
            }
        }
    }
}
