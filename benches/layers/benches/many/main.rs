//! A thousand idle connections in one process: what they take of memory, and how long it takes to
//! make them all, and to make them all again after the server has closed every one.
//!
//! Each kind of client runs in a process of its own, which does as it is told on its standard input;
//! the broker, which only answers, is here. All have the shortest delays before they connect again
//! that they can be given, but where the row says otherwise.
//!
//!     cargo bench -p layers --bench many                     # all
//!     cargo bench -p layers --bench many -- tokio            # those whose name has this
//!
//! `BENCH_QUICK` makes it a tenth of the connections.

mod broker;
mod heap;
mod kinds;
mod state;

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use record::Row;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use broker::Broker;
use kinds::{KINDS, Kind};
use state::State;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long clients are left alone before they are looked at.
const REST: Duration = Duration::from_millis(300);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    // Each connection is a file.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard)?;

    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    if let ["--child", kind, port, count] = args[..] {
        return (KINDS[kind.parse::<usize>()?].run)(port.parse()?, count.parse()?);
    }
    let is_quick = std::env::var_os("BENCH_QUICK").is_some();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for (at, kind) in KINDS.iter().enumerate() {
            let name = (kind.name)();
            if args.iter().all(|text| name.contains(text)) {
                let measured = measure(at, &name, kind, is_quick).await;
                measured.map_err(|error| format!("{name}: {error}"))?;
            }
        }
        Ok(())
    })
}

/// A client's process.
struct Process {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn order(&mut self, order: &str) -> Outcome<()> {
        Ok(self
            .orders
            .write_all(format!("{order}\n").as_bytes())
            .await?)
    }

    async fn state(&mut self) -> Outcome<State> {
        let line = timeout(PATIENCE, self.answers.next_line()).await??;
        Ok(serde_json::from_str(&line.ok_or("it has ended")?)?)
    }
}

async fn measure(at: usize, name: &str, kind: &Kind, is_quick: bool) -> Outcome<()> {
    let count = if is_quick {
        kind.connections / 10
    } else {
        kind.connections
    };
    let broker = Broker::start().await?;
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "--child",
            &at.to_string(),
            &broker.port.to_string(),
            &count.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut process = Process {
        orders: child.stdin.take().ok_or("no standard input")?,
        answers: BufReader::new(child.stdout.take().ok_or("no standard output")?).lines(),
    };
    let before = process.state().await?;

    let began = Instant::now();
    process.order("connect").await?;
    broker.until(|seen| seen.connects == count).await?;
    let connect = began.elapsed();
    // Now each has used its connection.
    process.order("publish").await?;
    broker.until(|seen| seen.publishes == count).await?;
    sleep(REST).await;
    process.order("state").await?;
    let idle = process.state().await?;

    let took = |wall: Duration, from: &State, to: &State| {
        [
            ("ms".to_owned(), wall.as_secs_f64() * 1e3),
            (
                "ms of processor".to_owned(),
                to.processor_ms - from.processor_ms,
            ),
        ]
    };
    let heap = (idle.heap - before.heap) as f64 / 1024.0;
    let resident = idle.resident_kib - before.resident_kib;
    let each = |all: f64| all / count as f64;
    println!(
        "{:44} {:8.1} KiB of heap and {:6.1} KiB resident each; connected in {:.0} ms",
        name,
        each(heap),
        each(resident),
        connect.as_secs_f64() * 1e3,
    );
    let connections = match count {
        1000 => "1,000".to_owned(),
        count => count.to_string(),
    };
    let row = |table: &str, case: &str, values| Row {
        table: table.to_owned(),
        case: format!("{case}{connections} connections"),
        version: kind.version.to_owned(),
        client: name.to_owned(),
        values,
    };
    let memory = [
        ("KiB of heap/connection".to_owned(), each(heap)),
        ("KiB resident/connection".to_owned(), each(resident)),
        ("MiB resident".to_owned(), resident / 1024.0),
    ];
    row("many/memory", "idle, ", memory.into()).write()?;
    row(
        "many/reconnect",
        "connect ",
        took(connect, &before, &idle).into(),
    )
    .write()?;

    if kind.reconnects {
        let began = Instant::now();
        broker.close_all();
        broker.until(|seen| seen.connects == 2 * count).await?;
        let reconnect = began.elapsed();
        process.order("publish").await?;
        broker.until(|seen| seen.publishes == 2 * count).await?;
        process.order("state").await?;
        let again = process.state().await?;
        println!(
            "{:44} connected again in {:.0} ms",
            "",
            reconnect.as_secs_f64() * 1e3
        );
        row(
            "many/reconnect",
            "reconnect ",
            took(reconnect, &idle, &again).into(),
        )
        .write()?;
    }
    drop(process);
    child.kill().await?;
    Ok(())
}
