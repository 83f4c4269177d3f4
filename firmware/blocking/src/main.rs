//! The image with a loop that blocks, directly over the core.

#![no_std]
#![no_main]

use board::println;
use cortex_m_rt::entry;
use device::blocking::{Board, run};
use device::{Application, Counters, Failure, Flash, Job, Journal, Memory, State, Task};
use modem::{Modem, Serial};
use mqtt_core::Client;

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let serial = board::start();
    match device(serial, MEMORY) {
        Ok(application) => {
            println!(
                "done: sessions resumed {}, pieces of payload {}",
                application.resumed, application.pieces
            );
            board::exit(true)
        }
        Err(failure) => {
            println!("failed: {} ({})", failure.what, failure.number);
            board::exit(false)
        }
    }
}

fn device(serial: impl Serial + Copy, memory: &'static mut Memory) -> Result<Application, Failure> {
    let mut line = [0; 80];
    let job = Job::parse(board::command_line(&mut line)).ok_or(Failure::JOB)?;
    let kept = board::kept().and_then(Counters::new);
    let (mut counters, flash) = kept.ok_or(Failure::KEPT)?;
    let start = counters.next_start();
    println!("start {start}");

    let (mut rx, buffers) = memory.split();
    let mut client = Client::new(job.config(), buffers);
    let mut journal = None;
    if job.task == Task::Journal {
        let flash = Flash::new(flash, job.power(start), board::reset);
        journal = Some(Journal::open(flash, &mut client)?);
    }
    let state = journal.as_ref().map_or_else(State::default, Journal::state);
    let mut application = Application::new(job, state);
    run(
        Board {
            now: board::now,
            wait: board::wait,
        },
        &mut Modem::new(serial),
        || counters.next_call(),
        (&mut client, &mut rx),
        &mut application,
        &mut journal,
    )?;
    Ok(application)
}
