//! What they do.

use e2e::job::{Job, Transport, Work};

/// Who answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Broker {
    /// The bench's own.
    Null,
    Mosquitto,
}

/// What every client does, each in a process of its own.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) table: &'static str,
    pub(crate) case: String,
    pub(crate) broker: Broker,
    /// Without what belongs to the client and to the run.
    pub(crate) job: Job,
    /// How many times as long as others it takes.
    pub(crate) times: f64,
    /// True if one round is enough.
    pub(crate) is_once: bool,
}

impl Cell {
    fn new(table: &'static str, job: Job) -> Self {
        let size = match job.size {
            4096 => "4 KiB".to_owned(),
            size => format!("{size} B"),
        };
        let window = match job.qos {
            0 => String::new(),
            _ => format!(", window {}", thousands(job.window.into())),
        };
        let case = match job.work {
            Work::Publish => format!("publish QoS {}, {size}{window}", job.qos),
            Work::Receive => format!("receive QoS {}, {size}{window}", job.qos),
            Work::Latency => format!(
                "publish QoS {}, {size}, {} a second",
                job.qos,
                thousands(job.rate)
            ),
            Work::Slow => format!(
                "receive QoS {}, {size}, {} ms each",
                job.qos, job.pause_millis
            ),
        };
        Self {
            table,
            case,
            broker: Broker::Null,
            job,
            times: 1.0,
            is_once: false,
        }
    }

    fn suffixed(mut self, suffix: &str) -> Self {
        self.case += suffix;
        self
    }

    /// The version as rows have it.
    pub(crate) fn version(&self) -> &'static str {
        if self.job.level == 5 { "5.0" } else { "3.1.1" }
    }
}

fn thousands(n: u32) -> String {
    match n / 1000 {
        0 => n.to_string(),
        k => format!("{k},{:03}", n % 1000),
    }
}

/// A window that receiving is not held up by.
const RECEIVE_WINDOW: u16 = 1000;

/// What is measured, what tells most of it unless it is `full`.
pub(crate) fn cells(full: bool) -> Vec<Cell> {
    let base = Job {
        client: String::new(),
        work: Work::Publish,
        transport: Transport::Tcp,
        port: 0,
        level: 5,
        qos: 0,
        size: 64,
        window: 100,
        nodelay: None,
        millis: 0,
        rate: 0,
        pause_millis: 0,
        ca: String::new(),
    };
    let levels: &[u8] = if full { &[5, 4] } else { &[5] };
    let mut cells = Vec::new();
    for &level in levels {
        let base = Job {
            level,
            ..base.clone()
        };
        let both_ways = |size: usize, qos: u8| {
            let base = Job {
                size,
                qos,
                ..base.clone()
            };
            let (work, window) = (Work::Receive, RECEIVE_WINDOW);
            [
                base.clone(),
                Job {
                    work,
                    window,
                    ..base
                },
            ]
        };

        for (size, qos) in [(64, 0), (64, 1), (64, 2), (4096, 0), (4096, 1), (4096, 2)] {
            if full || (size, qos) != (4096, 2) {
                cells.extend(both_ways(size, qos).map(|job| Cell::new("e2e/tcp", job)));
            }
        }
        for qos in [0, 1] {
            for (nodelay, suffix) in [(false, "off"), (true, "on")] {
                let nodelay = Some(nodelay);
                let job = Job {
                    qos,
                    nodelay,
                    ..base.clone()
                };
                let suffix = format!(", TCP_NODELAY {suffix}");
                cells.push(Cell::new("e2e/tcp", job).suffixed(&suffix));
            }
        }

        let windows: &[u16] = if full {
            &[1, 20, 100, 1000, 10_000, 65_535]
        } else {
            &[1, 100, 1000, 10_000, 65_535]
        };
        for &window in windows {
            let job = Job {
                qos: 1,
                window,
                ..base.clone()
            };
            cells.push(Cell::new("e2e/window", job));
        }

        for (table, transport) in [("e2e/tls", Transport::Tls), ("e2e/ws", Transport::Ws)] {
            for (size, qos) in [(64, 0), (64, 1), (64, 2), (4096, 0), (4096, 1)] {
                if full || size == 64 && qos < 2 {
                    let jobs = both_ways(size, qos);
                    cells.extend(jobs.map(|job| Cell::new(table, Job { transport, ..job })));
                }
            }
        }

        for (work, qos, window) in [
            (Work::Publish, 0, 100),
            (Work::Publish, 1, 20),
            (Work::Publish, 1, 100),
            (Work::Publish, 2, 100),
            (Work::Receive, 1, RECEIVE_WINDOW),
        ] {
            if full || qos == 1 && window >= 100 {
                let base = base.clone();
                let job = Job {
                    work,
                    qos,
                    window,
                    ..base
                };
                let cell = Cell::new("e2e/mosquitto", job);
                let broker = Broker::Mosquitto;
                cells.push(Cell { broker, ..cell });
            }
        }

        for rate in [1000, 10_000] {
            let (work, qos, window) = (Work::Latency, 1, 1000);
            let job = Job {
                work,
                qos,
                window,
                rate,
                ..base.clone()
            };
            let times = if full { 6.0 } else { 2.0 };
            cells.push(Cell {
                times,
                ..Cell::new("e2e/latency", job)
            });
        }

        for (qos, times, suffix) in [
            (0, 3.0, ""),
            (0, 9.0, ", three times as long"),
            (1, 3.0, ""),
        ] {
            if full || qos == 0 {
                let (work, size, pause_millis) = (Work::Slow, 4096, 1);
                let job = Job {
                    work,
                    qos,
                    size,
                    pause_millis,
                    ..base.clone()
                };
                let cell = Cell::new("e2e/slow", job).suffixed(suffix);
                cells.push(Cell {
                    times,
                    is_once: true,
                    ..cell
                });
            }
        }
    }
    cells
}
