//! What they do.

use e2e::job::{Job, Transport, Work};

/// What every client does, each in a process of its own.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) table: &'static str,
    pub(crate) case: String,
    /// Without the client.
    pub(crate) job: Job,
}

impl Cell {
    fn new(table: &'static str, job: Job, suffix: &str) -> Self {
        let work = match job.work {
            Work::Publish => "publish",
            Work::Receive => "receive",
        };
        let size = match job.size {
            4096 => "4 KiB".to_owned(),
            size => format!("{size} B"),
        };
        let window = match job.qos {
            0 => String::new(),
            _ => format!(", window {}", job.window),
        };
        let case = format!("{work} QoS {}, {size}{window}{suffix}", job.qos);
        Self { table, case, job }
    }

    /// The version as rows have it.
    pub(crate) fn version(&self) -> &'static str {
        if self.job.level == 5 { "5.0" } else { "3.1.1" }
    }
}

/// A window that receiving is not held up by.
const RECEIVE_WINDOW: u16 = 1000;

/// What is measured, a representative part of it unless it is `full`.
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
    };
    let levels: &[u8] = if full { &[5, 4] } else { &[5] };
    let mut cells = Vec::new();
    for &level in levels {
        for size in [64, 4096] {
            for (work, window) in [(Work::Publish, 100), (Work::Receive, RECEIVE_WINDOW)] {
                for qos in 0..=2 {
                    if !full && size > 64 && qos == 2 {
                        continue;
                    }
                    let job = Job {
                        work,
                        level,
                        qos,
                        size,
                        window,
                        ..base.clone()
                    };
                    cells.push(Cell::new("e2e/tcp", job, ""));
                }
            }
        }
        let windows: &[u16] = if full {
            &[1, 20, 100, 1000, 10_000, 65_535]
        } else {
            &[100, 1000, 65_535]
        };
        for &window in windows {
            let job = Job {
                level,
                qos: 1,
                window,
                ..base.clone()
            };
            cells.push(Cell::new("e2e/window", job, ""));
        }
    }
    cells
}
