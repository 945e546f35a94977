//! Their side: the page in both protocols, the query, the refund, and a GET when somebody has paid.
//!
//! As there, nothing is sent of a refund, a notification of what is refunded meanwhile is dropped, and a query of an order
//! that is refunded says no more than that it is not paid.

use std::sync::Arc;

use aggregates::{Currency, Money};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::wire::{self, field};
use super::{CURRENCY, WEBHOOK};
use crate::providers::form::{self, Form};
use crate::providers::settings::Values;
use crate::providers::simulator::{Call, Face, Happened, KeyFile, NewTrade, Outgoing, Sim, Simulated, Trade};

const TIME: &str = "%Y-%m-%d %H:%M:%S";
const NEVER: &str = "0001-01-01 00:00:00";
/// What is read of an order, in both protocols: whatever else comes nobody signed.
const SUBMITTED: [&str; 9] =
    ["pid", "client_id", "type", "out_trade_no", "name", "order_name", "money", "notify_url", "return_url"];

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let seed = STANDARD.decode(keys.seed("page_key"))?;
    let page_key = Ed25519KeyPair::from_seed_unchecked(&seed)?.public_key().as_ref().to_vec();
    let (pid, key) = (keys.secret("pid", ""), keys.secret("key", ""));
    let face = Credit { pid, key, page_key, currency: CURRENCY.parse()? };
    let mut settings = Values::default();
    settings.set("pid", &face.pid);
    settings.set("key", &face.key);
    settings.set("url", base);
    Ok(Simulated { face: Arc::new(face), settings })
}

#[derive(Clone)]
struct Credit {
    pid: String,
    key: String,
    /// The public half of the one that may sign pages.
    page_key: Vec<u8>,
    currency: Currency,
}

#[derive(Clone)]
struct Shared(Credit, Sim);

fn no(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"code": wire::NO, "msg": why}))).into_response()
}

impl Credit {
    fn money(&self, minor: i64) -> String {
        Money::from_minor(minor, self.currency).to_string()
    }

    fn minor(&self, text: &str) -> Option<i64> {
        Money::parse(text, self.currency).ok().map(|money| money.minor()).filter(|minor| *minor > 0)
    }

    fn is_us(&self, form: &Form) -> bool {
        field(form, "pid") == Some(&self.pid) && field(form, "key") == Some(&self.key)
    }

    fn submit(&self, sim: &Sim, mut form: Form) -> Response {
        let sign = form.remove(wire::SIGN).unwrap_or_default();
        form.retain(|name, _| SUBMITTED.contains(&name.as_str()));
        let (id, named, is_signed) = match field(&form, "type") {
            Some(wire::LDCPAY) => ("client_id", "order_name", self.is_signed_by_page_key(&form, &sign)),
            _ => ("pid", "name", sign.eq_ignore_ascii_case(&wire::sign(&form, &self.key))),
        };
        if field(&form, id) != Some(&self.pid) || !is_signed {
            return (StatusCode::UNAUTHORIZED, Json(json!({"error_msg": "签名验证失败", "data": null})))
                .into_response();
        }
        let get = |name| field(&form, name).unwrap_or_default().to_owned();
        let amount = self.minor(&get("money"));
        let is_known = [wire::EPAY, wire::LDCPAY].contains(&&*get("type"));
        let (Some(amount), true, false) = (amount, is_known, get("out_trade_no").is_empty()) else {
            return (StatusCode::BAD_REQUEST, Json(json!({"error_msg": "参数错误", "data": null}))).into_response();
        };
        let new = NewTrade {
            number: get("out_trade_no"),
            subject: get(named),
            amount,
            currency: CURRENCY.to_owned(),
            notify_url: field(&form, "notify_url").map(str::to_owned),
            ..NewTrade::default()
        };
        let trade = sim.books().open(new, false);
        let page = format!("{}/pay/{}", sim.base(), trade.reference);
        (StatusCode::FOUND, [(header::LOCATION, page)]).into_response()
    }

