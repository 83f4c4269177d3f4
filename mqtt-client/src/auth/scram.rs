use core::{fmt, mem};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Authenticator, Error};

/// SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the password, and neither
/// sends it.
///
/// The user name and the password are prepared with SASLprep (RFC 4013). There is no channel
/// binding, and whoever listens can try passwords on what was said: use TLS.
#[derive(Clone)]
pub struct Scram {
    /// Prepared and escaped.
    username: String,
    /// Prepared.
    password: String,
    state: State,
}

/// How far the exchange is.
#[derive(Clone)]
enum State {
    Idle,
    /// The server has the first message.
    Started {
        /// That message, without its header.
        first: String,
        nonce: String,
    },
    /// The server has our proof. This is what its own one is compared with.
    Proved(HmacSha256),
}

type HmacSha256 = Hmac<Sha256>;

/// No channel binding, no other identity to act as.
const HEADER: &str = "n,,";

impl Scram {
    /// The name of the method, for
    /// [`Property::AuthenticationMethod`](mqtt_core::wire::Property::AuthenticationMethod).
    pub const METHOD: &str = "SCRAM-SHA-256";

    /// The fewest iterations that a server may ask for, as in RFC 7677. With less, whoever poses
    /// as the server could soon guess the password from the client's proof.
    pub const MIN_ITERATIONS: u32 = 4096;

    /// The most iterations that a server may ask for. Meanwhile the thread does nothing else.
    pub const MAX_ITERATIONS: u32 = 1_000_000;

    /// An authenticator for this user.
    ///
    /// # Errors
    /// [`Error::Username`] and [`Error::Password`] for what SASLprep does not let pass.
    pub fn new(username: &str, password: &str) -> Result<Self, Error> {
        let username = stringprep::saslprep(username).or(Err(Error::Username))?;
        if username.is_empty() {
            return Err(Error::Username);
        }
        let password = stringprep::saslprep(password).or(Err(Error::Password))?;
        Ok(Self {
            username: username.replace('=', "=3D").replace(',', "=2C"),
            password: password.into_owned(),
            state: State::Idle,
        })
    }

    fn start_with(&mut self, nonce: String) -> Vec<u8> {
        let first = format!("n={},r={nonce}", self.username);
        let message = format!("{HEADER}{first}");
        self.state = State::Started { first, nonce };
        message.into_bytes()
    }
}

impl Authenticator for Scram {
    fn method(&self) -> &str {
        Self::METHOD
    }

    fn start(&mut self) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; 18];
        getrandom::fill(&mut nonce).or(Err(Error::Random))?;
        Ok(self.start_with(BASE64.encode(nonce)))
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        let State::Started { first, nonce } = mem::replace(&mut self.state, State::Idle) else {
            return Err(Error::OutOfTurn);
        };
        let server_first = text(challenge)?;
        let challenge = Challenge::parse(server_first)?;
        match challenge.nonce.strip_prefix(&*nonce) {
            None | Some("") => return Err(Error::Nonce),
            Some(_) => {}
        }
        let last = format!("c={},r={}", BASE64.encode(HEADER), challenge.nonce);
        let exchange = format!("{first},{server_first},{last}");

        let salted: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
            self.password.as_bytes(),
            &challenge.salt,
            challenge.iterations,
        );
        let client_key = hmac(&salted, b"Client Key").finalize().into_bytes();
        let stored_key = Sha256::digest(client_key);
        let signature = hmac(&stored_key, exchange.as_bytes());
        let mut proof = signature.finalize().into_bytes();
        for (byte, key) in proof.iter_mut().zip(client_key) {
            *byte ^= key;
        }
        let server_key = hmac(&salted, b"Server Key").finalize().into_bytes();
        self.state = State::Proved(hmac(&server_key, exchange.as_bytes()));
        Ok(format!("{last},p={}", BASE64.encode(proof)).into_bytes())
    }

    fn finish(&mut self, data: &[u8]) -> Result<(), Error> {
        let state = mem::replace(&mut self.state, State::Idle);
        if data.is_empty() {
            return Err(Error::MissingProof);
        }
        let (name, value, _) = attribute(text(data)?)?;
        let proof = match name {
            'v' => BASE64.decode(value).or(Err(Error::Malformed))?,
            'e' => return Err(Error::Refused),
            _ => return Err(Error::Malformed),
        };
        match state {
            // Takes the same time whichever byte is wrong.
            State::Proved(expected) => expected.verify_slice(&proof).or(Err(Error::WrongProof)),
            _ => Err(Error::WrongProof),
        }
    }
}

