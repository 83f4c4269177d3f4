//! Where passwords come from.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;

use super::connection::BrokerArgs;
use crate::failure::Failure;

/// No packet has a longer one.
const MAX_LEN: usize = 65_535;

/// A password of the command line, which `Debug` does not show.
#[derive(Clone)]
pub(super) struct Secret(String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The password that the options name.
pub(super) fn given(args: &BrokerArgs) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(Secret(password)) = &args.pw {
        return Ok(Some(password.as_bytes().to_vec()));
    }
    let Some(path) = &args.password_file else {
        return Ok(None);
    };
    let (what, text) = if args.takes_stdin() {
        let what = "the password from standard input".to_owned();
        (what, read(io::stdin().lock()))
    } else {
        let what = format!("the password file {}", path.display());
        (what, File::open(path).and_then(read))
    };
    match text {
        Ok(text) => Ok(Some(line(text))),
        Err(error) => Err(Failure::file(what, &error)),
    }
}

/// That of the environment variable, unless it is empty.
pub(super) fn of_the_environment() -> Option<Vec<u8>> {
    let password = env::var_os("MQTT_PASSWORD")?;
    (!password.is_empty()).then(|| password.into_encoded_bytes())
}

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // With the end of its line, and a byte that is too much.
    let limit = MAX_LEN + 3;
    from.take(limit as u64).read_to_end(&mut text)?;
    let is_too_long = text.len() == limit;
    if is_too_long {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is longer than a password can be",
        ));
    }
    Ok(text)
}

/// All of it, without the end of the line that editors and `echo` leave.
fn line(mut text: Vec<u8>) -> Vec<u8> {
    for end in [b'\n', b'\r'] {
        if text.last() == Some(&end) {
            text.pop();
        } else {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_a_line_is_left_out() {
        for (text, expected) in [
            ("", ""),
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\r", "secret\r"),
            (" secret \n\n", " secret \n"),
            ("\n", ""),
        ] {
            assert_eq!(line(text.into()), expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn passwords_have_a_limit() {
        assert_eq!(read(io::repeat(b'a').take(65_535)).unwrap().len(), MAX_LEN);
        let error = read(io::repeat(b'a')).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn passwords_are_not_shown() {
        let secret: Secret = "pencil".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "(hidden)");
    }
}
