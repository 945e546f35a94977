//! One customer, whole; and erasing them.

use aggregates::Locale;
use axum::Json;
use axum::extract::State;
use projections::balances::query::{self as balances, CreditsView};
use projections::daily_usage::query::{self as daily_usage, TodayView};
use projections::deliveries::query::{self as deliveries, DeliveryFilter, DeliveryView};
use projections::holds::query::{self as holds, HoldView};
use projections::licenses::query::{self as licenses, LicenseFilter, LicenseView};
use projections::orders::query::{self as orders, OrderFilter, OrderView, ReviewFilter, ReviewView};
use projections::orders::refund_query::{self as refunds, RefundFilter, RefundView};
use projections::packages::query::{self as packages, PackageView};
use projections::statement::query::{self as statement, LineFilter, LineView};
use projections::subscriptions::query::{SubscriptionFilter, SubscriptionView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::problem::Problem;
use super::super::query::Named;
use super::fresh::{Api, Fresh};
use super::subscriptions::opened;
use super::{account_id, actor, whole};
use crate::app::App;
use crate::dispatch::{DispatchError, Profile};
use crate::vault::VaultError;

/// Of each kind of thing, newest first; the lists of the kinds have the rest.
pub(super) const EACH_MAX: i64 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(one)).routes(routes!(erase))
}

/// As their token last said, when it was needed.
#[derive(Serialize, ToSchema)]
struct ProfileOut {
    name: Option<String>,
    email: Option<String>,
    #[schema(value_type = String, example = "zh-CN")]
    locale: Locale,
}

impl From<Profile> for ProfileOut {
    fn from(Profile { name, email, locale }: Profile) -> Self {
        Self { name, email, locale }
    }
}

/// Everything about one customer: the newest hundred of each kind.
#[derive(Serialize, ToSchema)]
struct AccountOut {
    account: String,
    /// Nobody can read who it was any more.
    erased: bool,
    /// Nothing where nothing was said, or it was erased.
    profile: Option<ProfileOut>,
    credits: CreditsView,
    holds: Vec<HoldView>,
    packages: Vec<PackageView>,
    /// Bought or used; without their keys.
    licenses: Vec<LicenseView>,
    subscriptions: Vec<SubscriptionView>,
    orders: Vec<OrderView>,
    deliveries: Vec<DeliveryView>,
    refunds: Vec<RefundView>,
    /// Payments that delivered nothing, whatever became of them.
    mismatches: Vec<ReviewView>,
    /// Lines of the statement.
    transactions: Vec<LineView>,
    /// Quota of today.
    daily_usage: TodayView,
}

/// One customer, whole.
#[utoipa::path(
    get, path = "/api/v1/admin/accounts/{id}", tag = "admin",
    params(("id" = String, Path)), responses((status = 200, body = AccountOut))
)]
async fn one(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    Named(account): Named<String>,
) -> Result<Json<AccountOut>, Problem> {
    let account = account_id(&account)?;
    let key = account.key();
    if app.dispatch.store().account_id(key).await?.is_none() {
        return Err(Problem::not_found("account"));
    }
    let now = app.clock.now();
    let erased = app.dispatch.is_erased(&account).await?;
    let profile = match app.dispatch.profile(&account).await {
        Ok(profile) => profile,
        // Between the two looks, or where the event is still to come: its key is gone all the same.
        Err(DispatchError::Vault(VaultError::Erased)) => None,
        Err(error) => return Err(error.into()),
    };
    let of_account = OrderFilter { account: Some(key), ..OrderFilter::default() };
    let its = DeliveryFilter { account: Some(key), state: None };
    let bought_or_used = LicenseFilter { account: Some(key), ..LicenseFilter::default() };
    let of_refunds = RefundFilter { account: Some(key), ..RefundFilter::default() };
    let of_reviews = ReviewFilter { account: Some(key), ..ReviewFilter::default() };
    let subscribed = SubscriptionFilter { account: Some(key), status: None };
    let subscriptions = opened(&app, &subscribed, None, EACH_MAX).await?;
    let lines = LineFilter::default();
    let (money, usage) = (
        async {
            tokio::try_join!(
                refunds::list(&app.pool, &of_refunds, None, EACH_MAX),
                orders::reviews(&app.pool, &of_reviews, None, EACH_MAX),
                statement::lines(&app.pool, key, &lines, None, EACH_MAX),
            )
        },
        daily_usage::today(&app.pool, key, now),
    );
    let (credits, holds, licenses, packages, orders, deliveries, money, daily_usage) = tokio::try_join!(
        balances::credits_of(&app.pool, key, now),
        holds::list(&app.pool, key, None, now, None, EACH_MAX),
        licenses::list(&app.pool, &bought_or_used, None, EACH_MAX),
        packages::of_account(&app.pool, key, now),
        orders::list(&app.pool, &of_account, None, EACH_MAX),
        deliveries::list(&app.pool, &its, None, EACH_MAX),
        money,
        usage,
    )?;
    let (refunds, mismatches, transactions) = money;
    let profile = profile.filter(|_| !erased).map(ProfileOut::from);
    let account = account.to_string();
    let licenses = licenses.into_iter().map(|license| license.view).collect();
    Ok(Json(AccountOut {
        account,
        erased,
        profile,
        credits,
        holds,
        packages,
        licenses,
        subscriptions,
        orders,
        deliveries,
        refunds,
        mismatches,
        transactions,
        daily_usage,
    }))
}

/// Why a customer is erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseIn {
    /// In the log for ever: say nothing in it of who they were.
    #[schema(example = "asked for by the customer", min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct ErasedOut {
    account: String,
    erased: bool,
}

/// Erases a customer for ever: name, address and keys can be read by nobody any more, what was bought and paid stays.
#[utoipa::path(
    post, path = "/api/v1/admin/accounts/{id}/erase", tag = "admin",
    params(("id" = String, Path)), request_body = EraseIn, responses((status = 200, body = ErasedOut))
)]
async fn erase(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(account): Named<String>,
    Body(EraseIn { reason }): Body<EraseIn>,
) -> Result<Written<ErasedOut>, Problem> {
    let account = account_id(&account)?;
    if app.dispatch.store().account_id(account.key()).await?.is_none() {
        return Err(Problem::not_found("account"));
    }
    let id = key.command_id(admin.account.as_str());
    let named = account.to_string();
    let erased = async move { app.dispatch.erase_customer(&account, &actor(&admin), id, reason).await };
    let receipt = whole(erased).await?;
    Ok(Written::ok(&receipt, ErasedOut { account: named, erased: true }))
}
