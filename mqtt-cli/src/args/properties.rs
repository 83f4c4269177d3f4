//! `-D PACKET NAME VALUE`: properties of 5.0.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use mqtt_core::wire::{Property, TopicName};

/// The packet that a property goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
}

/// A property, and the packet that it goes to.
pub(crate) type PropertyArg<'a> = (Place, Property<'a>);

/// All properties of a command line, a packet, a name and a value or two each.
#[derive(Debug)]
pub(super) struct PropertyArgs(pub(super) Vec<Vec<String>>);

const HELP: &str = "\
A property of a packet; 5.0 only. PACKET is connect, publish, subscribe, unsubscribe or will; \
NAME is as in the standard, such as content-type; user-property has two values";

// By hand, because the derive macro does not tell where one occurrence ends.
impl Args for PropertyArgs {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new("property")
                .short('D')
                .long("property")
                .num_args(3..=4)
                .value_names(["PACKET", "NAME", "VALUE"])
                .action(ArgAction::Append)
                .help(HELP),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PropertyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let occurrences = matches.get_occurrences("property").into_iter().flatten();
        Ok(Self(
            occurrences.map(|words| words.cloned().collect()).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl PropertyArgs {
    pub(super) fn parse(&self) -> Result<Vec<PropertyArg<'_>>, String> {
        parse(&self.0)
    }
}

fn parse(args: &[Vec<String>]) -> Result<Vec<PropertyArg<'_>>, String> {
    let mut properties = Vec::new();
    for arg in args {
        let property = one(arg).map_err(|why| format!("--property {}: {why}", arg.join(" ")))?;
        let is_repeated = properties
            .iter()
            .any(|&(place, other)| place == property.0 && is_same(&property.1, &other));
        if is_repeated {
            return Err(format!("--property {}: it is there twice", arg.join(" ")));
        }
        properties.push(property);
    }
    Ok(properties)
}

/// True for two of a kind of which there must be one only.
fn is_same(a: &Property<'_>, b: &Property<'_>) -> bool {
    !matches!(a, Property::UserProperty(..))
        && core::mem::discriminant(a) == core::mem::discriminant(b)
}

fn one(arg: &[String]) -> Result<PropertyArg<'_>, String> {
    let (packet, name, value, second) = match arg {
        [packet, name, value] => (packet, name, value, None),
        [packet, name, value, second] => (packet, name, value, Some(second)),
        _ => return Err("it wants a packet, a name and a value".to_owned()),
    };
    let place = match packet.to_ascii_lowercase().as_str() {
        "connect" => Place::Connect,
        "publish" => Place::Publish,
        "subscribe" => Place::Subscribe,
        "unsubscribe" => Place::Unsubscribe,
        "will" => Place::Will,
        _ => {
            return Err(
                "the packets are connect, publish, subscribe, unsubscribe and will".to_owned(),
            );
        }
    };
    let name = name.to_ascii_lowercase();
    if let "user-property" = &*name {
        let Some(second) = second else {
            return Err("a user property has a name and a value".to_owned());
        };
        let _ = (text(value)?, text(second)?);
        return Ok((place, Property::UserProperty(value, second)));
    }
    if second.is_some() {
        return Err("there is one value too many".to_owned());
    }
    let is_message = matches!(place, Place::Publish | Place::Will);
    let property = match &*name {
        "payload-format-indicator" if is_message => Property::PayloadFormatIndicator(flag(value)?),
        "message-expiry-interval" if is_message => Property::MessageExpiryInterval(number(value)?),
        "content-type" if is_message => Property::ContentType(text(value)?),
        "response-topic" if is_message => match TopicName::new(value) {
            Ok(topic) => Property::ResponseTopic(topic.as_str()),
            Err(error) => return Err(error.to_string()),
        },
        "correlation-data" if is_message => Property::CorrelationData(text(value)?.as_bytes()),
        "will-delay-interval" if place == Place::Will => {
            Property::WillDelayInterval(number(value)?)
        }
        "subscription-identifier" if place == Place::Subscribe => match number(value)? {
            id @ 1..=268_435_455 => Property::SubscriptionIdentifier(id),
            _ => return Err("it is a number from 1 to 268435455".to_owned()),
        },
        "request-problem-information" if place == Place::Connect => {
            Property::RequestProblemInformation(flag(value)?)
        }
        "request-response-information" if place == Place::Connect => {
            Property::RequestResponseInformation(flag(value)?)
        }
        "maximum-packet-size" if place == Place::Connect => match number(value)? {
            0 => return Err("it is a number from 1 to 4294967295".to_owned()),
            size => Property::MaximumPacketSize(size),
        },
        _ => return Err(format!("there is no property {name} for {packet} here")),
    };
    Ok((place, property))
}

fn text(value: &str) -> Result<&str, String> {
    if value.len() <= 0xFFFF && !value.contains('\0') {
        Ok(value)
    } else {
        Err("a value has at most 65,535 bytes, none of them zero".to_owned())
    }
}

fn number(value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| "it is a number from 0 to 4294967295".to_owned())
}

fn flag(value: &str) -> Result<bool, String> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("it is 0 or 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(lines: &[&str]) -> Vec<Vec<String>> {
        let words = |line: &&str| line.split(' ').map(str::to_owned).collect();
        lines.iter().map(words).collect()
    }

    #[test]
    fn good() {
        let args = args(&[
            "publish user-property a b",
            "publish user-property a b",
            "PUBLISH Content-Type text/plain",
            "will content-type text/html",
            "subscribe subscription-identifier 7",
        ]);
        assert_eq!(
            parse(&args),
            Ok(vec![
                (Place::Publish, Property::UserProperty("a", "b")),
                (Place::Publish, Property::UserProperty("a", "b")),
                (Place::Publish, Property::ContentType("text/plain")),
                (Place::Will, Property::ContentType("text/html")),
                (Place::Subscribe, Property::SubscriptionIdentifier(7)),
            ])
        );
    }

    #[test]
    fn bad() {
        for lines in [
            &["publish user-property a"][..],
            &["publish content-type a b"],
            &["connect content-type a"],
            &["publish topic-alias 1"],
            &["puback reason-string a"],
            &["publish response-topic a/+"],
            &["publish payload-format-indicator 2"],
            &["subscribe subscription-identifier 0"],
            &["publish content-type a", "publish content-type b"],
        ] {
            assert!(parse(&args(lines)).is_err(), "{lines:?}");
        }
    }
}
