use core::time::Duration;

use embedded_tls::alert::{AlertDescription, AlertLevel};
use embedded_tls::{
    Aes128GcmSha256, Certificate, CertificateEntryRef, CertificateRef, CertificateVerifyRef,
    CryptoProvider, CryptoRngCore, Sha256, Sha384, SignatureScheme, TlsError, TlsVerifier,
};
use p256::ecdsa::signature::SignerMut;
use p256::ecdsa::signature::digest::Digest;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::pkcs8::DecodePrivateKey;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{Config, Error};
use crate::Pin;

/// How many certificates of a server are looked at; `embedded-tls` has room for as many.
const CHAIN: usize = 16;

/// The parts of a handshake that `embedded-tls` leaves to others.
pub(super) struct Provider<'a, G> {
    rng: G,
    config: &'a Config<'a>,
    /// Whether the server asked for a certificate.
    pub(super) is_asked: bool,
    pub(super) verifier: Verifier<'a>,
}

impl<'a, G> Provider<'a, G> {
    pub(super) fn new(rng: G, config: &'a Config<'a>, host: ServerName<'a>) -> Self {
        Self {
            rng,
            config,
            is_asked: false,
            verifier: Verifier {
                config,
                host,
                leaf: None,
                is_proven: false,
                error: None,
            },
        }
    }
}

impl<G: CryptoRngCore> CryptoProvider for Provider<'_, G> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = p256::ecdsa::DerSignature;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.rng
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.verifier)
    }

    fn signer(&mut self) -> Result<(impl SignerMut<Self::Signature>, SignatureScheme), TlsError> {
        let identity = self.config.identity.ok_or(TlsError::InvalidPrivateKey)?;
        let key = signing_key(identity.key).ok_or(TlsError::InvalidPrivateKey)?;
        Ok((key, SignatureScheme::EcdsaSecp256r1Sha256))
    }

    fn client_cert(&mut self) -> Option<Certificate<impl AsRef<[u8]>>> {
        self.is_asked = true;
        let identity = self.config.identity?;
        Some(Certificate::X509(identity.certificate))
    }
}

pub(super) fn signing_key(der: &[u8]) -> Option<p256::ecdsa::SigningKey> {
    let key = p256::SecretKey::from_pkcs8_der(der)
        .or_else(|_| p256::SecretKey::from_sec1_der(der))
        .ok()?;
    Some(key.into())
}

/// Checks the server's certificates by `webpki`, and that the server has the key.
///
/// `embedded-tls` has a verifier of its own, which takes a certificate of a client or a server for
/// that of an authority (there is no check of basic constraints), and knows no IP addresses.
pub(super) struct Verifier<'a> {
    config: &'a Config<'a>,
    host: ServerName<'a>,
    leaf: Option<Leaf>,
    /// Whether the server has proven to have the key. `embedded-tls` does not notice when a server
    /// leaves out its certificate, or the proof.
    pub(super) is_proven: bool,
    /// What is wrong, for which `embedded-tls` has no words.
    pub(super) error: Option<Error>,
}

/// What the signature is checked with: the transcript up to the certificate, and its key.
struct Leaf {
    transcript: Sha256,
    key: PublicKey,
}

enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl Verifier<'_> {
    fn check(&self, certificates: &CertificateRef<'_>) -> Result<PublicKey, Error> {
        let mut chain = [const { CertificateDer::from_slice(&[]) }; CHAIN];
        let mut len = 0;
        for (to, entry) in chain.iter_mut().zip(&certificates.entries) {
            let (CertificateEntryRef::X509(der) | CertificateEntryRef::RawPublicKey(der)) = entry;
            *to = CertificateDer::from(*der);
            len += 1;
        }
        let Some((der, intermediates)) = chain[..len].split_first() else {
            return Err(Error::NotAuthenticated);
        };
        let leaf = EndEntityCert::try_from(der).map_err(certificate_error)?;
        if !self.config.dangerously_skip_verification {
            self.check_chain(&leaf, intermediates)?;
            leaf.verify_is_valid_for_subject_name(&self.host)
                .map_err(certificate_error)?;
        }

        // As an anchor, since that tells its key without a heap.
        let key = anchor_from_trusted_cert(der).map_err(certificate_error)?;
        let key = key.subject_public_key_info.as_ref();
        if !self.config.pins.is_empty() {
            let found = pin(key);
            if !self.config.pins.contains(&found) {
                return Err(Error::NotPinned { found });
            }
        }
        public_key(key).ok_or(Error::UnsupportedKey)
    }

    fn check_chain(
        &self,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), Error> {
        let mut result = Err(Error::UnknownIssuer);
        for authority in self.config.authorities {
            let authority = CertificateDer::from(*authority);
            let anchor =
                anchor_from_trusted_cert(&authority).map_err(|_| Error::InvalidAuthority)?;
            let mut time = self.config.time.unwrap_or(0);
            let verified = loop {
                let verified = leaf.verify_for_usage(
                    ALGORITHMS,
                    core::slice::from_ref(&anchor),
                    intermediates,
                    UnixTime::since_unix_epoch(Duration::from_secs(time)),
                    KeyUsage::server_auth(),
                    None,
                    None,
                );
                match verified {
                    // Without a clock, any time will do at which all of them are valid. There are
                    // no more rounds than there are certificates.
                    Err(webpki::Error::CertNotValidYet { not_before, .. })
                        if self.config.time.is_none() && not_before.as_secs() > time =>
                    {
                        time = not_before.as_secs();
                    }
                    verified => break verified.map(|_| ()).map_err(certificate_error),
                }
            };
            match verified {
                Ok(()) => return Ok(()),
                // Of several authorities, most have nothing to do with it.
                Err(Error::UnknownIssuer) => {}
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

fn certificate_error(error: webpki::Error) -> Error {
    match error {
        // What the signature of an authority by the same name, with another key, gives.
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
            Error::UnknownIssuer
        }
        webpki::Error::CertExpired { not_after, .. } => Error::Expired {
            not_after: not_after.as_secs(),
        },
        webpki::Error::CertNotValidYet { not_before, .. } => Error::NotYetValid {
            not_before: not_before.as_secs(),
        },
        webpki::Error::CertNotValidForName(_) => Error::WrongHost,
        error => Error::Certificate(error),
    }
}

impl TlsVerifier<Aes128GcmSha256> for Verifier<'_> {
    fn set_hostname_verification(&mut self, _host: &str) -> Result<(), TlsError> {
        // `host` has it, also when it is an address.
        Ok(())
    }

    fn verify_certificate(
        &mut self,
        transcript: &Sha256,
        certificates: CertificateRef<'_>,
    ) -> Result<(), TlsError> {
        self.is_proven = false;
        self.leaf = None;
        match self.check(&certificates) {
            Ok(key) => {
                let transcript = transcript.clone();
                self.leaf = Some(Leaf { transcript, key });
                Ok(())
            }
            Err(error) => {
                let alert = match error {
                    Error::UnknownIssuer => AlertDescription::UnknownCa,
                    Error::Expired { .. } | Error::NotYetValid { .. } => {
                        AlertDescription::CertificateExpired
                    }
                    Error::UnsupportedKey => AlertDescription::UnsupportedCertificate,
                    _ => AlertDescription::BadCertificate,
                };
                self.error = Some(error);
                Err(TlsError::AbortHandshake(AlertLevel::Fatal, alert))
            }
        }
    }

    fn verify_signature(&mut self, proof: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        // RFC 8446, 4.4.3.
        const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\x00";
        let result = self.leaf.take().and_then(|leaf| {
            let mut message = [0x20; 64 + CONTEXT.len() + 32];
            message[64..64 + CONTEXT.len()].copy_from_slice(CONTEXT);
            message[64 + CONTEXT.len()..].copy_from_slice(&leaf.transcript.finalize());
            match (leaf.key, proof.signature_scheme) {
                (PublicKey::P256(key), SignatureScheme::EcdsaSecp256r1Sha256) => {
                    let signature = p256::ecdsa::Signature::from_der(proof.signature).ok()?;
                    key.verify_prehash(&Sha256::digest(message), &signature)
                        .ok()
                }
                (PublicKey::P384(key), SignatureScheme::EcdsaSecp384r1Sha384) => {
                    let signature = p384::ecdsa::Signature::from_der(proof.signature).ok()?;
                    key.verify_prehash(&Sha384::digest(message), &signature)
                        .ok()
                }
                _ => None,
            }
        });
        self.is_proven = result.is_some();
        if !self.is_proven {
            self.error = Some(Error::NotAuthenticated);
            return Err(TlsError::AbortHandshake(
                AlertLevel::Fatal,
                AlertDescription::DecryptError,
            ));
        }
        Ok(())
    }
}

/// The content of a `SubjectPublicKeyInfo` of an elliptic curve: the algorithm, and a bit string.
fn public_key(info: &[u8]) -> Option<PublicKey> {
    let point = |algorithm: AlgorithmIdentifier| {
        let rest = info.strip_prefix(&[0x30, u8::try_from(algorithm.len()).ok()?])?;
        let rest = rest.strip_prefix(algorithm.as_ref())?;
        // Its tag, its length in one byte, and no unused bits.
        match rest {
            [0x03, len, 0x00, point @ ..] if usize::from(*len) == point.len() + 1 => Some(point),
            _ => None,
        }
    };
    if let Some(point) = point(alg_id::ECDSA_P256) {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
        Some(PublicKey::P256(key))
    } else {
        let point = point(alg_id::ECDSA_P384)?;
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
        Some(PublicKey::P384(key))
    }
}

/// The pin of a key, of which `info` lacks the outermost tag and length.
fn pin(info: &[u8]) -> Pin {
    let [high, low] = u16::try_from(info.len()).unwrap_or(u16::MAX).to_be_bytes();
    let tag: &[u8] = match (high, low) {
        (0, 0..=0x7F) => &[0x30, low],
        (0, _) => &[0x30, 0x81, low],
        _ => &[0x30, 0x82, high, low],
    };
    Pin::new(
        Sha256::new()
            .chain_update(tag)
            .chain_update(info)
            .finalize()
            .into(),
    )
}

/// Signatures that certificates may have.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Ecdsa {
        curve: Curve::P256,
        hash: Hash::Sha256,
    },
    &Ecdsa {
        curve: Curve::P256,
        hash: Hash::Sha384,
    },
    &Ecdsa {
        curve: Curve::P384,
        hash: Hash::Sha256,
    },
    &Ecdsa {
        curve: Curve::P384,
        hash: Hash::Sha384,
    },
];

#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Debug)]
enum Curve {
    P256,
    P384,
}

#[derive(Debug)]
enum Hash {
    Sha256,
    Sha384,
}

impl Ecdsa {
    fn verify(&self, key: &[u8], hash: &[u8], signature: &[u8]) -> Option<()> {
        match self.curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .ok()?
                .verify_prehash(hash, &p256::ecdsa::Signature::from_der(signature).ok()?)
                .ok(),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .ok()?
                .verify_prehash(hash, &p384::ecdsa::Signature::from_der(signature).ok()?)
                .ok(),
        }
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match self.hash {
            Hash::Sha256 => self.verify(key, &Sha256::digest(message), signature),
            Hash::Sha384 => self.verify(key, &Sha384::digest(message), signature),
        }
        .ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
        }
    }
}
