//! RSA keys as they come from providers' consoles, and RSASSA-PKCS1-v1_5 with SHA-256, which is what all of them sign
//! with. Keys are PEM of any usual kind, or base64 of the same DER without its lines.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::SectionKind;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use super::pem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("is no RSA private key: PEM (PKCS#8 or PKCS#1), or the base64 of its DER")]
    Private,
    #[error("is no RSA public key: PEM (public key or certificate), or the base64 of its DER")]
    Public,
    #[error("is too short: keys have 2048 bits or more")]
    Short,
}

const BITS_MIN: usize = 2048;

/// Signs as us.
pub struct PrivateKey(KeyPair);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// # Errors
    /// When it is none, or too short.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let der = Zeroizing::new(match pem::section(text) {
            Some((SectionKind::PrivateKey | SectionKind::RsaPrivateKey, der)) => der,
            Some(_) => return Err(BadKey::Private),
            None => pem::bare(text).ok_or(BadKey::Private)?,
        });
        let pair = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map_err(|_| BadKey::Private)?;
        if pair.public_modulus_len() * 8 < BITS_MIN { Err(BadKey::Short) } else { Ok(Self(pair)) }
    }

    /// The signature in base64. `None`: the library refused.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }
}

/// Tells whether a provider has signed.
pub struct PublicKey(ParsedPublicKey);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

impl PublicKey {
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let der = match pem::section(text) {
            Some((SectionKind::PublicKey, der)) => der,
            Some((SectionKind::Certificate, der)) => {
                let der = CertificateDer::from(der);
                let certificate = EndEntityCert::try_from(&der).map_err(|_| BadKey::Public)?;
                certificate.subject_public_key_info().to_vec()
            }
            Some(_) => return Err(BadKey::Public),
            None => pem::bare(text).ok_or(BadKey::Public)?,
        };
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der).map(Self).map_err(|_| BadKey::Public)
    }

    /// Whether `signature`, in base64, is of this key over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| self.0.verify_sig(message, &signature).is_ok())
    }
}

/// A pair made for a simulator, as settings hold them.
#[derive(Debug)]
pub struct NewPair {
    /// PKCS#8 in base64.
    pub private: Zeroizing<String>,
    /// SubjectPublicKeyInfo in base64.
    pub public: String,
}

/// Makes a pair of 2048 bits. `None`: the library refused.
#[must_use]
pub fn new_pair() -> Option<NewPair> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let private: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
    Some(NewPair {
        private: Zeroizing::new(STANDARD.encode(private.as_ref())),
        public: STANDARD.encode(public.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(kind: &str, base64: &str) -> String {
        let body: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", body.join("\n"))
    }

    #[test]
    fn a_pair_signs_and_verifies_whichever_way_it_is_written() {
        let pair = new_pair().unwrap();
        let pem = lines("PRIVATE KEY", &pair.private);
        for private in [pair.private.to_string(), pem.clone(), pem.replace('\n', "\\n")] {
            let signature = PrivateKey::parse(&private).unwrap().sign(b"message").unwrap();
            for public in [pair.public.clone(), lines("PUBLIC KEY", &pair.public)] {
                let public = PublicKey::parse(&public).unwrap();
                assert!(public.verifies(b"message", &signature));
                assert!(!public.verifies(b"massage", &signature));
                assert!(!public.verifies(b"message", &signature.replace(&signature[..1], "-")));
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let pair = new_pair().unwrap();
        for bad in ["", "nonsense", &pair.public, &lines("PUBLIC KEY", &pair.public)] {
            assert_eq!(PrivateKey::parse(bad).unwrap_err(), BadKey::Private, "{bad}");
        }
        for bad in ["", "nonsense", &lines("PRIVATE KEY", &pair.private)] {
            assert_eq!(PublicKey::parse(bad).unwrap_err(), BadKey::Public, "{bad}");
        }
    }
}
