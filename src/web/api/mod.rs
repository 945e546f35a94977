//! The routes: one file per resource.
//!
//! ```text
//! catalogue.rs        what is on sale, and what the caller already has
//! admin_packages.rs   packages made, changed, taken off sale      admin_products.rs  products of every type
//! orders.rs           buying: place, look, cancel      admin_orders.rs   every order
//! confirm.rs          was it paid?                     admin_refunds.rs  money back, and payments to decide about
//! notices.rs          payments that the sandbox simulates   webhooks.rs       where providers send notifications
//! admin_settings.rs   how providers are set up              admin_inbox.rs    what they have said
//! account.rs          daily usage, credits, statement
//! usage.rs            charges, one or many             holds.rs          reservations, settled or released
//! admin_credits.rs    credits given and taken by hand
//! licenses/           keys of licenses: shown, activated, used, revoked; addresses verified
//! deliveries.rs       API keys and mails, and trying again
//! subscriptions.rs    plans: looked at, canceled, resumed, changed
//! admin_accounts.rs   one customer, whole; and erasing them      stats.rs   what was sold, in numbers
//! cron.rs             what timers do, at once, for whoever has the secret
//! sandbox.rs          the clock, faults                checkout.rs       its page with the button
//! fresh.rs            reads that see what was written before
//! lines.rs            lists as tables
//! ```
//!
//! Reads ask the read models, writes go through `dispatch`. A write runs in a task of its own: a client that goes away
//! does not cut it off half-way.

mod account;
mod admin_accounts;
mod admin_credits;
mod admin_inbox;
mod admin_orders;
mod admin_packages;
mod admin_products;
mod admin_refunds;
mod admin_settings;
mod catalogue;
mod checkout;
mod confirm;
mod cron;
mod deliveries;
mod fresh;
mod holds;
mod licenses;
mod lines;
mod notices;
mod orders;
mod sandbox;
mod stats;
mod subscriptions;
mod usage;
mod webhooks;

pub use licenses::{Licensed, Names};
pub(super) use webhooks::is_webhook;

use aggregates::{AccountId, AccountKey, OrderNumber};
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;

use self::fresh::{Api, Written, around};
use super::auth::Caller;
use super::problem::{Problem, Reason};
use crate::app::App;
use crate::dispatch::{Actor, Profile};

/// Every route of the API, with its part of the document. What only a sandbox has is not there without one.
#[must_use]
pub fn routes(app: &App) -> OpenApiRouter {
    let routers = [
        catalogue::routes(),
        admin_packages::routes(),
        admin_products::routes(),
        orders::routes(),
        admin_orders::routes(),
        admin_refunds::routes(),
        confirm::routes(),
        account::routes(),
        holds::routes(),
        cron::routes(),
        admin_settings::routes(),
        admin_inbox::routes(),
        webhooks::routes(),
        admin_credits::routes(),
        deliveries::routes(),
        subscriptions::routes(),
        admin_accounts::routes(),
        stats::routes(),
        licenses::keys::routes(),
        licenses::entitlements::routes(),
        licenses::emails::routes(),
        licenses::admin::routes(),
    ];
    let mut all = routers.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    if app.sandbox.is_some() {
        all = all
            .merge(notices::routes())
            .merge(checkout::routes())
            .merge(sandbox::routes())
            .merge(subscriptions::sandbox_routes());
    }
    let api = Api { app: app.clone(), written: Written::new() };
    // Charges do for themselves what the layer does: it boxes every request's future, and they are most requests.
    all.layer(from_fn_with_state(api.clone(), around)).merge(usage::routes()).with_state(api)
}

/// What a token says is about its own account, not about one that a service acts for.
fn profile(caller: &Caller, account: &AccountId) -> Profile {
    let said = |text: &Option<String>| text.clone().filter(|_| caller.account == *account);
    Profile { name: said(&caller.name), email: said(&caller.email), locale: caller.locale }
}

/// Who asks, for the log.
fn actor(caller: &Caller) -> Actor {
    caller.actor.clone()
}

/// Runs to its end even if nobody waits for it any more.
async fn whole<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// An account that a path names.
fn account_id(text: &str) -> Result<AccountId, Problem> {
    AccountId::of_customer(text).map_err(|error| Problem::parameter(Reason::BadPath, "account", error.to_string()))
}

/// The account that a query asks for.
fn account_filter(text: Option<&str>) -> Result<Option<AccountKey>, Problem> {
    let named = text.map(AccountId::of_customer).transpose();
    let named = named.map_err(|error| Problem::parameter(Reason::BadQuery, "account", error.to_string()))?;
    Ok(named.map(|account| account.key()))
}

/// The order that a query asks for.
fn order_filter(text: Option<&str>) -> Result<Option<OrderNumber>, Problem> {
    let named = text.map(str::parse).transpose();
    named.map_err(|_| Problem::parameter(Reason::BadQuery, "order_no", "is no number of an order"))
}

/// What is no number names no order.
fn order_number(text: &str) -> Result<OrderNumber, Problem> {
    text.parse().map_err(|_| Problem::not_found("order"))
}