impl fmt::Debug for Scram {
    /// Without the password and what is made of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The server's first message.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> Challenge<'a> {
    /// Extensions at the end may be passed over, but not the one at the front.
    fn parse(message: &'a str) -> Result<Self, Error> {
        let (nonce, rest) = match attribute(message)? {
            ('r', nonce, Some(rest)) if nonce.bytes().all(|byte| byte.is_ascii_graphic()) => {
                (nonce, rest)
            }
            ('m', ..) => return Err(Error::Extension),
            ('e', ..) => return Err(Error::Refused),
            _ => return Err(Error::Malformed),
        };
        let ('s', salt, Some(rest)) = attribute(rest)? else {
            return Err(Error::Malformed);
        };
        let ('i', iterations, _) = attribute(rest)? else {
            return Err(Error::Malformed);
        };
        Ok(Self {
            nonce,
            salt: BASE64.decode(salt).or(Err(Error::Malformed))?,
            iterations: self::iterations(iterations)?,
        })
    }
}

fn iterations(number: &str) -> Result<u32, Error> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Malformed);
    }
    // What is no u32 is too large for one.
    match number.parse() {
        Ok(..Scram::MIN_ITERATIONS) => Err(Error::TooFewIterations),
        Ok(iterations @ ..=Scram::MAX_ITERATIONS) => Ok(iterations),
        _ => Err(Error::TooManyIterations),
    }
}

/// The name and the value of the first attribute, and what follows it.
fn attribute(message: &str) -> Result<(char, &str, Option<&str>), Error> {
    let (attribute, rest) = match message.split_once(',') {
        Some((attribute, rest)) => (attribute, Some(rest)),
        None => (message, None),
    };
    let (name, value) = attribute.split_once('=').ok_or(Error::Malformed)?;
    let mut name = name.chars();
    match (name.next(), name.next()) {
        (Some(name), None) => Ok((name, value, rest)),
        _ => Err(Error::Malformed),
    }
}

fn text(data: &[u8]) -> Result<&str, Error> {
    core::str::from_utf8(data).or(Err(Error::Malformed))
}

