//! One run: a client's process against a broker.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use e2e::broker::{self, Findings};
use e2e::feeder::Feeder;
use e2e::job::{Job, Outcome, Work};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::machine::TempDir;
use testkit::{Certificates, Mosquitto};

use crate::cells::{Broker, Cell};
use crate::clients::Client;

/// How long a run may take beyond the time for which messages are begun.
const PATIENCE: Duration = Duration::from_secs(30);

/// What runs have in common.
pub(crate) struct World {
    tls: Arc<ServerConfig>,
    ca: String,
    _dir: TempDir,
    mosquitto: Option<Mosquitto>,
}

impl World {
    /// Certificates, and a mosquitto if it `has_mosquitto` to be.
    pub(crate) fn new(has_mosquitto: bool) -> Result<Self, Box<dyn Error>> {
        let certificates = Certificates::new();
        let dir = TempDir::new();
        let ca = dir.write("ca.crt", certificates.ca.certificate.as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = &certificates.server;
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(
                    server.certificate.as_bytes(),
                )?],
                PrivateKeyDer::from_pem_slice(server.key.as_bytes())?,
            )?;
        let mosquitto = has_mosquitto.then(|| {
            on_one_processor(|| {
                // The number of messages is also the Receive Maximum that it announces.
                Mosquitto::start(|_| {
                    "allow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 1000\n\
                     max_queued_messages 0\nlog_type none\nlog_type information\n"
                        .to_owned()
                })
            })
        });
        let mosquitto = mosquitto.transpose()?;
        Ok(Self {
            tls: Arc::new(tls),
            ca,
            _dir: dir,
            mosquitto: mosquitto.flatten(),
        })
    }

    /// Whether there is who answers in this cell.
    pub(crate) fn has(&self, cell: &Cell) -> bool {
        cell.broker == Broker::Null || self.mosquitto.is_some()
    }

    /// Runs a client, and checks that it has done what it says.
    pub(crate) fn run(
        &self,
        client: &Client,
        cell: &Cell,
        seconds: f64,
    ) -> Result<Outcome, Box<dyn Error>> {
        let (program, key) = client.program();
        let mut job = Job {
            client: key,
            millis: (seconds * cell.times * 1000.0) as u64,
            ca: self.ca.clone(),
            ..cell.job.clone()
        };
        if let (Broker::Mosquitto, Some(mosquitto)) = (cell.broker, &self.mosquitto) {
            job.port = mosquitto.address().port();
            let run = || through_mosquitto(program, &job).map_err(|error| error.to_string());
            return on_one_processor(run)??.checked(&job);
        }
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        job.port = listener.local_addr()?.port();
        let served: JoinHandle<std::io::Result<Findings>> = {
            let (job, tls) = (job.clone(), Arc::clone(&self.tls));
            thread::spawn(move || broker::serve(&listener, Some(&tls), &job))
        };
        let outcome = spawn(program, &job, || served.is_finished());
        let findings = served.join().map_err(|_| "the broker panicked")?;
        let (outcome, findings) = match (outcome, findings) {
            (Ok(outcome), Ok(findings)) => (outcome, findings),
            (Err(error), Ok(_)) => return Err(error),
            (Ok(_), Err(error)) => return Err(error.into()),
            (Err(client), Err(broker)) => return Err(format!("{client}; {broker}").into()),
        };
        check(&job, &outcome, &findings)?;
        outcome.checked(&job)
    }
}

/// Does something, and starts threads and processes for it, on the first of the processors. Where the
/// system puts three processes on two of them makes a factor of one and a half, and changes by itself.
fn on_one_processor<T: Send>(what: impl FnOnce() -> T + Send) -> nix::Result<T> {
    thread::scope(|scope| {
        let bound = scope.spawn(|| {
            let this = Pid::from_raw(0);
            let allowed = sched_getaffinity(this)?;
            let mut one = CpuSet::new();
            let mut numbers = 0..CpuSet::count();
            if let Some(first) = numbers.find(|&n| allowed.is_set(n) == Ok(true)) {
                one.set(first)?;
                sched_setaffinity(this, &one)?;
            }
            Ok(what())
        });
        bound
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The same to mosquitto, for which a client is the other side.
fn through_mosquitto(program: &str, job: &Job) -> Result<Outcome, Box<dyn Error>> {
    if job.work != Work::Receive {
        return spawn(program, job, || false);
    }
    let feeder = Feeder::connect(job.port)?;
    let fed = {
        let job = job.clone();
        thread::spawn(move || feeder.feed(&job))
    };
    // What the broker has queued may take a while yet.
    let outcome = spawn(program, job, || false);
    let fed = fed.join().map_err(|_| "the feeder panicked")?;
    let (outcome, fed) = match (outcome, fed) {
        (Ok(outcome), Ok(fed)) => (outcome, fed),
        (Err(error), Ok(_)) => return Err(error),
        (Ok(_), Err(error)) => return Err(error.into()),
        (Err(client), Err(feeder)) => return Err(format!("{client}; {feeder}").into()),
    };
    if outcome.messages != fed {
        return Err(format!("{} messages here, {fed} there", outcome.messages).into());
    }
    Ok(outcome)
}

/// Compares what both sides say.
fn check(job: &Job, outcome: &Outcome, findings: &Findings) -> Result<(), Box<dyn Error>> {
    let seen = match job.work {
        Work::Publish | Work::Latency => findings.published,
        Work::Receive => findings.delivered,
        // It ends while messages are on their way.
        Work::Slow => return Ok(()),
    };
    if outcome.messages != seen {
        return Err(format!("{} messages here, {seen} there", outcome.messages).into());
    }
    if findings.left > 0 {
        return Err(format!("{} identifiers are left", findings.left).into());
    }
    Ok(())
}

/// Runs the program, for not much longer than it may, or than there is a broker.
fn spawn(program: &str, job: &Job, is_alone: impl Fn() -> bool) -> Result<Outcome, Box<dyn Error>> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let text = serde_json::to_string(job)?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(text.as_bytes())?;
    drop(stdin);
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + job.duration() + PATIENCE;
    let mut alone = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let now = Instant::now();
        if is_alone() {
            alone.get_or_insert(now + Duration::from_secs(1));
        }
        if now > deadline || alone.is_some_and(|alone| now > alone) {
            end(&mut child)?;
            return Err("the client does not end".into());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = reader.join().map_err(|_| "the reader panicked")??;
    if !status.success() {
        return Err(format!("the client failed: {status}").into());
    }
    Ok(serde_json::from_str(&text)?)
}

fn end(child: &mut Child) -> std::io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}
