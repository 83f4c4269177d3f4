//! One run: a client's process against a broker on a thread of this one.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use e2e::broker;
use e2e::job::{Job, Outcome, Work};

use crate::cells::Cell;
use crate::clients::Client;

/// How long a run may take beyond the time for which messages are begun.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a client, and checks that it has done what it says.
pub(crate) fn run(client: &Client, cell: &Cell, seconds: f64) -> Result<Outcome, Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let job = Job {
        client: client.key.to_owned(),
        port: listener.local_addr()?.port(),
        millis: (seconds * 1000.0) as u64,
        ..cell.job.clone()
    };
    let mut child = Command::new(client.program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let text = serde_json::to_string(&job)?;
    child
        .stdin
        .take()
        .ok_or("no standard input")?
        .write_all(text.as_bytes())?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let served = {
        let job = job.clone();
        thread::spawn(move || broker::serve(&listener, &job))
    };
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + Duration::from_millis(job.millis) + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        // A broker that has given up says why.
        if Instant::now() > deadline || served.is_finished() && is_stuck(&mut child)? {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let findings = served.join().map_err(|_| "the broker panicked")??;
    let text = reader.join().map_err(|_| "the reader panicked")??;
    if !status.is_some_and(|status| status.success()) {
        return Err("the client failed".into());
    }
    let outcome: Outcome = serde_json::from_str(&text)?;
    let seen = match job.work {
        Work::Publish => findings.published,
        Work::Receive => findings.delivered,
    };
    if outcome.messages != seen {
        return Err(format!("{} messages here, {seen} there", outcome.messages).into());
    }
    if findings.left > 0 {
        return Err(format!("{} identifiers are left", findings.left).into());
    }
    if outcome.messages == 0 {
        return Err("no message".into());
    }
    Ok(outcome)
}

/// True if the process goes on for a second though there is no broker any more.
fn is_stuck(child: &mut std::process::Child) -> std::io::Result<bool> {
    for _ in 0..200 {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}
