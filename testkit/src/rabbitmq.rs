//! A RabbitMQ to test against.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{TempDir, missing, program};
use crate::mosquitto::free_ports;

/// Debian's; the one in `/usr/sbin` becomes another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Erlang takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A RabbitMQ with a listener for MQTT and one for MQTT over WebSocket, on 127.0.0.1, killed when
/// it is dropped. All that it keeps is in a folder of its own. The user is `guest`, or nobody.
#[derive(Debug)]
pub struct RabbitMq {
    tcp: u16,
    ws: u16,
    server: Process,
    /// Erlang's register of names; without one of ours, Erlang starts one that stays.
    _names: Process,
    dir: TempDir,
}

/// A process, killed when it is dropped.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RabbitMq {
    /// Starts it, which takes some 10 seconds. `None`, after a message, if there is none on this
    /// machine; in CI there has to be.
    pub fn start() -> Option<Self> {
        let epmd = program("epmd")?;
        if !Path::new(SERVER).is_file() {
            return missing("rabbitmq-server is");
        }
        let dir = TempDir::new();
        let [tcp, ws, names, distribution] = free_ports(4)[..] else {
            unreachable!("four ports")
        };
        dir.write("enabled_plugins", b"[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");
        let config = format!(
            "listeners.tcp = none\n\
             mqtt.listeners.tcp.1 = 127.0.0.1:{tcp}\n\
             mqtt.allow_anonymous = true\n\
             mqtt.default_user = guest\n\
             mqtt.default_pass = guest\n\
             loopback_users = none\n\
             web_mqtt.tcp.ip = 127.0.0.1\n\
             web_mqtt.tcp.port = {ws}\n\
             web_mqtt.ws_path = /mqtt\n\
             log.console = true\n"
        );
        dir.write("rabbitmq.conf", config.as_bytes());
        let path = |name: &str| dir.path().join(name);
        let mut epmd = Command::new(epmd);
        epmd.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
        let names_of = spawn(&mut epmd, &path("epmd.log"));
        let mut server = Command::new(SERVER);
        server
            .env("HOME", dir.path())
            .env("ERL_EPMD_PORT", names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", "mqtt-test@localhost")
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            // Makes the script become the server, instead of its parent.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        let mut rabbit = Self {
            tcp,
            ws,
            server: spawn(&mut server, &path("console")),
            _names: names_of,
            dir,
        };
        rabbit.wait();
        Some(rabbit)
    }

    /// Waits until it listens.
    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        for port in [self.tcp, self.ws] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                let ended = self.server.0.try_wait().unwrap();
                if ended.is_some() || Instant::now() > deadline {
                    let console = fs::read(self.dir.path().join("console")).unwrap();
                    panic!("no RabbitMQ: {}", String::from_utf8_lossy(&console));
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Where it listens for MQTT over TCP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.tcp))
    }

    /// Where it listens for MQTT over WebSocket, with the path `/mqtt`.
    pub fn ws_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ws))
    }
}

/// Starts a process that says everything to a file.
fn spawn(command: &mut Command, log: &Path) -> Process {
    let log = File::create(log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}
