//! The words of the EasyPay protocol, and nothing else. Amounts are decimals in text.

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::providers::form::{self, Form};

pub(super) const SUBMIT: &str = "/epay/pay/submit.php";
pub(super) const API: &str = "/epay/api.php";
pub(super) const ORDER: &str = "order";
pub(super) const SUCCESS: &str = "success";
pub(super) const TRADE_SUCCESS: &str = "TRADE_SUCCESS";
/// The protocol that all such gateways speak.
pub(super) const EPAY: &str = "epay";
/// Their own one, for pages only.
pub(super) const LDCPAY: &str = "ldcpay";
pub(super) const MD5: &str = "MD5";
pub(super) const SIGN: &str = "sign";
pub(super) const SIGN_TYPE: &str = "sign_type";

/// What a notification consists of. Whatever else comes with it is from our own address, and nobody signed it.
pub(super) const NOTIFIED: &[&str] =
    &["money", "name", "out_trade_no", "pid", SIGN, SIGN_TYPE, "trade_no", "trade_status", "type"];

/// The text that is signed, but for the secret behind it.
pub(super) fn text(form: &Form) -> String {
    let is_signed = |(name, value): &(&str, &str)| !value.is_empty() && *name != SIGN && *name != SIGN_TYPE;
    form::joined(form::pairs(form).filter(is_signed))
}

/// What is signed, in either protocol.
pub(super) fn signed(form: &Form, secret: &str) -> Vec<u8> {
    [text(form).as_bytes(), secret.as_bytes()].concat()
}

/// In hexadecimal digits, in lower case.
pub(super) fn sign(form: &Form, secret: &str) -> String {
    hex::encode(Md5::digest(signed(form, secret)))
}

/// A field that is there and not empty.
pub(super) fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether it is a yes.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) code: i64,
}

pub(super) const YES: i64 = 1;
pub(super) const NO: i64 = -1;

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) trade_no: String,
    pub(super) out_trade_no: String,
    pub(super) pid: String,
    pub(super) money: String,
    /// 1: it is paid, and that still holds.
    pub(super) status: i64,
    /// When it was paid; a time before all others if never.
    #[serde(default)]
    pub(super) endtime: String,
}

pub(super) const PAID: i64 = 1;
/// The year of a time that there never was.
pub(super) const NEVER: &str = "0001-";
