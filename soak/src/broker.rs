//! The brokers, which run in processes of their own, so that what they need does not count.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use testkit::{Certificates, Embedded, Listener, Listeners};

use crate::lane::{Broker, Transport};

/// The first argument of a process that is nothing but a broker.
pub(crate) const SERVE: &str = "--serve-mqtt5";

/// A broker that can be restarted.
#[derive(Debug)]
pub(crate) enum Running {
    Mosquitto(Box<Listeners>),
    Mqtt5(Mqtt5),
}

impl Running {
    /// `None`, after a message, if there is no such broker on this machine.
    pub(crate) fn start(broker: Broker) -> Option<Self> {
        match broker {
            Broker::Mosquitto => Some(Self::Mosquitto(Box::new(Listeners::persistent()?))),
            Broker::Mqtt5 => Some(Self::Mqtt5(Mqtt5::start().expect("the broker starts"))),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        match self {
            Self::Mosquitto(listeners) => listeners.address(match transport {
                Transport::Tcp => Listener::Tcp,
                Transport::Tls => Listener::Tls,
                Transport::Ws => Listener::Ws,
            }),
            Self::Mqtt5(broker) => broker.addresses[transport as usize],
        }
    }

    /// The certificate of who has signed its certificate, in DER.
    pub(crate) fn authority(&self) -> &[u8] {
        match self {
            Self::Mosquitto(listeners) => &listeners.certificates.ca.certificate_der,
            Self::Mqtt5(broker) => &broker.authority,
        }
    }

    /// Ends it, and starts it again after a while; perhaps on other ports.
    pub(crate) fn restart(&mut self, pause: Duration) {
        match self {
            Self::Mosquitto(listeners) => {
                listeners.mosquitto.terminate();
                thread::sleep(pause);
                listeners.mosquitto.start_again();
            }
            Self::Mqtt5(broker) => broker.restart(pause).expect("the broker starts again"),
        }
    }

    /// Has it stand still for a while; false if it cannot.
    pub(crate) fn freeze(&self, pause: Duration) -> bool {
        let Self::Mosquitto(listeners) = self else {
            return false;
        };
        listeners.mosquitto.freeze();
        thread::sleep(pause);
        listeners.mosquitto.thaw();
        true
    }

    /// What it says of itself.
    pub(crate) fn log(&self) -> Option<String> {
        match self {
            Self::Mosquitto(listeners) => Some(listeners.mosquitto.log()),
            Self::Mqtt5(_) => None,
        }
    }
}

/// The broker of the crate `mqtt5` in a process that ends with this one.
#[derive(Debug)]
pub(crate) struct Mqtt5 {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    authority: Vec<u8>,
    addresses: [SocketAddr; 3],
}

impl Mqtt5 {
    fn start() -> io::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut broker = Self {
            process,
            orders,
            answers,
            authority: Vec::new(),
            addresses: [SocketAddr::from(([127, 0, 0, 1], 0)); 3],
        };
        let line = broker.line()?;
        let digits = line.as_bytes().chunks_exact(2);
        broker.authority = digits
            .map(|pair| {
                str::from_utf8(pair)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .collect::<Option<_>>()
            .ok_or(io::ErrorKind::InvalidData)?;
        broker.read_addresses()?;
        Ok(broker)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn read_addresses(&mut self) -> io::Result<()> {
        for n in 0..self.addresses.len() {
            let line = self.line()?;
            self.addresses[n] = line.parse().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn restart(&mut self, pause: Duration) -> io::Result<()> {
        let orders = self.orders.as_mut().expect("it is running");
        writeln!(orders, "{}", pause.as_millis())?;
        self.read_addresses()
    }
}

impl Drop for Mqtt5 {
    fn drop(&mut self) {
        // It ends with its orders.
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

/// Is the broker: says its authority and where it listens, and starts again after so many
/// milliseconds when it is told to, with the same certificates.
#[expect(
    clippy::print_stdout,
    reason = "it is read by the process that has started this one"
)]
pub(crate) fn serve() {
    let certificates = Certificates::new();
    let authority = &certificates.ca.certificate_der;
    println!(
        "{}",
        authority
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let mut orders = io::stdin().lines();
    loop {
        let broker = Embedded::start_with(certificates.clone());
        println!("{}\n{}\n{}", broker.mqtt, broker.mqtts, broker.ws);
        let Some(Ok(pause)) = orders.next() else {
            return;
        };
        drop(broker);
        thread::sleep(Duration::from_millis(pause.parse().unwrap_or_default()));
    }
}
