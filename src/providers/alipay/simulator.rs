//! Alipay's side: one gateway for all calls, answers and notifications signed with Alipay's key.
//!
//! As there, a trade that nobody has paid is not known to a query, and nothing is sent of a refund of all.

use std::sync::Arc;

use aggregates::{Currency, Money};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::time;
use super::wire::{self, field};
use super::{CURRENCY, NAME, WEBHOOK};
use crate::providers::form::{self, Form};
use crate::providers::rsa::{PrivateKey, PublicKey};
use crate::providers::settings::Values;
use crate::providers::simulator::{
    Call, Face, Happened, KeyFile, NewTrade, NoRefund, Outgoing, PaidThere, RefundThere, Sim, Simulated, Trade,
};

const GATEWAY: &str = "/gateway.do";
const SELLER: &str = "2088000000000002";

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let (merchant_private, merchant_public) = keys.rsa("merchant")?;
    let (alipay_private, alipay_public) = keys.rsa(NAME)?;
    let face = Alipay {
        app_id: keys.secret("app_id", "2021"),
        merchant: Arc::new(PublicKey::parse(&merchant_public)?),
        key: Arc::new(PrivateKey::parse(&alipay_private)?),
        currency: Currency::iso(CURRENCY)?,
    };
    let mut settings = Values::default();
    settings.set("app_id", &face.app_id);
    settings.set("private_key", &merchant_private);
    settings.set("public_key", &alipay_public);
    settings.set("seller_id", SELLER);
    settings.set("gateway", &format!("{base}{GATEWAY}"));
    Ok(Simulated { face: Arc::new(face), settings })
}

#[derive(Clone)]
struct Shared(Alipay, Sim);

#[derive(Clone)]
struct Alipay {
    app_id: String,
    merchant: Arc<PublicKey>,
    key: Arc<PrivateKey>,
    currency: Currency,
}

/// What a call is about, whatever it asks.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    out_trade_no: String,
    trade_no: String,
    total_amount: String,
    subject: String,
    refund_amount: String,
    out_request_no: String,
}

/// A plain no.
type No = (&'static str, &'static str);

const NOT_EXIST: No = (wire::BUSINESS_FAILED, wire::TRADE_NOT_EXIST);
const BAD_ARGUMENT: No = ("40002", "isv.invalid-parameter");

/// The parameters of a call, some in its query and some in its body.
fn parameters(uri: &Uri, body: &[u8]) -> Option<Form> {
    let mut form = form::parse(uri.query().unwrap_or_default().as_bytes())?;
    form.extend(form::parse(body)?);
    Some(form)
}

impl Alipay {
    fn is_signed(&self, form: &Form) -> bool {
        let sign = field(form, wire::SIGN).unwrap_or_default();
        field(form, "app_id") == Some(&self.app_id)
            && field(form, wire::SIGN_TYPE) == Some(wire::RSA2)
            && self.merchant.verifies(wire::asked(form).as_bytes(), sign)
    }

    fn money(&self, minor: i64) -> String {
        Money::from_minor(minor, self.currency).to_string()
    }

    fn minor(&self, text: &str) -> Option<i64> {
        Money::parse(text, self.currency).ok().map(|money| money.minor()).filter(|minor| *minor > 0)
    }

