//! Signatures of the Standard Webhooks scheme: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

pub const ID_HEADER: &str = "webhook-id";
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far a signature's time may be off.
const TOLERANCE_SECONDS: u64 = 300;
const SECRET_PREFIX: &str = "whsec_";

/// The secret is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ and base64, or any other text that is not empty")]
pub struct BadSecret;

#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// # Errors
    /// When `whsec_` is followed by something that is not base64, or there is nothing.
    pub fn try_new(secret: &SecretString) -> Result<Self, BadSecret> {
        let secret = secret.expose_secret();
        let bytes = match secret.strip_prefix(SECRET_PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret)?,
            None => secret.as_bytes().to_vec(),
        };
        let bytes = zeroize::Zeroizing::new(bytes);
        if bytes.is_empty() {
            return Err(BadSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the signature header. `timestamp` is in seconds, by the machine's clock.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// Whether one of the space-separated `signatures` is ours, made within five minutes of `now`.
    #[must_use]
    pub fn verifies(&self, id: &str, timestamp: &str, signatures: &str, body: &[u8], now: i64) -> bool {
        let Ok(signed_at) = timestamp.parse::<i64>() else { return false };
        let expected = self.sign(id, signed_at, body);
        let matches =
            |given: &str| constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok();
        signed_at.abs_diff(now) <= TOLERANCE_SECONDS && signatures.split(' ').any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> SigningKey {
        SigningKey::try_new(&SecretString::from(secret)).unwrap()
    }

    /// A library that is not ours agrees with what we sign.
    #[test]
    fn a_foreign_implementation_accepts_our_signatures() {
        let now = chrono::Utc::now().timestamp();
        let body = r#"{"userId":"user-uuid"}"#.as_bytes();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers = |signature: &str| {
            let mut headers = axum::http::HeaderMap::new();
            headers.insert(ID_HEADER, "msg_1".parse().unwrap());
            headers.insert(TIMESTAMP_HEADER, now.to_string().parse().unwrap());
            headers.insert(SIGNATURE_HEADER, signature.parse().unwrap());
            headers
        };
        let witness = standardwebhooks::Webhook::new(secret).unwrap();
        witness.verify(body, &headers(&key(secret).sign("msg_1", now, body))).unwrap();
        assert!(witness.verify(b"{}", &headers(&key(secret).sign("msg_1", now, body))).is_err());

        let witness = standardwebhooks::Webhook::from_bytes(b"a plain secret".to_vec()).unwrap();
        witness.verify(body, &headers(&key("a plain secret").sign("msg_1", now, body))).unwrap();
    }

    #[test]
    fn a_signature_covers_id_time_and_body_for_five_minutes() {
        let key = key("s");
        let signature = key.sign("id", 1_000, b"body");
        assert!(key.verifies("id", "1000", &signature, b"body", 1_300));
        assert!(key.verifies("id", "1000", &format!("v1,b3RoZXI= {signature}"), b"body", 700));
        assert!(!key.verifies("id", "1000", &signature, b"body", 1_301));
        assert!(!key.verifies("di", "1000", &signature, b"body", 1_000));
        assert!(!key.verifies("id", "1001", &signature, b"body", 1_000));
        assert!(!key.verifies("id", "1000", &signature, b"bodY", 1_000));
        assert!(!key.verifies("id", "soon", &signature, b"body", 1_000));
        assert!(!key.verifies("id", "1000", "", b"body", 1_000));
    }

    #[test]
    fn a_secret_is_base64_or_plain_and_never_shown() {
        for bad in ["", "whsec_", "whsec_***"] {
            assert_eq!(SigningKey::try_new(&SecretString::from(bad)).unwrap_err(), BadSecret, "{bad}");
        }
        assert_eq!(format!("{:?}", key("hidden")), "SigningKey(…)");
    }
}
