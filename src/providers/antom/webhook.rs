//! What makes a notification genuine: their signature over our path, our client id, their time and the bytes that arrived.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::client::Client;
use super::signature::{self, CLIENT_ID, REQUEST_TIME, SIGNATURE};
use super::wire::{Notification, kind};
use crate::providers::{Arrived, Genuine, NoticeError};

/// They document no window, and whether a retry is signed anew is not known: retries end after a day, so an honest time is
/// never two days off. What repeats within that is known by its key.
const TOO_FAR: TimeDelta = TimeDelta::days(2);
const EVENT_BYTES_MAX: usize = 100;
const KEY_BYTES_MAX: usize = 200;

pub(super) fn verify(client: &Client, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
    let time = signed_time(client, arrived).ok_or(NoticeError::BadSignature)?;
    // A time that is none tells nothing; that it counts only once is what its key is for.
    if signature::time(time).is_some_and(|at| now.signed_duration_since(at).abs() > TOO_FAR) {
        return Err(NoticeError::OtherTime);
    }
    let Ok(it) = parse(arrived.body) else { return Ok(Genuine::unnamed(arrived.body)) };
    let (word, status) = (it.word(), it.status());
    Ok(Genuine { key: key(&it, arrived.body), event: shown(&format!("{word} {status}")) })
}

fn signed_time<'a>(client: &Client, arrived: &Arrived<'a>) -> Option<&'a str> {
    let (id, time) = (arrived.header(CLIENT_ID)?, arrived.header(REQUEST_TIME)?);
    if arrived.method != Method::POST || id != client.client_id {
        return None;
    }
    // Whether they sign a query of ours is not documented; it is signed in calls.
    let with_query = arrived.query.map(|query| format!("{}?{query}", arrived.path));
    let paths = [Some(arrived.path.to_owned()), with_query];
    let message = |path: String| signature::message(&path, id, time, arrived.body);
    let messages: Vec<_> = paths.into_iter().flatten().map(message).collect();
    signature::is_by(&client.public_keys, arrived.header(SIGNATURE)?, &messages).then_some(time)
}

pub(super) fn parse(body: &[u8]) -> Result<Notification, NoticeError> {
    // The library's own text may repeat what was sent.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        NoticeError::malformed(format!("is no notification: line {line}, column {column}"))
    })
}

/// A notification has no id of its own: what it is about, and what became of that. Where it names nothing, its bytes.
fn key(it: &Notification, body: &[u8]) -> String {
    let (word, status) = (it.word(), it.status());
    // Short of plain success a payment is told as one too, and what comes of it must not get lost.
    let code = it.result.as_ref().map(|result| result.result_code.as_str()).filter(|_| word == kind::PAYMENT);
    let Some(id) = it.about() else { return format!("bytes/{}", hex::encode(Sha256::digest(body))) };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let parts: Vec<&str> = [word, id, status].into_iter().chain(code).collect();
    let key = parts.join("/");
    if key.len() <= KEY_BYTES_MAX && parts.iter().all(|part| is_plain(part)) {
        return key;
    }
    // As JSON the parts stay apart whatever is in them.
    format!("parts/{}", hex::encode(Sha256::digest(serde_json::json!(parts).to_string())))
}

/// As it may be shown and kept.
pub(super) fn shown(event: &str) -> String {
    let fine = |it: &char| it.is_ascii_graphic() || *it == ' ';
    event.chars().filter(fine).take(EVENT_BYTES_MAX).collect::<String>().trim().to_owned()
}

impl Notification {
    pub(super) fn word(&self) -> &str {
        let own = self.subscription_notification_type.as_ref().or(self.authorization_notify_type.as_ref());
        let word = self.notify_type.as_ref().or(self.dispute_notification_type.as_ref()).or(own);
        word.map_or("UNNAMED", String::as_str)
    }

    fn status(&self) -> &str {
        let of_result = self.result.as_ref().map(|result| &result.result_status);
        let own = self.dispute_notification_type.as_ref().or(self.refund_status.as_ref());
        own.or(of_result).map(String::as_str).unwrap_or_default()
    }

    /// `None`: what is told goes by its bytes. A dispute may be judged more than once, and none of that may get lost.
    fn about(&self) -> Option<&str> {
        let id = match self.notify_type.as_deref() {
            _ if self.dispute_notification_type.is_some() => None,
            Some(kind::PAYMENT | kind::PENDING) => self.payment_id.as_ref().or(self.payment_request_id.as_ref()),
            Some(kind::CAPTURE) => self.capture_id.as_ref(),
            Some(kind::REFUND) => self.refund_id.as_ref().or(self.refund_request_id.as_ref()),
            _ => None,
        };
        id.map(String::as_str).filter(|id| !id.is_empty())
    }
}
