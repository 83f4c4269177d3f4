use core::net::IpAddr;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::{CertificateError, CertificateProblem, Pin, Verification};

/// Checks what [`Verification`] says, and pins, and says of which certificate it complains.
///
/// The checks themselves are those of rustls.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) roots: RootCertStore,
    pub(crate) verification: Verification,
    pub(crate) pins: Vec<Pin>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateProblem> {
        let parsed = ParsedCertificate::try_from(leaf).map_err(problem)?;
        if self.verification != Verification::DangerouslySkipAll {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )
            .map_err(problem)?;
        }
        if self.verification == Verification::Full {
            verify_server_name(&parsed, host).map_err(problem)?;
        }
        if !self.pins.is_empty() {
            let found = Pin::of_certificate(leaf).map_err(problem)?;
            if !self.pins.contains(&found) {
                return Err(CertificateProblem::NotPinned { found });
            }
        }
        Ok(())
    }
}

fn problem(error: Error) -> CertificateProblem {
    match error {
        Error::InvalidCertificate(error) => CertificateProblem::of(error),
        error => {
            CertificateProblem::Other(rustls::CertificateError::Other(OtherError(Arc::new(error))))
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.check(leaf, intermediates, host, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(mut problem) => {
                let chain = || [leaf].into_iter().chain(intermediates);
                let culprit = chain()
                    .filter_map(|der| Certificate::from_der(der).ok())
                    .find(|certificate| is_culprit(certificate, &problem))
                    .or_else(|| Certificate::from_der(leaf).ok());
                let tbs = culprit.as_ref().map(Certificate::tbs_certificate);
                if let (CertificateProblem::WrongHost { valid_for, .. }, Some(tbs)) =
                    (&mut problem, tbs)
                {
                    *valid_for = names(tbs);
                }
                let error = CertificateError {
                    subject: tbs.map(|tbs| tbs.subject().to_string()),
                    issuer: tbs.map(|tbs| tbs.issuer().to_string()),
                    problem,
                };
                Err(Error::InvalidCertificate(rustls::CertificateError::Other(
                    OtherError(Arc::new(error)),
                )))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether it is this certificate, of all that the server sent, which has the `problem`.
fn is_culprit(certificate: &Certificate, problem: &CertificateProblem) -> bool {
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    match problem {
        CertificateProblem::Expired {
            not_after: Some(at),
        } => seconds(validity.not_after) == at.as_secs(),
        CertificateProblem::NotYetValid {
            not_before: Some(at),
        } => seconds(validity.not_before) == at.as_secs(),
        _ => true,
    }
}

/// The names that a certificate is for, as one writes them.
fn names(certificate: &TbsCertificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    names
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(bytes) => {
                let bytes = bytes.as_bytes();
                let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
                Some(address.ok()?.to_string())
            }
            _ => None,
        })
        .collect()
}
