//! Where a sandbox order is paid: one page with one button. It stands for the provider's own page, so it is in no
//! document, and knows nothing but what a provider would.

use aggregates::OrderNumber;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use axum::routing::get;
use minijinja::{Environment, context};
use utoipa_axum::router::OpenApiRouter;

use super::super::problem::Problem;
use super::fresh::Api;
use super::{order_number, whole};
use crate::app::App;
use crate::providers::PaymentState;
use crate::providers::Provider;
use crate::providers::sandbox::Sandbox;

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
    let paid = match sandbox.query(&number).await.map_err(Problem::internal)? {
        PaymentState::Paid(_) => true,
        PaymentState::Pending => false,
    };
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

async fn pay(State(app): State<App>, Path(order_no): Path<String>) -> Result<Redirect, Problem> {
    let (sandbox, number) = (sandbox(&app)?.clone(), order_number(&order_no)?);
    let page = format!("/sandbox/checkout/{number}");
    whole(async move { pay_and_notify(&app, &sandbox, &number).await }).await?;
    Ok(Redirect::to(&page))
}

/// First in the provider's books, then its notice: like any provider.
async fn pay_and_notify(app: &App, sandbox: &Sandbox, number: &OrderNumber) -> Result<(), Problem> {
    let notice = sandbox.pay(number, "sandbox").await.map_err(Problem::internal)?;
    let notice = notice.ok_or_else(|| Problem::not_found("order"))?;
    app.dispatch.take_payment(notice).await?;
    Ok(())
}

fn sandbox(app: &App) -> Result<&Sandbox, Problem> {
    app.sandbox.as_ref().ok_or_else(|| Problem::not_found("path"))
}
