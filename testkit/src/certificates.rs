//! Certificates, good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::machine::TempDir;

/// A certificate and its key (ECDSA, P-256).
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, in PEM.
    pub certificate: String,
    /// The key, in PEM (PKCS #8).
    pub key: String,
    /// The certificate, in DER.
    pub certificate_der: Vec<u8>,
    /// The key, in DER (PKCS #8).
    pub key_der: Vec<u8>,
}

/// One certificate of each kind, all but the last signed by the first.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority that clients and servers trust.
    pub ca: Identity,
    /// A server at `localhost`, `127.0.0.1` and `::1`, and, in a network of a test's own, at
    /// `broker.test` and `10.89.0.1`.
    pub server: Identity,
    /// A client by the name of `client-a`.
    pub client: Identity,
    /// A server at `wronghost.invalid`.
    pub wrong_host: Identity,
    /// The server's, until 2020.
    pub expired: Identity,
    /// The server's, from 2999 on.
    pub not_yet_valid: Identity,
    /// An authority that nobody should trust.
    pub other_ca: Identity,
}

impl Certificates {
    /// Makes new ones, which takes some milliseconds.
    pub fn new() -> Self {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

        let server = ["localhost", "127.0.0.1", "::1", "broker.test", "10.89.0.1"];
        let (ca, issuer) = authority("test-ca");
        let (other_ca, _) = authority("other-ca");
        Self {
            ca,
            server: leaf(&issuer, &server, ServerAuth, (2020, 2999)),
            client: leaf(&issuer, &["client-a"], ClientAuth, (2020, 2999)),
            wrong_host: leaf(&issuer, &["wronghost.invalid"], ServerAuth, (2020, 2999)),
            expired: leaf(&issuer, &server, ServerAuth, (2019, 2020)),
            not_yet_valid: leaf(&issuer, &server, ServerAuth, (2999, 3000)),
            other_ca,
        }
    }

    /// Writes them into a folder, as `ca.crt`, `ca.key`, `wrong_host.crt` and so on.
    pub fn write(&self, dir: &TempDir) {
        for (name, identity) in [
            ("ca", &self.ca),
            ("server", &self.server),
            ("client", &self.client),
            ("wrong_host", &self.wrong_host),
            ("expired", &self.expired),
            ("not_yet_valid", &self.not_yet_valid),
            ("other_ca", &self.other_ca),
        ] {
            dir.write(&format!("{name}.crt"), identity.certificate.as_bytes());
            dir.write(&format!("{name}.key"), identity.key.as_bytes());
        }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn authority(name: &str) -> (Identity, Issuer<'static, KeyPair>) {
    let mut params = params(&[], name, (2020, 2999));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (identity(&certificate, &key), Issuer::new(params, key))
}

fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    names: &[&str],
    usage: ExtendedKeyUsagePurpose,
    years: (i32, i32),
) -> Identity {
    let mut params = params(names, names[0], years);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    identity(&params.signed_by(&key, issuer).unwrap(), &key)
}

fn params(names: &[&str], common_name: &str, (from, until): (i32, i32)) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn identity(certificate: &rcgen::Certificate, key: &KeyPair) -> Identity {
    Identity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        certificate_der: certificate.der().to_vec(),
        key_der: key.serialize_der(),
    }
}