    fn answer(&self, method: &str, content: Value) -> Response {
        let content = content.to_string();
        let Some(sign) = self.key.sign(content.as_bytes()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let name = format!("{}_response", method.replace('.', "_"));
        // Put together by hand: the signature is over these very bytes.
        let body = format!(r#"{{"{name}":{content},"sign":"{sign}"}}"#);
        ([(header::CONTENT_TYPE, "text/html;charset=utf-8")], body).into_response()
    }

    fn asked(&self, sim: &Sim, method: &str, form: &Form) -> Result<Value, No> {
        let content = field(form, "biz_content").unwrap_or_default();
        let content: Content = serde_json::from_str(content).map_err(|_| BAD_ARGUMENT)?;
        match method {
            wire::PRECREATE => {
                let trade = self.open(sim, form, &content)?;
                Ok(json!({"out_trade_no": trade.number, "qr_code": format!("{}/pay/{}", sim.base(), trade.reference)}))
            }
            wire::QUERY => self.query(sim, &content),
            wire::REFUND => self.refund(sim, &content),
            wire::REFUND_QUERY => Ok(self.refund_query(sim, &content)),
            _ => Err(("40006", "isv.invalid-method")),
        }
    }

    fn open(&self, sim: &Sim, form: &Form, content: &Content) -> Result<Trade, No> {
        if content.out_trade_no.is_empty() || content.subject.is_empty() {
            return Err(BAD_ARGUMENT);
        }
        let new = NewTrade {
            number: content.out_trade_no.clone(),
            subject: content.subject.clone(),
            amount: self.minor(&content.total_amount).ok_or(BAD_ARGUMENT)?,
            currency: CURRENCY.to_owned(),
            notify_url: field(form, "notify_url").map(str::to_owned),
            ..NewTrade::default()
        };
        let amount = new.amount;
        let trade = sim.books().open(new, false);
        match trade {
            trade if trade.amount != amount => Err((wire::BUSINESS_FAILED, "ACQ.CONTEXT_INCONSISTENT")),
            trade if !trade.paid.is_empty() => Err((wire::BUSINESS_FAILED, "ACQ.TRADE_HAS_SUCCESS")),
            trade => Ok(trade),
        }
    }

    fn query(&self, sim: &Sim, content: &Content) -> Result<Value, No> {
        let trade = sim.books().trade(&content.out_trade_no).cloned().ok_or(NOT_EXIST)?;
        let paid = trade.payment().ok_or(NOT_EXIST)?;
        let is_closed = trade.given_back(&paid.payment_id) >= paid.amount;
        Ok(json!({
            "trade_no": paid.payment_id,
            "out_trade_no": trade.number,
            "trade_status": if is_closed { wire::TRADE_CLOSED } else { wire::TRADE_SUCCESS },
            "total_amount": self.money(paid.amount),
            "send_pay_date": time(paid.at),
        }))
    }

    fn refund(&self, sim: &Sim, content: &Content) -> Result<Value, No> {
        let amount = self.minor(&content.refund_amount).ok_or(BAD_ARGUMENT)?;
        let pending = sim.faults().refunds_pending;
        let done = sim.books().give_back(&content.trade_no, &content.out_request_no, Some(amount), pending);
        let (trade, refund, is_new) = done.map_err(|no| match no {
            NoRefund::NoSuchPayment => NOT_EXIST,
            NoRefund::NumberTaken => (wire::BUSINESS_FAILED, "ACQ.DISCORDANT_REPEAT_REQUEST"),
            NoRefund::MoreThanIsLeft => (wire::BUSINESS_FAILED, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"),
        })?;
        if is_new && !pending {
            sim.tell(&trade, Happened::Refunded(refund.clone()));
        }
        Ok(json!({
            "trade_no": refund.payment_id,
            "out_trade_no": trade.number,
            "fund_change": if is_new && !pending { "Y" } else { "N" },
            "refund_fee": self.money(trade.given_back(&refund.payment_id)),
        }))
    }

    /// A yes also to what is not known, as there.
    fn refund_query(&self, sim: &Sim, content: &Content) -> Value {
        let books = sim.books();
        let found = books.of_refund(&content.out_request_no);
        match found.filter(|(trade, refund)| trade.number == content.out_trade_no && !refund.pending) {
            None => json!({}),
            Some((trade, refund)) => json!({
                "trade_no": refund.payment_id,
                "out_trade_no": trade.number,
                "out_request_no": refund.refund_no,
                "refund_amount": self.money(refund.amount),
                "refund_status": wire::REFUND_SUCCESS,
            }),
        }
    }

    fn notice<'a>(&self, trade: &'a Trade, paid: &'a PaidThere, event: &str) -> Vec<(&'static str, String)> {
        vec![
            ("app_id", self.app_id.clone()),
            ("auth_app_id", self.app_id.clone()),
            ("buyer_id", "2088000000000001".to_owned()),
            ("charset", "utf-8".to_owned()),
            (
                "fund_bill_list",
                json!([{"amount": self.money(paid.amount), "fundChannel": "ALIPAYACCOUNT"}]).to_string(),
            ),
            ("gmt_create", time(trade.created_at)),
            ("gmt_payment", time(paid.at)),
            ("notify_id", event.replace('-', "")),
            ("notify_time", time(chrono::Utc::now())),
            ("notify_type", "trade_status_sync".to_owned()),
            ("out_trade_no", trade.number.clone()),
            ("receipt_amount", self.money(paid.amount)),
            ("seller_id", SELLER.to_owned()),
            ("subject", trade.subject.clone()),
            ("total_amount", self.money(paid.amount)),
            ("trade_no", paid.payment_id.clone()),
            ("trade_status", wire::TRADE_SUCCESS.to_owned()),
            ("version", "1.0".to_owned()),
        ]
    }

    /// All that went back up to and with this one. `None`: that is everything.
    fn part(trade: &Trade, paid: &PaidThere, refund: &RefundThere) -> Option<i64> {
        let of_payment = trade.refunds.iter().filter(|other| other.payment_id == paid.payment_id && !other.pending);
        let until = of_payment.take_while(|other| other.refund_no != refund.refund_no);
        let sum = until.fold(refund.amount, |sum, other| sum.saturating_add(other.amount));
        Some(sum).filter(|sum| *sum < paid.amount)
    }
}

impl Face for Alipay {
    fn api(&self, sim: Sim) -> Router {
        let state = Shared(self.clone(), sim);
        Router::new().route(GATEWAY, get(gateway).post(gateway)).with_state(state)
    }

    fn call(&self, _method: &Method, uri: &Uri, body: &[u8]) -> Call {
        let form = parameters(uri, body).unwrap_or_default();
        match field(&form, "method") {
            Some(wire::PRECREATE) => Call::Create,
            Some(wire::QUERY | wire::REFUND_QUERY) => Call::Query,
            Some(wire::REFUND) => Call::Refund,
            _ => Call::Other,
        }
    }

    fn notification(&self, trade: &Trade, happened: &Happened, event: &str) -> Option<Outgoing> {
        let url = trade.notify_url.clone().unwrap_or_else(|| WEBHOOK.to_owned());
        let pairs = match happened {
            Happened::Paid(paid) => self.notice(trade, paid, event),
            Happened::Refunded(refund) => {
                let paid = trade.paid.iter().find(|paid| paid.payment_id == refund.payment_id)?;
                let sum = Self::part(trade, paid, refund)?;
                let more = [
                    ("gmt_refund", time(refund.at)),
                    ("out_biz_no", refund.refund_no.clone()),
                    ("refund_fee", self.money(sum)),
                ];
                self.notice(trade, paid, event).into_iter().chain(more).collect()
            }
        };
        let mut form: Form = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sign = self.key.sign(wire::notified(&form, false).as_bytes())?;
        form.insert(wire::SIGN.to_owned(), sign);
        form.insert(wire::SIGN_TYPE.to_owned(), wire::RSA2.to_owned());
        Some(Outgoing {
            method: Method::POST,
            url,
            headers: vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())],
            body: form::encoded(form::pairs(&form)).into_bytes(),
        })
    }

