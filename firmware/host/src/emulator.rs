//! QEMU with an image in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use testkit::machine::{PATIENCE, wait_for};

use crate::clients::Program;
use crate::task::{Event, Events};

/// A program for an emulated board.
#[derive(Debug)]
pub(crate) struct Image {
    /// How it is called.
    pub name: String,
    path: PathBuf,
    board: Board,
}

#[derive(Clone, Copy, Debug)]
enum Board {
    /// A Cortex-M4.
    Mps2,
    /// A RISC-V of 32 bits.
    Virt,
}

impl Image {
    /// Looks at which machine an ELF file is for.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let mut header = [0; 20];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
        read.map_err(|error| error.to_string())?;
        let board = match header[18] {
            40 => Board::Mps2,
            243 => Board::Virt,
            machine => return Err(format!("for machine {machine}, which is not known here")),
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            path: path.to_owned(),
            board,
        })
    }
}

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    program: Program,
    /// The other end of its serial port.
    pub line: TcpStream,
    monitor: BufReader<TcpStream>,
}

impl Emulator {
    /// Starts it, with these words for the image. What the image prints becomes events.
    pub(crate) fn start(image: &Image, words: &[String], events: &Events) -> Result<Self, String> {
        let line = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let monitor = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = |listener: &TcpListener| {
            let address = listener.local_addr().map_err(|e| e.to_string())?;
            Ok::<_, String>(format!("tcp:{address},nodelay=on"))
        };
        let (program, machine) = match image.board {
            Board::Mps2 => ("qemu-system-arm", &["-M", "mps2-an386"][..]),
            Board::Virt => ("qemu-system-riscv32", &["-M", "virt", "-bios", "none"][..]),
        };
        let mut semihosting = "enable=on,target=native".to_owned();
        for word in words {
            semihosting += ",arg=";
            semihosting += word;
        }
        let child = Command::new(program)
            .args(machine)
            .args(["-display", "none", "-monitor", "none"])
            .args(["-serial", &port(&line)?, "-qmp", &port(&monitor)?])
            .args(["-semihosting-config", &semihosting, "-kernel"])
            .arg(&image.path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut program = Program(child);
        let child = &mut program.0;
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stdout| Box::new(stdout) as _),
            child.stderr.take().map(|stderr| Box::new(stderr) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let events = events.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    events.send(Event::Console(line)).ok();
                }
                events.send(Event::ConsoleClosed).ok();
            });
        }
        let line = accept(&line, child)?;
        let monitor = accept(&monitor, child)?;
        monitor
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| error.to_string())?;
        let mut emulator = Self {
            program,
            line,
            monitor: BufReader::new(monitor),
        };
        emulator
            .command("qmp_capabilities")
            .map_err(|e| e.to_string())?;
        Ok(emulator)
    }

    /// Cuts its power and gives it back: processor and devices begin anew, memory stays.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        self.command("system_reset")
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the emulator to end", || {
            self.program.0.try_wait().ok().flatten()
        })
    }

    fn command(&mut self, name: &str) -> io::Result<()> {
        self.monitor
            .get_mut()
            .write_all(format!("{{\"execute\": \"{name}\"}}\n").as_bytes())?;
        // Before the answer there may be a greeting and events.
        let mut answer = String::new();
        while !answer.starts_with("{\"return\"") {
            answer.clear();
            if self.monitor.read_line(&mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

fn accept(listener: &TcpListener, child: &mut Child) -> Result<TcpStream, String> {
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    wait_for("the emulator to connect", || match listener.accept() {
        Ok((stream, _)) => Some(stream.set_nonblocking(false).map(|()| stream)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => match child.try_wait() {
            Ok(None) => None,
            _ => Some(Err(io::Error::other("the emulator has ended"))),
        },
        Err(error) => Some(Err(error)),
    })
    .and_then(|stream| {
        stream.set_nodelay(true)?;
        // An image that hangs takes nothing, and a monitor that hangs says nothing.
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    })
    .map_err(|error| error.to_string())
}
