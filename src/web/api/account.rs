//! What an account has and has used: daily quota, credits, statement.

use aggregates::OrderId;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{Days, NaiveDate};
use projections::balances::query::{self as balances, CreditsView};
use projections::daily_usage::query::{self as daily_usage, DayView, PackageDayView, TodayView};
use projections::statement::query::{self as statement, LineFilter, LineKind, LineView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Reader;
use super::super::paging::{Cursor, Limit, Page, Row, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::Params;
use super::super::values::{Day, Moment, Word};
use super::fresh::{Api, Fresh};
use super::lines::or_empty;
use super::order_filter;
use crate::app::App;

/// Days of history unless asked otherwise, and at most.
const DAYS_DEFAULT: u64 = 30;
const DAYS_MAX: i64 = 366;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(usage)).routes(routes!(credits)).routes(routes!(transactions))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// The first day of the history; 30 days before `to` unless given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Day>,
    /// The last day of the history; today unless given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Day>,
}

/// Quota of today and of the days before.
#[derive(Serialize, ToSchema)]
struct UsageOut {
    /// Whose midnight begins a new day.
    #[schema(example = "Asia/Shanghai")]
    time_zone: String,
    today: TodayView,
    /// Days on which anything was used, newest first.
    history: Vec<DayView>,
}

/// Today's quota and the history of the days before, per package; as a table, the history alone.
#[utoipa::path(
    get, path = "/api/user/daily-usage", tag = "packages", params(UsageQuery),
    responses((status = 200, content((UsageOut = "application/json"), (String = "text/csv"))))
)]
async fn usage(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<UsageQuery>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let to = query.to.map(|Day(to)| to).unwrap_or_else(|| now.with_timezone(&app.time_zone).date_naive());
    let from = query.from.map(|Day(from)| from).or_else(|| to.checked_sub_days(Days::new(DAYS_DEFAULT))).unwrap_or(to);
    if to < from || to.signed_duration_since(from).num_days() > DAYS_MAX {
        let detail = format!("has to be a day before `to`, by at most {DAYS_MAX} days");
        return Err(Problem::parameter(Reason::BadQuery, "from", detail));
    }
    let account = reader.account.key();
    if wants == Wants::Csv {
        let history = daily_usage::history(&app.pool, account, from, to).await?;
        let items = history.into_iter().flat_map(DayLine::of).collect();
        return Ok(Page { items, next_cursor: None }.answer(wants));
    }
    let (today, history) = tokio::try_join!(
        daily_usage::today(&app.pool, account, now),
        daily_usage::history(&app.pool, account, from, to)
    )?;
    Ok(Json(UsageOut { time_zone: app.time_zone.name().to_owned(), today, history }).into_response())
}

/// One package on one day of the history.
#[derive(Serialize)]
struct DayLine {
    day: NaiveDate,
    package: PackageDayView,
}

impl DayLine {
    fn of(DayView { day, packages, .. }: DayView) -> impl Iterator<Item = Self> {
        packages.into_iter().map(move |package| Self { day, package })
    }
}

impl Row for DayLine {
    const HEADER: &'static [&'static str] =
        &["day", "user_package", "product", "name", "limit", "used", "remaining", "held"];

    fn cells(&self) -> Vec<String> {
        let PackageDayView { id, product, name, limit, used, remaining, held } = &self.package;
        vec![
            self.day.to_string(),
            id.to_string(),
            product.map(|number| number.to_string()).unwrap_or_default(),
            or_empty(name),
            limit.clone(),
            used.clone(),
            remaining.clone(),
            held.clone(),
        ]
    }
}

/// Credits, and the grants they come from.
#[utoipa::path(get, path = "/api/v1/user/credits", tag = "credits", responses((status = 200, body = CreditsView)))]
async fn credits(reader: Reader, _: Fresh, State(app): State<App>) -> Result<Json<CreditsView>, Problem> {
    Ok(Json(balances::credits_of(&app.pool, reader.account.key(), app.clock.now()).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LinesQuery {
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<LineKind>,
    /// Of the charge or reservation.
    #[param(value_type = Option<String>)]
    reference: Option<Word>,
    /// What this order granted, what of that expired, and what went back with its money.
    order_no: Option<String>,
    /// At or after this time…
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Moment>,
    /// …and before this one.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Moment>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Every movement of credits, newest first.
#[utoipa::path(
    get, path = "/api/v1/user/transactions", tag = "credits", params(LinesQuery),
    responses((status = 200, content((Page<LineView> = "application/json"), (String = "text/csv"))))
)]
async fn transactions(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<LinesQuery>,
) -> Result<Response, Problem> {
    let before = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let (from, to) = (query.from.map(|Moment(from)| from), query.to.map(|Moment(to)| to));
    let order = order_filter(query.order_no.as_deref())?.map(|number| OrderId::of_number(&number));
    let reference = query.reference.map(|Word(reference)| reference);
    let filter = LineFilter { kind: query.kind, reference, order, from, to };
    let items = statement::lines(&app.pool, reader.account.key(), &filter, before, query.limit.and_one()).await?;
    Ok(Page::cut(items, query.limit, |last| last.version)?.answer(wants))
}
