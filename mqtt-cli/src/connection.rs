//! From options to an open connection.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::{Duration, Instant};

use mqtt_client::{Config, Event, blocking, net};
use mqtt_core::wire::{Property, QoS, Version, Will};

use crate::args::{ConnectionArgs, Place, PropertyArg, Target};
use crate::failure::Failure;
use crate::trace::Link;

/// The client of this command.
pub(crate) type Client<'b> = blocking::Client<'b, Link>;

/// How long saying goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(10);

/// How long connecting may take, and then the answer to CONNECT.
const CONNECT: Duration = Duration::from_secs(10);

/// Who we are, made from the options; what a [`Config`] borrows.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    client_id: String,
    target: Target,
    connect: Vec<Property<'a>>,
    will: Vec<Property<'a>>,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(
        args: &ConnectionArgs,
        target: Target,
        properties: &[PropertyArg<'a>],
    ) -> Self {
        let client_id = match (&args.id, &args.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            (None, None) => random_name(),
        };
        Self {
            client_id,
            target,
            connect: of(properties, Place::Connect),
            will: of(properties, Place::Will),
        }
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn config<'b>(&'b self, args: &'b ConnectionArgs) -> Config<'b> {
        let forever = if args.disable_clean_session {
            u32::MAX
        } else {
            0
        };
        let will = args.will_topic.as_deref().map(|topic| {
            let payload = args.will_payload.as_deref().unwrap_or_default();
            Will {
                qos: args.will_qos.unwrap_or(QoS::AtMostOnce),
                retain: args.will_retain,
                properties: (&*self.will).into(),
                ..Will::new(topic, payload.as_encoded_bytes())
            }
        });
        Config {
            version: args.protocol_version,
            clean_start: !args.disable_clean_session,
            session_expiry: args.session_expiry_interval.unwrap_or(forever),
            keep_alive: args.keepalive,
            will,
            properties: &self.connect,
            connect_timeout: CONNECT,
            ..self.target.endpoint.config(&self.client_id)
        }
    }
}

/// The properties for one packet.
pub(crate) fn of<'a>(properties: &[PropertyArg<'a>], place: Place) -> Vec<Property<'a>> {
    let for_place = properties.iter().filter(|property| property.0 == place);
    for_place.map(|property| property.1).collect()
}

/// A name that nobody else has; short enough for 3.1.
pub(crate) fn random_name() -> String {
    // The standard library's only source of randomness.
    format!(
        "mqtt-{:016x}",
        RandomState::new().hash_one(std::process::id())
    )
}

/// Connects and waits for the broker's consent.
pub(crate) fn open(
    client: &mut Client<'_>,
    target: &Target,
    config: &Config<'_>,
    trace: Option<Version>,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let options = net::Options {
        timeout: left(deadline).map_or(CONNECT, |left| left.min(CONNECT)),
        ..target.options.clone()
    };
    let stream = net::connect(&target.endpoint, &options).map_err(|error| {
        if is_over(deadline) && error.kind() == io::ErrorKind::TimedOut {
            Failure::timed_out()
        } else {
            Failure::connect(target, &error)
        }
    })?;
    let failed = |error| Failure::client(target, &error, true);
    client.connect(Link::new(stream, trace)).map_err(failed)?;
    loop {
        match client.poll(left(deadline)).map_err(failed)? {
            Some((Event::Connected(_), _)) => return Ok(()),
            Some((Event::Refused(connack), _)) => {
                return Err(Failure::refused(target, config, &connack));
            }
            _ if is_over(deadline) => return Err(Failure::timed_out()),
            _ => {}
        }
    }
}

/// Ends the connection in order.
pub(crate) fn close(client: &mut Client<'_>, target: &Target) -> Result<(), Failure> {
    let result = client.disconnect(GOODBYE);
    result.map_err(|error| Failure::client(target, &error, false))
}

/// How long it is until a deadline; zero if it is over.
pub(crate) fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// True if there is a deadline and it has passed.
pub(crate) fn is_over(deadline: Option<Instant>) -> bool {
    left(deadline).is_some_and(|left| left.is_zero())
}
