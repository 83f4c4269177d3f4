use core::fmt;
#[cfg(feature = "std")]
use core::str::FromStr;

/// The SHA-256 hash of a certificate's public key (its `SubjectPublicKeyInfo`, DER encoded).
///
/// A renewed certificate for the same key has the same pin. Its text form is that of curl and of
/// HPKP, `sha256/` and the hash in base64; `openssl` computes one by
///
/// ```text
/// openssl x509 -in server.crt -pubkey -noout | openssl pkey -pubin -outform der |
///     openssl dgst -sha256 -binary | openssl base64
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Makes a pin of the hash itself.
    #[must_use]
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// Returns the hash itself.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the pin of a certificate in DER.
    ///
    /// # Errors
    ///
    /// Fails when it is no certificate.
    #[cfg(feature = "std")]
    pub fn of_certificate(der: &[u8]) -> Result<Self, rustls::Error> {
        use sha2::Digest;

        let der = rustls::pki_types::CertificateDer::from(der);
        let certificate = rustls::server::ParsedCertificate::try_from(&der)?;
        let info = certificate.subject_public_key_info();
        Ok(Self(sha2::Sha256::digest(&info).into()))
    }
}

#[cfg(feature = "std")]
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::display::Base64Display;
        use base64::prelude::BASE64_STANDARD;

        write!(
            f,
            "sha256/{}",
            Base64Display::new(&self.0, &BASE64_STANDARD)
        )
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Reads `sha256/BASE64`, or with two slashes as curl writes it.
#[cfg(feature = "std")]
impl FromStr for Pin {
    type Err = PinError;

    fn from_str(s: &str) -> Result<Self, PinError> {
        use base64::Engine;
        use base64::prelude::BASE64_STANDARD;

        let hash = s.strip_prefix("sha256/").ok_or(PinError)?;
        let hash = hash
            .strip_prefix('/')
            .filter(|h| h.len() == 44)
            .unwrap_or(hash);
        let hash = BASE64_STANDARD.decode(hash).map_err(|_| PinError)?;
        hash.try_into().map(Self).map_err(|_| PinError)
    }
}

/// The text is not a [`Pin`].
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinError;

#[cfg(feature = "std")]
impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pin is written as sha256/ and 32 bytes in base64, 44 characters")
    }
}

#[cfg(feature = "std")]
impl core::error::Error for PinError {}

#[cfg(all(test, feature = "std"))]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn text() {
        let pin = Pin::new([0xFB; 32]);
        let text = "sha256/+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        assert_eq!(pin.to_string(), text);
        assert_eq!(text.parse(), Ok(pin));
        assert_eq!(text.replace("256/", "256//").parse(), Ok(pin));

        // A hash that begins with a slash of its own.
        let pin = Pin::new([0xFF; 32]);
        assert_eq!(pin.to_string().parse(), Ok(pin));
        assert_eq!(pin.to_string().replace("256/", "256//").parse(), Ok(pin));

        for wrong in [
            "",
            "sha256/",
            "sha256/AAAA",
            "sha1/+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "sha256/+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v",
            "sha256/*/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
        ] {
            assert_eq!(wrong.parse::<Pin>(), Err(PinError), "{wrong}");
        }
    }
}
