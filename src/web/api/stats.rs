//! What was sold, in numbers: the indicators of a range of days.
//!
//! | indicator | is |
//! |---|---|
//! | orders a day | orders placed in the range, by its days |
//! | conversion | of the orders placed in the range, those that were paid by now |
//! | expiry of orders | of the orders placed in the range, those that expired unpaid by now |
//! | average amount | revenue of the range by the orders that it paid, per currency |
//! | revenue | what was paid in the range, per currency; refunds of it apart, and net |
//! | share by product | a product's revenue of its currency's revenue in the range |
//! | repurchase | of the accounts that paid for an order in the range, those that paid for two or more in it |
//! | active keys | licenses with uses left that were not revoked, now |
//! | mean use of keys | the mean, over licenses not revoked, of the part that was used, now |
//! | expiry of keys | of licenses not revoked, those used up; of packages, those whose end was recorded; now |
//!
//! An order is one that somebody placed: a period that a provider renewed by itself is none, for it would always be
//! converted and always repeated. What it paid is revenue, and makes its share of the product and of the average.
//!
//! Days are those of the billing time zone in which an order was placed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{Days, NaiveDate};
use projections::sales::query::{self as sales, SalesView, StatsView};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Auditor;
use super::super::paging::{Page, Row, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::Params;
use super::super::values::Day;
use super::fresh::{Api, Fresh};
use super::lines::or_empty;
use crate::app::App;

/// Days before `to` unless asked otherwise, and at most.
const DAYS_DEFAULT: u64 = 29;
const DAYS_MAX: i64 = 1_100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatsQuery {
    /// The first day; 29 days before `to` unless given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Day>,
    /// The last day; today unless given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Day>,
}

/// Orders, revenue, buyers and keys. As a table: one line per day, product and currency.
#[utoipa::path(
    get, path = "/api/v1/admin/stats", tag = "admin", params(StatsQuery),
    responses((status = 200, content((StatsView = "application/json"), (String = "text/csv"))))
)]
async fn stats(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(StatsQuery { from, to }): Params<StatsQuery>,
) -> Result<Response, Problem> {
    let today = app.clock.now().with_timezone(&app.time_zone).date_naive();
    let (from, to) = range(from.map(|Day(from)| from), to.map(|Day(to)| to), today)?;
    let stats = sales::stats(&app.pool, from, to).await?;
    Ok(match wants {
        Wants::Json => Json(stats).into_response(),
        Wants::Csv => Page { items: stats.days, next_cursor: None }.answer(wants),
    })
}

fn range(from: Option<NaiveDate>, to: Option<NaiveDate>, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Problem> {
    let to = to.unwrap_or(today);
    let from = from.or_else(|| to.checked_sub_days(Days::new(DAYS_DEFAULT))).unwrap_or(to);
    if (0..=DAYS_MAX).contains(&to.signed_duration_since(from).num_days()) {
        return Ok((from, to));
    }
    let detail = format!("has to be a day before `to`, by at most {DAYS_MAX} days");
    Err(Problem::parameter(Reason::BadQuery, "from", detail))
}

impl Row for SalesView {
    const HEADER: &'static [&'static str] = &[
        "when",
        "product",
        "name",
        "currency",
        "placed",
        "converted",
        "expired",
        "paid",
        "revenue",
        "refunds",
        "refunded",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.when.clone(),
            self.product_id.map(|number| number.to_string()).unwrap_or_default(),
            or_empty(&self.name),
            self.revenue.currency.clone(),
            self.placed.clone(),
            self.converted.clone(),
            self.expired.clone(),
            self.paid.clone(),
            self.revenue.amount.clone(),
            self.refunds.clone(),
            self.refunded.amount.clone(),
        ]
    }
}
