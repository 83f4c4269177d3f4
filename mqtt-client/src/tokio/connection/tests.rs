//! Moments between two steps of others, which no test from outside can hold.

use mqtt_core::Config;
use mqtt_core::wire::{
    Ack, ConnAck, Filter, Packet, PacketId, Properties, Publish, QoS, SubAck, Version,
};

use super::super::inbox::Overflow;
use super::super::options::Options;
use super::super::owned::Core;
use super::super::shared::Answer;
use super::*;

fn encoded<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let packet = packet.into();
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

/// A connection without a task, that does a step when it is told to.
struct Steps<'t> {
    shared: &'t Arc<Shared>,
    connection: Connection<'t>,
}

impl<'t> Steps<'t> {
    fn new(shared: &'t Arc<Shared>) -> Self {
        let (stream, _) = ::tokio::io::duplex(1024);
        let mut connection = Connection::new(shared, "server".into(), Box::new(stream), 1024);
        connection.begin(None).unwrap();
        let mut steps = Self { shared, connection };
        steps.sent();
        steps.receive(&encoded(ConnAck::new(false, ReasonCode::Success)));
        steps
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.connection.received.extend_from_slice(bytes);
        let now = self.shared.now();
        let mut state = self.shared.lock();
        self.connection.digest(&mut state, now);
    }

    /// What leaves with the next write.
    fn sent(&mut self) -> Vec<u8> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        self.connection.feed(&mut state, now);
        state.core.with(|core| {
            let bytes = core.transmit().to_vec();
            core.transmitted(bytes.len(), now);
            bytes
        })
    }
}

/// Whoever drops a subscription closes its queue and then removes its route. A message above QoS 0
/// that comes between the two is acknowledged, or it would count as in flight for ever.
#[::tokio::test(start_paused = true)]
async fn a_message_for_a_subscription_that_is_being_dropped_is_acknowledged() {
    let config = Config::new("c");
    let options = Options::default();
    let core = Core::new(&config, &options).unwrap();
    let shared = Arc::new(Shared::new(core, &options, Version::V5));
    let mut steps = Steps::new(&shared);
    let filter = Filter::new("t", QoS::AtLeastOnce);
    let inbox = Arc::new(Inbox::new(8, Overflow::Wait));
    let answer = Some(Answer::to_nobody());
    let key = shared
        .lock()
        .subscribe(&[filter], Arc::clone(&inbox), answer)
        .unwrap();
    let subscribe = steps.sent();
    let Some((Packet::Subscribe(subscribe), _)) = Packet::decode(&subscribe, Version::V5).unwrap()
    else {
        panic!("{subscribe:?}");
    };
    steps.receive(&encoded(SubAck {
        packet_id: subscribe.packet_id,
        properties: Properties::EMPTY,
        codes: [ReasonCode::GrantedQoS1].as_slice().into(),
    }));

    inbox.close();
    let id = PacketId::new(1).unwrap();
    steps.receive(&encoded(Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id),
        ..Publish::new("t", b"late")
    }));
    shared.lock().unsubscribe(key, None);
    let sent = steps.sent();
    assert!(
        sent.starts_with(&encoded(Packet::PubAck(Ack::new(id)))),
        "{sent:?}"
    );
}
