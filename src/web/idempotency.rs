//! Asking twice without paying twice, and reading what one has written.
//!
//! A write may carry `Idempotency-Key`: together with who asks it makes the command's id, so the same key finds the
//! first answer again. A write answers `Ledger-Position`; a read that sends it back waits until it sees that write.

use std::fmt;
use std::str::FromStr;

use aggregates::{CommandId, LogPart};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::problem::{Problem, Reason};
use crate::store::Receipt;

const KEY_HEADER: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 255;
const POSITION_HEADER: HeaderName = HeaderName::from_static("ledger-position");
const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What the caller sent as `Idempotency-Key`, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The id of the command that `subject` (a token's `sub`) asks for; a fresh one where there is no key.
    #[must_use]
    pub fn command_id(&self, subject: &str) -> CommandId {
        self.given(subject).unwrap_or_else(|| CommandId::from_uuid(Uuid::now_v7()))
    }

    /// The id of the command that `subject` asks for, where there is a key.
    #[must_use]
    pub fn given(&self, subject: &str) -> Option<CommandId> {
        self.0.as_deref().map(|key| Self::numbered(key, subject, None))
    }

    /// The id of one of several commands of the same request, where there is a key.
    #[must_use]
    pub fn given_of(&self, subject: &str, item: usize) -> Option<CommandId> {
        self.0.as_deref().map(|key| Self::numbered(key, subject, Some(item)))
    }

    fn numbered(key: &str, subject: &str, item: Option<usize>) -> CommandId {
        // Neither a subject nor a key can hold a zero byte, so no two pairs run together to the same bytes.
        let mut digest = Sha256::new_with_prefix(b"idempotency");
        for part in [subject, key] {
            digest.update([0]);
            digest.update(part);
        }
        if let Some(item) = item {
            digest.update([0]);
            digest.update(item.to_string());
        }
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        CommandId::from_uuid(Uuid::new_v8(bytes))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = only(parts, KEY_HEADER, "Idempotency-Key")? else {
            return Ok(Self(None));
        };
        let fine = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
        let key = value.to_str().ok().filter(fine).ok_or_else(|| {
            let detail = format!("has 1 to {KEY_BYTES_MAX} visible ASCII characters");
            Problem::parameter(Reason::BadHeader, "Idempotency-Key", detail)
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

/// A place in the log: read this far, and you see that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerPosition {
    pub log_part: LogPart,
    pub position: i64,
}

impl fmt::Display for LedgerPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.log_part, self.position)
    }
}

impl LedgerPosition {
    pub(super) fn put_on(self, response: &mut Response) {
        if let Ok(position) = HeaderValue::from_str(&self.to_string()) {
            response.headers_mut().insert(POSITION_HEADER, position);
        }
    }

    /// What an answer says of where it was recorded.
    pub(super) fn said_in(response: &Response) -> Option<Self> {
        response.headers().get(POSITION_HEADER)?.to_str().ok()?.parse().ok()
    }
}

impl FromStr for LedgerPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (part, position) = text.split_once('.').filter(|(a, b)| digits(a) && digits(b)).ok_or(())?;
        let log_part = LogPart::new(part.parse().map_err(|_| ())?);
        Ok(Self { log_part, position: position.parse().map_err(|_| ())? })
    }
}

impl From<&Receipt> for LedgerPosition {
    fn from(receipt: &Receipt) -> Self {
        Self { log_part: receipt.log_part, position: receipt.position }
    }
}

/// What a read has to have seen: the `Ledger-Position` that the client sent back, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After(pub Option<LedgerPosition>);

impl<S: Send + Sync> FromRequestParts<S> for After {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = only(parts, POSITION_HEADER.as_str(), "Ledger-Position")? else {
            return Ok(Self(None));
        };
        let position = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            Problem::parameter(Reason::BadHeader, "Ledger-Position", "is not a position such as 17.4242")
        })?;
        Ok(Self(Some(position)))
    }
}

fn only<'a>(parts: &'a Parts, header: &str, name: &str) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = parts.headers.get_all(header).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::parameter(Reason::BadHeader, name, "is there twice"));
    }
    Ok(value)
}

/// The answer to a write.
#[derive(Clone, Debug)]
pub struct Written<T> {
    status: StatusCode,
    position: LedgerPosition,
    replayed: bool,
    body: T,
}

impl<T> Written<T> {
    /// `200`, at the place where it was recorded.
    pub fn ok(receipt: &Receipt, body: T) -> Self {
        Self { status: StatusCode::OK, position: receipt.into(), replayed: receipt.replayed, body }
    }

    /// `201`, at the place where it was recorded.
    pub fn created(receipt: &Receipt, body: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(receipt, body) }
    }
}

impl<T: Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        self.position.put_on(&mut response);
        if self.replayed {
            response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn extract<E: FromRequestParts<(), Rejection = Problem>>(headers: &[(&str, &[u8])]) -> Result<E, Problem> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        E::from_request_parts(&mut parts, &()).await
    }

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey(Some(text.to_owned()))
    }

    #[test]
    fn the_same_key_of_the_same_subject_is_the_same_command() {
        assert_eq!(key("k").command_id("alice"), key("k").command_id("alice"));
        assert_ne!(key("k").command_id("alice"), key("k").command_id("bob"));
        assert_ne!(key("bc").command_id("a"), key("c").command_id("ab"), "no two pairs run together");
        assert_ne!(key("k").given_of("alice", 0), key("k").given_of("alice", 1));
        assert_ne!(IdempotencyKey(None).command_id("alice"), IdempotencyKey(None).command_id("alice"));
    }

    /// A retry may come after an upgrade, so how ids are made is fixed for ever.
    #[test]
    fn the_id_of_a_key_never_changes() {
        // printf 'idempotency\0alice\0k' | sha256sum, with the version and variant of a UUIDv8
        assert_eq!(key("k").command_id("alice").to_string(), "efa4df93-7acc-8082-8f16-cb2788892a81");
    }

    #[tokio::test]
    async fn a_key_is_short_and_visible() {
        for bad in [&b""[..], b"a b", b"\xff", "键".as_bytes(), &[b'x'; 256]] {
            assert_eq!(extract::<IdempotencyKey>(&[(KEY_HEADER, bad)]).await.unwrap_err().code(), "E1013");
        }
        let twice: &[(&str, &[u8])] = &[(KEY_HEADER, b"a"), (KEY_HEADER, b"b")];
        assert!(extract::<IdempotencyKey>(twice).await.is_err());
        assert_eq!(extract::<IdempotencyKey>(&[(KEY_HEADER, &[b'x'; 255])]).await.unwrap(), key(&"x".repeat(255)));
        assert_eq!(extract::<IdempotencyKey>(&[]).await.unwrap(), IdempotencyKey(None));
    }

    #[tokio::test]
    async fn a_position_survives_its_header() {
        let position = LedgerPosition { log_part: LogPart::new(17), position: 4_242 };
        let header = position.to_string();
        assert_eq!(header, "17.4242");
        let after = extract::<After>(&[(POSITION_HEADER.as_str(), header.as_bytes())]).await.unwrap();
        assert_eq!(after, After(Some(position)));
        for bad in ["", "17", "256.1", "17.", ".1", "17.-1", "+1.1", "17.99999999999999999999", "1.2.3"] {
            let refused = extract::<After>(&[(POSITION_HEADER.as_str(), bad.as_bytes())]).await;
            assert_eq!(refused.unwrap_err().code(), "E1013", "{bad}");
        }
    }
}
