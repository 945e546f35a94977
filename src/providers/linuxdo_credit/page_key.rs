//! The key of their second protocol, `ldcpay`: its pages are signed with Ed25519, over the same text and secret as the
//! other's. The public half is entered in the application there.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::SectionKind;
use zeroize::Zeroizing;

use super::wire;
use crate::providers::form::Form;
use crate::providers::pem;

const SEED_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no Ed25519 private key: PEM (PKCS#8), or the base64 of its DER or of its {SEED_BYTES} bytes")]
pub(super) struct BadPageKey;

/// Signs pages as us.
pub(super) struct PageKey(Ed25519KeyPair);

impl PageKey {
    pub(super) fn parse(text: &str) -> Result<Self, BadPageKey> {
        let bytes = Zeroizing::new(match pem::section(text) {
            Some((SectionKind::PrivateKey, der)) => der,
            Some(_) => return Err(BadPageKey),
            None => pem::bare(text).ok_or(BadPageKey)?,
        });
        let pair = match bytes.len() {
            SEED_BYTES => Ed25519KeyPair::from_seed_unchecked(&bytes),
            // OpenSSL writes no public half beside it.
            _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes),
        };
        pair.map(Self).map_err(|_| BadPageKey)
    }

    /// In base64, as the application there takes it.
    pub(super) fn public_half(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// In base64.
    pub(super) fn sign(&self, form: &Form, secret: &str) -> String {
        STANDARD.encode(self.0.sign(&wire::signed(form, secret)))
    }
}
