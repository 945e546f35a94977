//! Where a sandbox order is paid: one page with one button. It stands for the provider's own page, so it is in no
//! document, and knows nothing but what a provider would.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use axum::routing::get;
use minijinja::{Environment, context};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::super::problem::Problem;
use super::fresh::Api;
use super::{order_number, whole};
use crate::app::App;
use crate::providers::sandbox::{Sandbox, pay_with};

/// The name ends in `.html`, which is what makes the engine escape.
const PAGE: &str = "checkout.html";
const TEMPLATE: &str = include_str!("checkout.html");

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().route("/sandbox/checkout/{order_no}", get(show).post(pay))
}

async fn show(State(app): State<App>, Path(order_no): Path<String>) -> Result<Html<String>, Problem> {
    let (sandbox, number) = (sandbox(&app)?, order_number(&order_no)?);
    let open = sandbox.open_payment(&number).await.map_err(Problem::internal)?;
    let open = open.ok_or_else(|| Problem::not_found("order"))?;
    let paid = sandbox.is_paid(&number).await.map_err(Problem::internal)?;
    let content = context! {
        order => number.as_str(),
        subject => open.subject,
        amount => open.amount.to_string(),
        expires_at => open.expires_at.to_rfc3339(),
        paid,
    };
    let mut pages = Environment::new();
    pages.add_template(PAGE, TEMPLATE).map_err(Problem::internal)?;
    let page = pages.get_template(PAGE).and_then(|page| page.render(content)).map_err(Problem::internal)?;
    Ok(Html(page))
}

/// What the form holds; nothing, where only the button was pressed.
#[derive(Default, Deserialize)]
struct PayForm {
    #[serde(default)]
    card_number: String,
}

/// First in the provider's books, then its notice is on its way: like any provider.
async fn pay(State(app): State<App>, Path(order_no): Path<String>, body: Bytes) -> Result<Redirect, Problem> {
    let (sandbox, number) = (sandbox(&app)?.clone(), order_number(&order_no)?);
    let PayForm { card_number } = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    if !card_number.trim().is_empty() {
        pay_with("/card_number", card_number.trim())?;
    }
    let page = format!("/sandbox/checkout/{number}");
    let paid = whole(async move { sandbox.pay(&number, "sandbox").await }).await?;
    paid.map(|_| Redirect::to(&page)).ok_or_else(|| Problem::not_found("order"))
}

pub(super) fn sandbox(app: &App) -> Result<&Sandbox, Problem> {
    app.sandbox.as_ref().ok_or_else(|| Problem::not_found("path"))
}
