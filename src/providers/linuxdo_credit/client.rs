//! Calls. The secret goes with each of them, in addresses too: errors name none, nor does anything else.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::page_key::PageKey;
use super::wire::{self, Head, Order};
use crate::providers::ProviderError;
use crate::providers::form::{self, Form};
use crate::providers::http::{Answer, Http, send};

pub(super) struct Client {
    pub(super) http: Http,
    pub(super) url: String,
    pub(super) pid: String,
    /// The first signs; any of them may have signed a notification.
    pub(super) keys: Vec<SecretString>,
    /// Where there is one, pages are asked for in their second protocol.
    pub(super) page_key: Option<PageKey>,
}

impl Client {
    fn key(&self) -> &str {
        self.keys.first().map(ExposeSecret::expose_secret).unwrap_or_default()
    }

    /// Where a browser goes to pay `name`, with these fields that are the same in both protocols.
    pub(super) fn page(&self, name: String, mut fields: Form) -> String {
        let (kind, id, named) = match &self.page_key {
            Some(_) => (wire::LDCPAY, "client_id", "order_name"),
            None => (wire::EPAY, "pid", "name"),
        };
        let own = [("type", kind.to_owned()), (id, self.pid.clone()), (named, name)];
        fields.extend(own.map(|(field, value)| (field.to_owned(), value)));
        let signed = match &self.page_key {
            Some(key) => vec![(wire::SIGN, key.sign(&fields, self.key()))],
            None => vec![(wire::SIGN, wire::sign(&fields, self.key())), (wire::SIGN_TYPE, wire::MD5.to_owned())],
        };
        fields.extend(signed.into_iter().map(|(field, value)| (field.to_owned(), value)));
        format!("{}{}?{}", self.url, wire::SUBMIT, form::encoded(form::pairs(&fields)))
    }

    /// `None`: there is no such order, which is so until somebody opens its page.
    pub(super) async fn order(&self, number: &str) -> Result<Option<Order>, ProviderError> {
        let query = [("act", wire::ORDER), ("pid", &self.pid), ("key", self.key()), ("out_trade_no", number)];
        let answer = send(self.http.get(&format!("{}{}", self.url, wire::API)).query(&query)).await?;
        let code = answer.json::<Head>().ok().map(|head| head.code);
        match (answer.status, code) {
            (StatusCode::OK, Some(wire::YES)) => {
                let order: Order = answer.json()?;
                let is_it = order.pid == self.pid && order.out_trade_no == number;
                let other = "its answer is about something else than was asked for";
                if is_it { Ok(Some(order)) } else { Err(ProviderError::Unreachable(other.to_owned())) }
            }
            (StatusCode::NOT_FOUND, Some(wire::NO)) => Ok(None),
            _ => Err(answer.unexpected()),
        }
    }

    /// Whether it said yes or no.
    pub(super) async fn refund(&self, trade_no: &str, number: &str, money: &str) -> Result<bool, ProviderError> {
        let form = [
            ("pid", self.pid.as_str()),
            ("key", self.key()),
            ("trade_no", trade_no),
            ("out_trade_no", number),
            ("money", money),
        ];
        let answer: Answer = send(self.http.post(&format!("{}{}", self.url, wire::API)).form(&form)).await?;
        match (answer.status, answer.json::<Head>().ok().map(|head| head.code)) {
            (StatusCode::OK, Some(wire::YES)) => Ok(true),
            (StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, Some(wire::NO)) => Ok(false),
            _ => Err(answer.unexpected()),
        }
    }
}
