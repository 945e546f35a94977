//! What makes a notification genuine: one of Alipay's keys signed all of it, and it is for our app.
//!
//! There is no time in it that could be checked: the key under which it is stored is what keeps an old one from counting
//! twice.

use sha2::{Digest, Sha256};

use super::Alipay;
use super::map::word;
use super::wire::{self, field};
use crate::providers::form::{self, Form};
use crate::providers::{Arrived, Genuine, NoticeError};

const KEY_BYTES_MAX: usize = 200;

pub(super) fn verify(alipay: &Alipay, arrived: &Arrived<'_>) -> Result<Genuine, NoticeError> {
    let form = form::parse(arrived.body).ok_or(NoticeError::BadSignature)?;
    let is_ours = field(&form, "app_id") == Some(&alipay.client.app_id);
    if !is_ours || form::hides(&form, wire::READ) || !is_signed(alipay, &form) {
        return Err(NoticeError::BadSignature);
    }
    // Messages that are not about trades name no seller.
    let is_trade = field(&form, "trade_status").is_some();
    let seller = alipay.seller_id.as_deref();
    if is_trade && seller.is_some() && field(&form, "seller_id") != seller {
        return Err(NoticeError::BadSignature);
    }
    let event = field(&form, "trade_status").or_else(|| field(&form, wire::METHOD));
    let event = event.or_else(|| field(&form, "notify_type")).unwrap_or("message");
    Ok(Genuine { key: key(&form, arrived.body), event: word(event) })
}

fn is_signed(alipay: &Alipay, form: &Form) -> bool {
    let Some(sign) = field(form, wire::SIGN).filter(|_| field(form, wire::SIGN_TYPE) == Some(wire::RSA2)) else {
        return false;
    };
    let signed = |with| alipay.client.is_theirs(wire::notified(form, with).as_bytes(), sign);
    signed(false) || form.contains_key(wire::METHOD) && signed(true)
}

/// A trade is told of once in each state, and once for each refund; other messages have a number of their own.
fn key(form: &Form, body: &[u8]) -> String {
    let get = |name| field(form, name);
    let words = match (get("trade_no"), get("trade_status"), get("notify_id")) {
        (Some(trade), Some(status), _) => match (get("out_biz_no"), get("refund_fee")) {
            (Some(refund), _) => vec!["refund", trade, status, refund],
            (None, Some(sum)) => vec!["sum", trade, status, sum],
            (None, None) => vec!["trade", trade, status],
        },
        (_, _, Some(notification)) => vec!["notification", notification],
        _ => return format!("body:{}", hex::encode(Sha256::digest(body))),
    };
    let key = words.join(":");
    // Where a word holds what stands between them, other words could make the same key.
    let is_plain = key.len() <= KEY_BYTES_MAX && !words.iter().any(|word| word.contains(':'));
    if is_plain && !key.chars().any(char::is_control) {
        return key;
    }
    let mut digest = Sha256::new();
    for word in words {
        digest.update(word.len().to_be_bytes());
        digest.update(word.as_bytes());
    }
    format!("words:{}", hex::encode(digest.finalize()))
}
