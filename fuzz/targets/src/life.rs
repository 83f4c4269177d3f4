//! The whole client, a model of a broker and a reference model of what becomes of messages: what the
//! random run of `mqtt-core` does, steered by the fuzzer.

use arbitrary::{Arbitrary, Result, Unstructured};
use mqtt_core::wire::Version;

#[expect(
    clippy::collapsible_if,
    clippy::manual_is_multiple_of,
    reason = "it builds with older compilers, too"
)]
#[path = "../../../mqtt-core/tests/it/client/random/simulation/mod.rs"]
mod simulation;

use simulation::{Step, Terms, World, qos, simulate};

/// More steps find no more, and take longer.
const MOST_STEPS: usize = 250;

/// Whatever [`arbitrary`] makes of the input.
pub(crate) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(world) = world(&mut u) else {
        return;
    };
    let mut steps = Vec::new();
    while steps.len() < MOST_STEPS && !u.is_empty() {
        match step(&mut u) {
            Ok(step) => steps.push(step),
            Err(_) => break,
        }
    }
    simulate(world, steps);
}

fn world(u: &mut Unstructured<'_>) -> Result<World> {
    let is_v5 = bool::arbitrary(u)?;
    Ok(World {
        version: if is_v5 { Version::V5 } else { Version::V311 },
        durable: bool::arbitrary(u)?,
        manual: bool::arbitrary(u)?,
        assigned: is_v5 && u.ratio(1, 4)?,
        forgetful: bool::arbitrary(u)?,
        rx: u.int_in_range(48..=139)?,
        tx: u.int_in_range(72..=599)?,
        slots: u.int_in_range(1..=8)?,
        inbound: u.int_in_range(1..=5)?,
        aliases_in: u.int_in_range(0..=4)?,
        aliases_out: u.int_in_range(0..=79)?,
        automatic_aliases: bool::arbitrary(u)?,
    })
}

fn terms(u: &mut Unstructured<'_>) -> Result<Terms> {
    let strict = u.int_in_range(0..=3)?;
    Ok(Terms {
        keep: u.ratio(2, 3)?,
        accept: u.ratio(15, 16)?,
        receive_maximum: u.int_in_range(1..=8)?,
        maximum_packet_size: if strict == 0 {
            u.int_in_range(24..=199)?
        } else {
            u32::MAX
        },
        maximum_qos: qos(if strict == 1 {
            u.int_in_range(0..=2)?
        } else {
            2
        }),
        topic_alias_maximum: u.int_in_range(0..=3)?,
    })
}

fn times(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(if u.ratio(1, 6)? {
        u.int_in_range(0..=2)?
    } else {
        usize::MAX
    })
}

fn bytes(u: &mut Unstructured<'_>) -> Result<usize> {
    let most = if bool::arbitrary(u)? { 9 } else { 399 };
    u.int_in_range(1..=most)
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u.int_in_range(0..=31)? {
        0..=4 => Step::Publish {
            qos: u.int_in_range(0..=2)?,
            len: u.int_in_range(0..=119)?,
            lent: u.ratio(1, 5)?,
            interval: if u.ratio(1, 4)? {
                Some(u.int_in_range(1..=19)?)
            } else {
                None
            },
            alias: if u.ratio(1, 4)? {
                u.int_in_range(1..=4)?
            } else {
                0
            },
        },
        5 => Step::Subscribe,
        6 => Step::Unsubscribe,
        7..=10 => Step::Send(bytes(u)?),
        11..=14 => Step::Receive(bytes(u)?, times(u)?),
        15 => Step::Tick(u.int_in_range(0..=5_999)?),
        16 | 17 => Step::Acknowledge {
            which: u.int_in_range(0..=7)?,
            refuse: u.ratio(1, 8)?,
            with_reason: u.ratio(1, 8)?,
        },
        18..=20 => Step::Answer {
            which: u.int_in_range(0..=7)?,
            refuse: u.ratio(1, 8)?,
        },
        21..=23 => Step::BrokerPublish {
            qos: u.int_in_range(0..=2)?,
            len: u.int_in_range(0..=119)?,
            with_alias: bool::arbitrary(u)?,
        },
        24 | 25 => Step::Journal(times(u)?),
        26 => Step::Compact,
        27 => Step::Run(u.int_in_range(1..=5)?),
        28 => Step::Reconnect {
            terms: terms(u)?,
            rest: bool::arbitrary(u)?,
            later: u.ratio(1, 5)?,
        },
        29 => Step::PowerCut {
            written: u.int_in_range(0..=3)?,
            terms: terms(u)?,
            later: u.ratio(1, 8)?,
        },
        30 => Step::Disconnect(terms(u)?),
        _ => Step::BrokerDisconnect,
    })
}