fn hmac(key: &[u8], data: &[u8]) -> HmacSha256 {
    let hmac = HmacSha256::new_from_slice(key).expect("a key of any length");
    hmac.chain_update(data)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    // The example of RFC 7677.
    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const PROOF: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn started() -> Scram {
        let mut scram = Scram::new("user", "pencil").unwrap();
        let first = scram.start_with(CLIENT_NONCE.to_owned());
        assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        scram
    }

    fn proved() -> Scram {
        let mut scram = started();
        let last = scram.answer(format!("r={NONCE},s={SALT},i=4096").as_bytes());
        let expected =
            format!("c=biws,r={NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").into();
        assert_eq!(last, Ok(expected));
        scram
    }

    /// What is said to a challenge.
    fn refusal(challenge: impl AsRef<[u8]>) -> Error {
        let mut scram = started();
        let error = scram.answer(challenge.as_ref()).unwrap_err();
        // That was the end, whatever comes.
        assert_eq!(scram.answer(b""), Err(Error::OutOfTurn));
        assert_eq!(scram.finish(PROOF.as_bytes()), Err(Error::WrongProof));
        error
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(proved().finish(PROOF.as_bytes()), Ok(()));
    }

    /// RFC 5802, section 5.1: what is not known and not mandatory is ignored, but signed.
    #[test]
    fn extensions_are_passed_over() {
        let mut scram = started();
        let challenge = format!("r={NONCE},s={SALT},i=4096,x=y");
        assert!(scram.answer(challenge.as_bytes()).is_ok());
        assert_eq!(scram.finish(PROOF.as_bytes()), Err(Error::WrongProof));
        assert_eq!(proved().finish(format!("{PROOF},x=y").as_bytes()), Ok(()));
    }

    #[test]
    fn a_server_that_cannot_prove_itself() {
        let wrong = PROOF.replace("6rri", "7rri");
        assert_eq!(proved().finish(wrong.as_bytes()), Err(Error::WrongProof));
        assert_eq!(proved().finish(b"v="), Err(Error::WrongProof));
        assert_eq!(proved().finish(b""), Err(Error::MissingProof));
        assert_eq!(proved().finish(b"e=other-error"), Err(Error::Refused));
        for malformed in ["v", "v=*", "w=AAAA", "vv=AAAA", "=", "\u{e9}"] {
            let result = proved().finish(malformed.as_bytes());
            assert_eq!(result, Err(Error::Malformed), "{malformed}");
        }
        assert_eq!(proved().finish(b"v=\xFF"), Err(Error::Malformed));
    }

    /// A proof is good for one exchange, and nothing is proved without a challenge.
    #[test]
    fn a_proof_out_of_turn() {
        let mut scram = proved();
        assert_eq!(scram.finish(PROOF.as_bytes()), Ok(()));
        assert_eq!(scram.finish(PROOF.as_bytes()), Err(Error::WrongProof));
        assert_eq!(started().finish(PROOF.as_bytes()), Err(Error::WrongProof));
        assert_eq!(started().finish(b""), Err(Error::MissingProof));
        assert_eq!(proved().answer(b""), Err(Error::OutOfTurn));
    }

    #[test]
    fn the_nonce_is_to_be_extended() {
        for nonce in [
            "",
            "rOprNGfwEbeRWgbNEkq",
            "xOprNGfwEbeRWgbNEkqOmore",
            CLIENT_NONCE,
        ] {
            let challenge = format!("r={nonce},s={SALT},i=4096");
            assert_eq!(refusal(challenge), Error::Nonce, "{nonce}");
        }
    }

    #[test]
    fn iterations_have_limits() {
        let refusal = |number| refusal(format!("r={NONCE},s={SALT},i={number}"));
        for few in ["0", "1", "4095"] {
            assert_eq!(refusal(few), Error::TooFewIterations, "{few}");
        }
        for many in [
            "1000001",
            "4294967295",
            "4294967296",
            "99999999999999999999999999",
        ] {
            assert_eq!(refusal(many), Error::TooManyIterations, "{many}");
        }
        for malformed in ["", "+4096", "-1", "4096 ", "4e3", "0x1000", "\u{664}096"] {
            assert_eq!(refusal(malformed), Error::Malformed, "{malformed}");
        }
        assert_eq!(iterations("4096"), Ok(4096));
        assert_eq!(iterations("1000000"), Ok(1_000_000));
    }

    #[test]
    fn malformed_challenges() {
        let malformed = [
            String::new(),
            ",".into(),
            "r".into(),
            format!("r={NONCE}"),
            format!("r={NONCE},s={SALT}"),
            format!("r={NONCE},i=4096,s={SALT}"),
            format!("r={NONCE},s=***,i=4096"),
            format!("r={NONCE} {NONCE},s={SALT},i=4096"),
            format!("s={SALT},r={NONCE},i=4096"),
            format!("rr={NONCE},s={SALT},i=4096"),
            format!("r={NONCE},x={SALT},i=4096"),
            format!("r={NONCE},s={SALT},x=4096"),
        ];
        for challenge in malformed {
            assert_eq!(refusal(&challenge), Error::Malformed, "{challenge}");
        }
        assert_eq!(refusal(b"r=\xFF"), Error::Malformed);
        let mandatory = format!("m=x,r={NONCE},s={SALT},i=4096");
        assert_eq!(refusal(mandatory), Error::Extension);
        assert_eq!(refusal("e=unknown-user"), Error::Refused);
    }

    #[test]
    fn each_exchange_has_a_nonce_of_its_own() {
        let mut scram = Scram::new("user", "pencil").unwrap();
        let first = scram.start().unwrap();
        assert_eq!(first.len(), "n,,n=user,r=".len() + 24);
        assert_ne!(first, scram.start().unwrap());
    }

    /// RFC 4013, section 3, and the escapes of RFC 5802, section 5.1.
    #[test]
    fn names_are_prepared() {
        for (name, prepared) in [
            ("I\u{AD}X", "IX"),
            ("USER", "USER"),
            ("\u{AA}", "a"),
            ("\u{2168}", "IX"),
            ("a=b,c", "a=3Db=2Cc"),
        ] {
            assert_eq!(Scram::new(name, "").unwrap().username, prepared);
        }
        assert_eq!(Scram::new("", "\u{2168}").err(), Some(Error::Username));
        assert_eq!(Scram::new("\u{AD}", "").err(), Some(Error::Username));
        for prohibited in ["\u{7}", "a\0", "\u{627}\u{31}", "\u{E000}"] {
            let username = Scram::new(prohibited, "pencil").err();
            assert_eq!(username, Some(Error::Username), "{prohibited:?}");
            let password = Scram::new("user", prohibited).err();
            assert_eq!(password, Some(Error::Password), "{prohibited:?}");
        }
        let scram = Scram::new("user", "\u{2168}=,").unwrap();
        assert_eq!(scram.password, "IX=,");
    }

    #[test]
    fn the_password_is_not_shown() {
        for scram in [Scram::new("user", "pencil").unwrap(), started(), proved()] {
            assert_eq!(format!("{scram:?}"), "Scram { username: \"user\", .. }");
        }
    }

    fn attribute_like() -> impl Strategy<Value = String> {
        let value = "[0-9]{0,12}|rOprNGfwEbeRWgbNEkqO.{0,5}|[A-Za-z0-9+/]{0,12}={0,2}";
        ("[rsimev]?", "=?", value, ",?")
            .prop_map(|(name, is, value, end)| name + &is + &value + &end)
    }

    /// No server passes without the password, and none makes the client panic.
    #[test]
    fn any_server_is_refused() {
        let (started, proved) = (started(), proved());
        let bytes = || vec(any::<u8>(), 0..64);
        proptest!(|(challenge in bytes(), last in bytes())| {
            prop_assert!(started.clone().answer(&challenge).is_err());
            prop_assert!(proved.clone().finish(&last).is_err());
        });
    }

    #[test]
    fn any_server_that_nearly_speaks_scram_is_refused() {
        let (started, proved) = (started(), proved());
        let attributes = || vec(attribute_like(), 0..5);
        proptest!(|(challenge in attributes(), last in attributes())| {
            let mut scram = started.clone();
            let _ = scram.answer(challenge.concat().as_bytes());
            prop_assert!(scram.finish(last.concat().as_bytes()).is_err());
            prop_assert!(proved.clone().finish(last.concat().as_bytes()).is_err());
        });
    }
}