    fn is_acknowledged(&self, status: StatusCode, body: &[u8]) -> bool {
        status == StatusCode::OK && body == wire::SUCCESS.as_bytes()
    }
}

async fn gateway(State(Shared(face, sim)): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let form = parameters(&uri, &body).unwrap_or_default();
    let method = field(&form, "method").unwrap_or_default().to_owned();
    if !face.is_signed(&form) {
        // As there: who cannot sign gets no signed answer.
        let no = json!({"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"});
        return axum::Json(json!({"error_response": no})).into_response();
    }
    if method == wire::PAGE_PAY {
        let content = serde_json::from_str(field(&form, "biz_content").unwrap_or_default());
        let trade = content.map_err(|_| BAD_ARGUMENT).and_then(|content| face.open(&sim, &form, &content));
        return match trade {
            Ok(trade) => {
                let page = format!("{}/pay/{}", sim.base(), trade.reference);
                (StatusCode::FOUND, [(header::LOCATION, page)]).into_response()
            }
            Err((_, code)) => (StatusCode::BAD_REQUEST, code).into_response(),
        };
    }
    let mut content = json!({"code": wire::OK, "msg": "Success"});
    match face.asked(&sim, &method, &form) {
        Ok(more) => {
            if let (Some(all), Value::Object(more)) = (content.as_object_mut(), more) {
                all.extend(more);
            }
        }
        Err((code, sub_code)) => content = json!({"code": code, "msg": "Business Failed", "sub_code": sub_code}),
    }
    face.answer(&method, content)
}