    fn is_signed_by_page_key(&self, form: &Form, sign: &str) -> bool {
        let Ok(signature) = STANDARD.decode(sign) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, &self.page_key);
        key.verify(&wire::signed(form, &self.key), &signature).is_ok()
    }

    fn order(&self, sim: &Sim, form: &Form) -> Response {
        if !self.is_us(form) {
            return no(StatusCode::BAD_REQUEST, "商户信息不存在");
        }
        let trade = sim.books().trade(field(form, "out_trade_no").unwrap_or_default()).cloned();
        let Some(trade) = trade else { return no(StatusCode::NOT_FOUND, "订单不存在") };
        let paid = trade.payment();
        let is_paid = paid.is_some_and(|paid| trade.given_back(&paid.payment_id) == 0);
        Json(json!({
            "code": wire::YES,
            "msg": "查询订单号成功！",
            "trade_no": paid.map_or(&trade.reference, |paid| &paid.payment_id),
            "out_trade_no": trade.number,
            "type": wire::EPAY,
            "pid": self.pid,
            "addtime": trade.created_at.format(TIME).to_string(),
            "endtime": paid.map_or(NEVER.to_owned(), |paid| paid.at.format(TIME).to_string()),
            "name": trade.subject,
            "money": self.money(paid.map_or(trade.amount, |paid| paid.amount)),
            "status": i32::from(is_paid),
        }))
        .into_response()
    }

    /// All of what is paid, and only once.
    fn refund(&self, sim: &Sim, form: &Form) -> Response {
        if !self.is_us(form) {
            return no(StatusCode::BAD_REQUEST, "商户信息不存在");
        }
        let trade_no = field(form, "trade_no").unwrap_or_default();
        let money = field(form, "money").and_then(|text| self.minor(text));
        let mut books = sim.books();
        let paid = books.of_payment(trade_no).and_then(|trade| {
            trade.paid.iter().find(|paid| paid.payment_id == trade_no && trade.given_back(trade_no) == 0).cloned()
        });
        let whole = paid.filter(|paid| Some(paid.amount) == money);
        let number = format!("api{trade_no}");
        let done = whole.and_then(|paid| books.give_back(trade_no, &number, Some(paid.amount), false).ok());
        if done.is_none() {
            return no(StatusCode::OK, "订单不存在");
        }
        Json(json!({"code": wire::YES, "msg": "退款成功"})).into_response()
    }
}

impl Face for Credit {
    fn api(&self, sim: Sim) -> Router {
        Router::new()
            .route(wire::SUBMIT, get(submit).post(submit))
            .route(wire::API, get(order).post(refund))
            .with_state(Shared(self.clone(), sim))
    }

    fn call(&self, method: &Method, uri: &Uri, _body: &[u8]) -> Call {
        match (uri.path(), method) {
            (wire::SUBMIT, _) => Call::Create,
            (wire::API, &Method::GET) => Call::Query,
            (wire::API, &Method::POST) => Call::Refund,
            _ => Call::Other,
        }
    }

    /// The server takes nothing from `event`: a payment is told of once.
    fn notification(&self, trade: &Trade, happened: &Happened, _event: &str) -> Option<Outgoing> {
        let Happened::Paid(paid) = happened else { return None };
        if trade.given_back(&paid.payment_id) > 0 {
            return None;
        }
        let fields = [
            ("pid", self.pid.clone()),
            ("trade_no", paid.payment_id.clone()),
            ("out_trade_no", trade.number.clone()),
            ("type", wire::EPAY.to_owned()),
            ("name", trade.subject.clone()),
            ("money", self.money(paid.amount)),
            ("trade_status", wire::TRADE_SUCCESS.to_owned()),
        ];
        let mut form: Form = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        form.insert(wire::SIGN.to_owned(), wire::sign(&form, &self.key));
        let url = trade.notify_url.as_deref().unwrap_or(WEBHOOK);
        let joint = if url.contains('?') { '&' } else { '?' };
        Some(Outgoing {
            method: Method::GET,
            url: format!("{url}{joint}{}", form::encoded(form::pairs(&form))),
            headers: vec![("user-agent", "LinuxDo-Credit/1.0".to_owned())],
            body: Vec::new(),
        })
    }

    fn is_acknowledged(&self, status: StatusCode, body: &[u8]) -> bool {
        status == StatusCode::OK && body.trim_ascii().eq_ignore_ascii_case(wire::SUCCESS.as_bytes())
    }
}

fn parameters(text: &[u8]) -> Form {
    form::parse(text).unwrap_or_default()
}

async fn submit(State(Shared(face, sim)): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let mut form = parameters(uri.query().unwrap_or_default().as_bytes());
    form.extend(parameters(&body));
    face.submit(&sim, form)
}

async fn order(State(Shared(face, sim)): State<Shared>, uri: Uri) -> Response {
    let form = parameters(uri.query().unwrap_or_default().as_bytes());
    if field(&form, "act") != Some(wire::ORDER) {
        return no(StatusCode::BAD_REQUEST, "参数错误");
    }
    face.order(&sim, &form)
}

async fn refund(State(Shared(face, sim)): State<Shared>, body: Bytes) -> Response {
    face.refund(&sim, &parameters(&body))
}
