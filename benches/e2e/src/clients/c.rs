//! A client in C, with what it may ask for: `src/c/bench.h`.
//!
//! Each of them is a program of its own, linked with one library and its half of this.

use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use e2e::engine::{self, is_expected};
use e2e::job::{Job, Outcome, Transport, Work};
use e2e::meter::Meter;
use e2e::pace::{Latencies, Schedule};
use e2e::{CLIENT_ID, END, READY, TOPIC};

/// `struct bench_job`.
#[repr(C)]
struct CJob {
    work: c_int,
    transport: c_int,
    port: c_int,
    level: c_int,
    qos: c_int,
    window: c_int,
    nodelay: c_int,
    pause_millis: c_int,
    is_alone: bool,
    client_id: *const c_char,
    topic: *const c_char,
    ca: *const c_char,
    size: c_int,
    payload: *const u8,
}

// SAFETY: the declarations are those of `src/c/bench.h`.
unsafe extern "C" {
    fn bench_run(job: *const CJob);
    fn bench_version() -> *const c_char;
}

/// What the functions that C calls work with.
#[derive(Default)]
struct State {
    job: Option<Job>,
    payload: Vec<u8>,
    meter: Option<Meter>,
    pace: Option<(Schedule, Option<Latencies>)>,
    outcome: Outcome,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// The state; there is one while C runs.
fn with<T>(f: impl FnOnce(&mut State) -> T) -> T {
    let mut state: MutexGuard<'_, _> = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    f(state.get_or_insert_default())
}

// SAFETY, for all of these: nothing else has such a name.
#[unsafe(no_mangle)]
extern "C" fn bench_start() {
    with(|state| state.meter = state.job.as_ref().map(Meter::start));
}

#[unsafe(no_mangle)]
extern "C" fn bench_is_over() -> bool {
    with(|state| state.meter.is_none_or(|meter| meter.is_over()))
}

#[unsafe(no_mangle)]
extern "C" fn bench_stop(messages: u64) {
    with(|state| {
        state.outcome = match (state.meter, &mut state.pace) {
            (Some(meter), _) => meter.stop(messages),
            (None, Some((_, latencies))) => {
                latencies.take().map(Latencies::stop).unwrap_or_default()
            }
            (None, None) => Outcome::default(),
        };
    });
}

#[unsafe(no_mangle)]
extern "C" fn bench_wait(n: u64) -> bool {
    let schedule = with(|state| {
        let State { job, pace, .. } = state;
        let job = job.as_ref().expect("there is a job while C runs");
        pace.get_or_insert_with(|| {
            let schedule = Schedule::start(job);
            (schedule, Some(Latencies::new(schedule, job)))
        })
        .0
    });
    schedule.wait(n)
}

#[unsafe(no_mangle)]
extern "C" fn bench_end() {
    with(|state| {
        if let Some((_, Some(latencies))) = &mut state.pace {
            latencies.end();
        }
    });
}

/// # Safety
/// There are as many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn bench_check(payload: *const c_void, size: c_int) -> c_int {
    let payload = if size <= 0 {
        &[]
    } else {
        // SAFETY: the caller says so.
        unsafe { std::slice::from_raw_parts(payload.cast::<u8>(), size as usize) }
    };
    match payload {
        END => 2,
        READY => 3,
        _ => with(|state| is_expected(payload, &state.payload)).into(),
    }
}

fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let client_id = CString::new(CLIENT_ID)?;
    let topic = CString::new(TOPIC)?;
    let ca = CString::new(job.ca.clone())?;
    with(|state| {
        state.job = Some(job.clone());
        state.payload.clone_from(&payload);
    });
    let c_job = CJob {
        work: match job.work {
            Work::Publish => 0,
            Work::Receive => 1,
            Work::Latency => 2,
            Work::Slow => 3,
        },
        transport: match job.transport {
            Transport::Tcp => 0,
            Transport::Tls => 1,
            Transport::Ws => 2,
        },
        port: job.port.into(),
        level: job.level.into(),
        qos: job.qos.into(),
        window: job.window.into(),
        nodelay: job.nodelay.map_or(-1, c_int::from),
        pause_millis: job.pause_millis as c_int,
        is_alone: job.client == "loop",
        client_id: client_id.as_ptr(),
        topic: topic.as_ptr(),
        ca: ca.as_ptr(),
        size: payload.len() as c_int,
        payload: payload.as_ptr(),
    };
    // SAFETY: everything that the job points to lives until the process ends or this returns.
    unsafe { bench_run(&raw const c_job) };
    // SAFETY: it is a string that nobody changes.
    let version = unsafe { CStr::from_ptr(bench_version()) };
    let outcome = with(|state| std::mem::take(&mut state.outcome));
    let version = version.to_string_lossy().into_owned();
    println!(
        "{}",
        serde_json::to_string(&Outcome { version, ..outcome })?
    );
    // The client's threads go on with what is gone after this function.
    std::process::exit(0);
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    engine::main(run)
}
