//! Extended authentication, the AUTH exchange of MQTT 5.0.
//!
//! An [`Authenticator`] knows a method; [`Client::connect_with`] has the driver speak it. `Scram`,
//! with feature `scram`, is SCRAM-SHA-256.
//!
//! [`Client::connect_with`]: crate::blocking::Client::connect_with

#[cfg(feature = "scram")]
mod scram;

use core::fmt;

use mqtt_core::wire::{Auth, Properties, Property, ReasonCode};
use mqtt_core::{Client, Event, UsageError};

#[cfg(feature = "scram")]
pub use scram::Scram;

/// A method of extended authentication, from the side of the client.
///
/// An exchange is one [`start`](Self::start), any number of [`answer`](Self::answer)s, and one
/// [`finish`](Self::finish), unless it breaks off. It happens once for the connection and once for
/// each re-authentication. Data that a packet does not have are the same as empty data.
///
/// A call that takes long keeps the driver from sending PINGREQ.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// The name of the method, the same as in [`Config::properties`](crate::Config::properties).
    fn method(&self) -> &str;

    /// Begins an exchange, whatever became of the last one. Returns the data for CONNECT, or for
    /// the AUTH that asks for re-authentication.
    ///
    /// # Errors
    /// There is no exchange.
    fn start(&mut self) -> Result<Vec<u8>, Error>;

    /// Answers a challenge of the server.
    ///
    /// # Errors
    /// The exchange, and with it the connection, is over.
    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error>;

    /// Checks what the server says when it accepts.
    ///
    /// # Errors
    /// The server is not what it should be, and the connection is over.
    fn finish(&mut self, data: &[u8]) -> Result<(), Error>;
}

/// Why an authentication failed on the client's side.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// [`Config::properties`](crate::Config::properties) have no authentication method, or
    /// another one than the authenticator.
    Method,
    /// The user name is empty or has characters that RFC 4013 prohibits.
    Username,
    /// The password has characters that RFC 4013 prohibits.
    Password,
    /// The operating system has no random numbers.
    Random,
    /// A step of the server's for which it is not the time.
    OutOfTurn,
    /// A message that is not of the method's form.
    Malformed,
    /// The server insists on an extension that is not known.
    Extension,
    /// The server did not add to the client's nonce, so this may be an old exchange once more.
    Nonce,
    /// So few iterations that the server could find out the password.
    TooFewIterations,
    /// So many iterations that the client would do nothing else.
    TooManyIterations,
    /// The server accepts, but does not show that it knows the password.
    MissingProof,
    /// The server does not know the password.
    WrongProof,
    /// The server says, within the method, that it does not accept.
    Refused,
    /// What an authenticator of the application has to say.
    Failed(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the configuration has another authentication method",
            Self::Username => "the user name is empty or has a prohibited character",
            Self::Password => "the password has a prohibited character",
            Self::Random => "the operating system has no random numbers",
            Self::OutOfTurn => "the server authenticates out of turn",
            Self::Malformed => "malformed authentication data",
            Self::Extension => "the server requires an unknown extension",
            Self::Nonce => "the server has not extended the nonce",
            Self::TooFewIterations => "the server asks for too few iterations",
            Self::TooManyIterations => "the server asks for too many iterations",
            Self::MissingProof => "the server has not proved that it knows the password",
            Self::WrongProof => "the server does not know the password",
            Self::Refused => "the server refuses the authentication",
            Self::Failed(reason) => reason,
        })
    }
}

impl core::error::Error for Error {}

/// An authenticator and its connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    authenticator: Box<dyn Authenticator>,
    /// True from the first data to the last.
    is_open: bool,
    /// The AUTH that is to be queued as soon as there is room.
    auth: Option<(ReasonCode, Vec<u8>)>,
}

impl Exchange {
    /// Returns the data for CONNECT, too.
    pub(crate) fn begin(
        mut authenticator: Box<dyn Authenticator>,
        core: &Client<'_>,
    ) -> Result<(Self, Vec<u8>), Error> {
        if core.authentication_method() != Some(authenticator.method()) {
            return Err(Error::Method);
        }
        let data = authenticator.start()?;
        let exchange = Self {
            authenticator,
            is_open: true,
            auth: None,
        };
        Ok((exchange, data))
    }

    /// Begins a re-authentication; false if an exchange is going on.
    pub(crate) fn begin_again(&mut self) -> Result<bool, Error> {
        if self.is_open {
            return Ok(false);
        }
        self.auth = Some((ReasonCode::ReAuthenticate, self.authenticator.start()?));
        self.is_open = true;
        Ok(true)
    }

    /// Takes what concerns it from an event. True if that is for the application, too.
    pub(crate) fn observe(&mut self, event: &Event<'_>) -> Result<bool, Error> {
        let (code, properties) = match event {
            Event::Connected(connack) => (connack.code, &connack.properties),
            Event::Auth(auth) => (auth.code, &auth.properties),
            _ => return Ok(true),
        };
        let data = data(properties);
        match code {
            ReasonCode::Success if self.is_open => {
                self.is_open = false;
                self.authenticator.finish(data)?;
                Ok(true)
            }
            ReasonCode::ContinueAuthentication if self.is_open => {
                self.auth = Some((code, self.authenticator.answer(data)?));
                Ok(false)
            }
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Queues the next AUTH, if there is one. Without room it stays for the next call.
    pub(crate) fn queue(&mut self, core: &mut Client<'_>) -> Result<(), mqtt_core::Error> {
        let Some((code, data)) = &self.auth else {
            return Ok(());
        };
        let properties = [
            Property::AuthenticationMethod(self.authenticator.method()),
            Property::AuthenticationData(data),
        ];
        let len = if data.is_empty() { 1 } else { 2 };
        let auth = Auth {
            code: *code,
            properties: properties[..len].into(),
        };
        let result = core.authenticate(&auth);
        if matches!(result, Err(mqtt_core::Error::Full(_))) {
            return Ok(());
        }
        self.auth = None;
        // The application has called `disconnect`, which no answer may follow.
        let is_late = result == Err(UsageError::NotConnected.into());
        if is_late { Ok(()) } else { result }
    }

    /// Forgets an exchange that cannot go on.
    pub(crate) fn break_off(&mut self) {
        self.is_open = false;
        self.auth = None;
    }
}

fn data<'a>(properties: &Properties<'a>) -> &'a [u8] {
    let data = properties.iter().find_map(|property| match property {
        Property::AuthenticationData(data) => Some(data),
        _ => None,
    });
    data.unwrap_or_default()
}
