//! A broker that only answers, for any number of clients.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{Outcome, PATIENCE};

/// What it has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// How often a client has connected.
    pub(crate) connects: usize,
    /// How many messages at QoS 1 were published.
    pub(crate) publishes: usize,
}

/// It goes on until it is dropped.
pub(crate) struct Broker {
    pub(crate) port: u16,
    seen: Arc<watch::Sender<Seen>>,
    /// Connections end when it changes.
    close: Arc<watch::Sender<()>>,
    acceptor: tokio::task::JoinHandle<()>,
}

impl Broker {
    pub(crate) async fn start() -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        // All come at the same time; whoever is turned away tries again a second later.
        let listener = socket.listen(4096)?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let close = Arc::new(watch::Sender::new(()));
        let (seen_by, closed_by) = (seen.clone(), close.clone());
        let acceptor = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen_by.clone();
                let mut closed = closed_by.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = closed.changed() => {}
                        served = serve(stream, &seen) => {
                            // A client that goes is none of the broker's business.
                            drop(served);
                        }
                    }
                });
            }
        });
        Ok(Self {
            port,
            seen,
            close,
            acceptor,
        })
    }

    /// Waits until it has seen that.
    pub(crate) async fn until(&self, enough: impl Fn(&Seen) -> bool) -> Outcome<()> {
        let mut seen = self.seen.subscribe();
        if let Err(late) = timeout(PATIENCE, seen.wait_for(|seen| enough(seen))).await {
            return Err(format!("{late}: {:?}", self.seen.borrow()).into());
        }
        Ok(())
    }

    /// Ends all connections.
    pub(crate) fn close_all(&self) {
        self.close.send_replace(());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.close_all();
    }
}

async fn serve(mut stream: TcpStream, seen: &watch::Sender<Seen>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(1024);
    while stream.read_buf(&mut input).await? > 0 {
        while let Some((packet, rest)) = packet(&input) {
            let answer: &[u8] = match packet[0] & 0xf0 {
                0x10 => {
                    // Behind the header, and "MQTT" with its length.
                    if packet[2 + 6] == 5 {
                        &[0x20, 3, 0, 0, 0]
                    } else {
                        &[0x20, 2, 0, 0]
                    }
                }
                0x30 if packet[0] & 0x06 == 0x02 => {
                    let topic = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                    let id = &packet[4 + topic..];
                    &[0x40, 2, id[0], id[1]]
                }
                0xc0 => &[0xd0, 0],
                _ => &[],
            };
            stream.write_all(answer).await?;
            seen.send_modify(|seen| match packet[0] & 0xf0 {
                0x10 => seen.connects += 1,
                0x30 => seen.publishes += 1,
                _ => {}
            });
            let left = rest.len();
            input.drain(..input.len() - left);
        }
    }
    Ok(())
}

/// Splits off a packet of less than 128 bytes; there are no others here.
fn packet(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*input.get(1)?);
    assert!(len < 128, "a packet that is too long for this broker");
    input.split_at_checked(2 + len)
}
