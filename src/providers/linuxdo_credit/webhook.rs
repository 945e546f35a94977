//! What makes a notification genuine: it is for our application, and signed with its secret.
//!
//! It comes as a query, and also as a form should they ever send one. Neither time nor anything else in it passes away:
//! the key under which it is stored is what keeps an old one from counting twice.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::Method;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::LinuxDoCredit;
use super::map::word;
use super::wire::{self, field};
use crate::providers::form::{self, Form};
use crate::providers::{Arrived, Genuine, NoticeError};

/// With the longest word and a colon, 200.
const TRADE_BYTES_MAX: usize = 99;

/// The fields of theirs. `None`: it cannot be said what they are.
pub(super) fn fields(arrived: &Arrived<'_>) -> Option<Form> {
    let text = match *arrived.method {
        Method::GET => arrived.query.unwrap_or_default().as_bytes(),
        Method::POST => arrived.body,
        _ => return None,
    };
    let mut form = form::parse(text)?;
    form.retain(|name, _| wire::NOTIFIED.contains(&name.as_str()));
    Some(form)
}

pub(super) fn verify(credit: &LinuxDoCredit, arrived: &Arrived<'_>) -> Result<Genuine, NoticeError> {
    let form = fields(arrived).ok_or(NoticeError::BadSignature)?;
    // Before any secret is used: an application in test mode signs payments that moved nothing.
    let pid = field(&form, "pid");
    let is_ours = pid == Some(&credit.client.pid) && pid != credit.test_pid.as_deref();
    if !is_ours || form::hides(&form, wire::NOTIFIED) || !is_signed(credit, &form) {
        return Err(NoticeError::BadSignature);
    }
    let Some(trade) = field(&form, "trade_no") else {
        return Ok(Genuine::unnamed(wire::text(&form).as_bytes()));
    };
    let event = word(field(&form, "trade_status").unwrap_or_default());
    Ok(Genuine { key: format!("{event}:{}", short(trade)), event })
}

fn is_signed(credit: &LinuxDoCredit, form: &Form) -> bool {
    let Some(sign) = field(form, wire::SIGN).map(str::to_ascii_lowercase) else { return false };
    let by = |secret: &str| verify_slices_are_equal(sign.as_bytes(), wire::sign(form, secret).as_bytes()).is_ok();
    field(form, wire::SIGN_TYPE).is_none_or(|kind| kind == wire::MD5)
        && credit.client.keys.iter().any(|key| by(key.expose_secret()))
}

fn short(trade: &str) -> String {
    let is_plain = trade.len() <= TRADE_BYTES_MAX && trade.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { trade.to_owned() } else { format!("sha256:{}", hex::encode(Sha256::digest(trade))) }
}
