//! What somebody at a simulator can do, the same for all of them:
//!
//! | | |
//! |---|---|
//! | `GET /pay/{name}` | a page with a button; `name` is the order's number or the provider's own name for it |
//! | `POST /pay/{name}` | pays it: `{}` or nothing |
//! | `POST /give-back/{name}` | as in the provider's own console: `{"amount": 100}` in minor units, or all |
//! | `GET /trades`, `GET /trades/{name}` | the books |
//! | `GET /notifications` | what is on its way, and what became of the rest |
//! | `POST /hurry` | nothing waits any longer |
//! | `GET·PUT /faults` | what goes wrong |
//! | `PUT /notify-base` | the address of the ledger, as text, whatever host it named itself |

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use minijinja::{Environment, context};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Faults, Happened, Sim, lock, queue};

/// The name ends in `.html`, which is what makes the engine escape.
const PAGE: &str = "pay.html";

pub(super) fn routes(sim: Sim) -> Router {
    Router::new()
        .route("/pay/{name}", get(page).post(pay))
        .route("/give-back/{name}", post(give_back))
        .route("/trades", get(trades))
        .route("/trades/{name}", get(trade))
        .route("/notifications", get(notifications))
        .route("/hurry", post(hurry))
        .route("/faults", get(faults).put(set_faults))
        .route("/notify-base", put(notify_base))
        .with_state(sim)
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing of this name\n").into_response()
}

async fn page(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    let Some(trade) = sim.books().trade(&name).cloned() else { return nothing() };
    let mut pages = Environment::new();
    let added = pages.add_template(PAGE, include_str!("pay.html"));
    let content = context! {
        provider => sim.0.name,
        name,
        subject => trade.subject,
        amount => trade.amount,
        currency => trade.currency,
        paid => !trade.paid.is_empty(),
    };
    let rendered = added.and_then(|()| pages.get_template(PAGE)?.render(content));
    match rendered {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// First in the books, then its notification is on its way.
async fn pay(State(sim): State<Sim>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let faults = sim.faults();
    let times = if faults.pay_twice { 2 } else { 1 };
    let mut paid = Vec::new();
    for _ in 0..times {
        let entered = sim.books().pay(&name, "pay", faults.wrong_amount);
        let Some((trade, payment)) = entered else { return nothing() };
        sim.tell(&trade, Happened::Paid(payment.clone()));
        paid.push(payment);
    }
    let browser = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if browser.is_some_and(|accept| accept.contains("text/html")) {
        return Redirect::to(&format!("/pay/{name}")).into_response();
    }
    Json(json!({"paid": paid})).into_response()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GiveBack {
    amount: Option<i64>,
}

async fn give_back(State(sim): State<Sim>, Path(name): Path<String>, body: Bytes) -> Response {
    let wanted = if body.is_empty() { Ok(GiveBack::default()) } else { serde_json::from_slice(&body) };
    let GiveBack { amount } = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    };
    let payment = sim.books().trade(&name).and_then(|trade| trade.payment().cloned());
    let Some(payment) = payment else { return nothing() };
    let entered = {
        let mut books = sim.books();
        let refund_no = books.name("console");
        books.give_back(&payment.payment_id, &refund_no, amount, false)
    };
    match entered {
        Ok((trade, refund, _)) => {
            sim.tell(&trade, Happened::Refunded(refund.clone()));
            Json(json!({"refund": refund})).into_response()
        }
        Err(why) => (StatusCode::CONFLICT, format!("{why:?}\n")).into_response(),
    }
}

async fn trades(State(sim): State<Sim>) -> Response {
    Json(sim.books().trades()).into_response()
}

async fn trade(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    let found = sim.books().trade(&name).cloned();
    found.map_or_else(nothing, |trade| Json(trade).into_response())
}

async fn notifications(State(sim): State<Sim>) -> Response {
    Json(queue::overview(&sim)).into_response()
}

async fn hurry(State(sim): State<Sim>) -> StatusCode {
    queue::hurry(&sim);
    StatusCode::NO_CONTENT
}

async fn faults(State(sim): State<Sim>) -> Json<Faults> {
    Json(sim.faults())
}

async fn set_faults(State(sim): State<Sim>, body: Bytes) -> Response {
    let wanted: Faults = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    };
    let pending = wanted.refunds_pending;
    *lock(&sim.0.faults) = wanted;
    if !pending {
        finish_refunds(&sim);
    }
    StatusCode::NO_CONTENT.into_response()
}

/// What was pending is done.
fn finish_refunds(sim: &Sim) {
    let trades = sim.books().trades();
    for trade in trades.iter().filter(|trade| trade.refunds.iter().any(|refund| refund.pending)) {
        let mut done = Vec::new();
        let edited = sim.books().edit(&trade.reference, |trade| {
            for refund in trade.refunds.iter_mut().filter(|refund| refund.pending) {
                refund.pending = false;
                done.push(refund.clone());
            }
        });
        if let Some(trade) = edited {
            done.into_iter().for_each(|refund| sim.tell(&trade, Happened::Refunded(refund)));
        }
    }
}

async fn notify_base(State(sim): State<Sim>, body: String) -> Response {
    match body.trim().parse::<Url>() {
        Ok(base) => {
            sim.notify_at(base);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}
