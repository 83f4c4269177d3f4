use embedded_io_async::{Read, Write};
use mqtt_client::embedded::{Client, Timer};
use mqtt_client::mqtt_core::Instant;
use mqtt_client::uri::Scheme;
use testkit::machine::{PATIENCE, unique};
use transport_tcp::Options;
use transport_tcp::tokio::TcpStream;
use transport_tls::embedded::{Config, Identity, Link};
use transport_ws::Request;
use transport_ws::embedded::WsStream;

use super::{Course, Job};

/// The time on tokio.
pub(crate) struct TokioTimer(tokio::time::Instant);

impl TokioTimer {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    async fn wait_until(&mut self, at: Instant) {
        tokio::time::sleep(at.saturating_since(self.now())).await;
    }
}

pub(crate) fn run(job: &Job<'_>) -> Vec<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(over(job))
}

async fn over(job: &Job<'_>) -> Vec<usize> {
    let endpoint = &job.endpoint;
    let tcp = TcpStream::connect(&endpoint.host, endpoint.port, &Options::default()).await;
    let mut tcp = tcp.unwrap();
    let (reader, writer) = tcp.split();
    match endpoint.scheme {
        Scheme::Mqtt => exchange(job, reader, writer).await,
        Scheme::Ws => over_ws(job, reader, writer).await,
        Scheme::Mqtts | Scheme::Wss => over_tls(job, reader, writer).await,
    }
}

async fn over_tls<R, W>(job: &Job<'_>, reader: R, writer: W) -> Vec<usize>
where
    R: Read,
    W: Write<Error = R::Error>,
{
    let authorities = [&*job.certificates.ca.certificate_der];
    let config = Config {
        identity: Some(Identity {
            certificate: &job.certificates.client.certificate_der,
            key: &job.certificates.client.key_der,
        }),
        ..Config::new(&job.endpoint.host, &authorities)
    };
    let (mut rx, mut tx) = ([0; 16_640], [0; 4096]);
    let mut link = Link::new(reader, writer, &mut rx, &mut tx);
    let mut stream = link.connect(&config, rand_core::OsRng).await.unwrap();
    let (reader, writer) = stream.split();
    if job.endpoint.scheme.is_ws() {
        return over_ws(job, reader, writer).await;
    }
    exchange(job, reader, writer).await
}

async fn over_ws<R, W>(job: &Job<'_>, reader: R, writer: W) -> Vec<usize>
where
    R: Read,
    W: Write<Error = R::Error>,
{
    let request = Request {
        authority: &job.endpoint.host,
        path: &job.endpoint.path,
        credentials: None,
        headers: &[],
    };
    let (mut rx, mut tx) = ([0; 512], [0; 2048]);
    // The same bytes each time mask as well as any.
    let random = |bytes: &mut [u8]| bytes.fill(0xA5);
    let stream = WsStream::connect(reader, writer, &request, &mut rx, &mut tx, random).await;
    let mut stream = stream.unwrap();
    let (reader, writer) = stream.split();
    exchange(job, reader, writer).await
}

async fn exchange<R, W>(job: &Job<'_>, reader: R, writer: W) -> Vec<usize>
where
    R: Read,
    W: Write<Error = R::Error>,
{
    let id = unique("embedded");
    let mut storage = job.storage();
    let mut client = Client::new(job.config(&id), storage.split(), TokioTimer::new());
    let mut connection = client.connect(reader, writer).unwrap();
    let mut course = Course::new(job);
    let all = async {
        while !course.is_over() {
            if let Some((event, core)) = connection.poll().await.unwrap() {
                course.on(event, core);
            }
            course.publish(connection.core());
        }
        connection.disconnect(PATIENCE).await.unwrap();
    };
    let is_over = tokio::time::timeout(job.patience, all).await.is_ok();
    assert!(is_over, "{}", course.progress());
    course.received
}
