//! `GET /api/user/daily-usage`: today and history.

use std::collections::BTreeMap;

use aggregates::{AccountKey, Credits, DayRule, ProductId};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::days::Calendar;
use crate::rows::{credits, from_word};

/// Days of packages in one answer; a year of thirty packages fits.
const HISTORY_ROWS_MAX: i64 = 11_000;
/// Running packages in one answer; a charge takes no more than 64.
const PACKAGES_MAX: i64 = 1_000;

/// Today's quota of everything that runs now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TodayView {
    pub limit: String,
    pub used: String,
    pub remaining: String,
    /// Set aside: it is neither used nor left.
    pub held: String,
    /// When the first of the packages begins a new day.
    pub resets_at: Option<DateTime<Utc>>,
    /// Soonest end first: the order they are charged in.
    pub packages: Vec<PackageTodayView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageTodayView {
    pub id: Uuid,
    /// The number of its product in the catalogue.
    pub product: Option<u32>,
    pub name: Option<String>,
    pub day: NaiveDate,
    pub limit: String,
    pub used: String,
    /// Never more than the package has left in all.
    pub remaining: String,
    /// Set aside: it is neither used nor left.
    pub held: String,
    /// `null` when it ends before its next day begins.
    pub resets_at: Option<DateTime<Utc>>,
    pub ends_at: DateTime<Utc>,
}

/// One day of the past, of all packages that were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayView {
    pub day: NaiveDate,
    pub limit: String,
    pub used: String,
    pub remaining: String,
    /// Set aside: it is neither used nor left.
    pub held: String,
    pub packages: Vec<PackageDayView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageDayView {
    pub id: Uuid,
    pub product: Option<u32>,
    pub name: Option<String>,
    pub limit: String,
    pub used: String,
    pub remaining: String,
    /// Set aside: it is neither used nor left.
    pub held: String,
}

/// What every running package has used and may still pay today.
///
/// # Errors
/// When the database cannot be read.
pub async fn today(pool: &PgPool, account: AccountKey, now: DateTime<Utc>) -> Result<TodayView, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT p.package, p.daily_limit, p.time_zone, p.day_rule, p.starts_at, p.ends_at, p.left_over,
                u.day, u.used, u.held, u.left_over AS day_left, p.product, c.name
           FROM read.packages p
           LEFT JOIN LATERAL (SELECT day, used, held, left_over FROM read.daily_usage u
                               WHERE u.account = p.account AND u.package = p.package ORDER BY day DESC LIMIT 1) u ON true
           LEFT JOIN read.products c ON c.product = p.product
          WHERE p.account = $1 AND p.status = 'active' AND p.starts_at <= $2 AND p.ends_at > $2
          ORDER BY p.ends_at, p.package LIMIT $3",
    )
    .bind(account.uuid())
    .bind(now)
    .bind(PACKAGES_MAX)
    .fetch_all(pool)
    .await?;
    let mut sum = Sum::default();
    let (mut packages, mut resets_at) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        let (view, amounts) = package_today(row, now)?;
        sum.add(amounts);
        resets_at = [resets_at, view.resets_at].into_iter().flatten().min();
        packages.push(view);
    }
    let Sum { limit, used, held, remaining } = sum;
    Ok(TodayView {
        limit: limit.to_string(),
        used: used.to_string(),
        held: held.to_string(),
        remaining: remaining.to_string(),
        resets_at,
        packages,
    })
}

fn package_today(row: &PgRow, now: DateTime<Utc>) -> Result<(PackageTodayView, Sum), sqlx::Error> {
    let zone: Tz = row
        .try_get::<&str, _>("time_zone")?
        .parse()
        .map_err(|error: chrono_tz::ParseError| sqlx::Error::Decode(error.into()))?;
    let rule: DayRule = from_word(row.try_get("day_rule")?)?;
    let calendar = Calendar { rule, zone, starts_at: row.try_get("starts_at")? };
    let ends_at: DateTime<Utc> = row.try_get("ends_at")?;
    let limit = credits(row.try_get("daily_limit")?)?;
    let in_all = credits(row.try_get("left_over")?)?;
    let today = calendar.day(now).ok_or_else(|| sqlx::Error::Decode("a day that no calendar names".into()))?;
    // Days only move forward: where the clock fell back behind the newest day, it is still that day.
    let newest: Option<NaiveDate> = row.try_get("day")?;
    let (day, used, held, day_left) = match newest {
        Some(newest) if newest >= today => {
            let (used, held) = (credits(row.try_get("used")?)?, credits(row.try_get("held")?)?);
            (newest, used, held, credits(row.try_get("day_left")?)?)
        }
        Some(_) | None => (today, Credits::ZERO, Credits::ZERO, limit),
    };
    let remaining = day_left.min(in_all);
    let view = PackageTodayView {
        id: row.try_get("package")?,
        product: number(row)?,
        name: row.try_get("name")?,
        day,
        limit: limit.to_string(),
        used: used.to_string(),
        held: held.to_string(),
        remaining: remaining.to_string(),
        resets_at: calendar.next_day_begins(day).filter(|next| *next < ends_at),
        ends_at,
    };
    Ok((view, Sum { limit, used, held, remaining }))
}

/// Every day from `from` to `to` on which anything was used, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn history(
    pool: &PgPool,
    account: AccountKey,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<DayView>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT u.day, u.package, u.used, u.held, u.left_over, p.product, c.name
           FROM read.daily_usage u
           LEFT JOIN read.packages p ON p.account = u.account AND p.package = u.package
           LEFT JOIN read.products c ON c.product = p.product
          WHERE u.account = $1 AND u.day BETWEEN $2 AND $3 AND (u.used > 0 OR u.held > 0)
          ORDER BY u.day DESC, u.package LIMIT $4",
    )
    .bind(account.uuid())
    .bind(from)
    .bind(to)
    .bind(HISTORY_ROWS_MAX)
    .fetch_all(pool)
    .await?;
    let mut days: BTreeMap<NaiveDate, (Sum, Vec<PackageDayView>)> = BTreeMap::new();
    for row in &rows {
        let (used, held) = (credits(row.try_get("used")?)?, credits(row.try_get("held")?)?);
        let remaining = credits(row.try_get("left_over")?)?;
        let limit = [held, remaining].into_iter().try_fold(used, Credits::checked_add).unwrap_or(Credits::MAX);
        let (sum, packages) = days.entry(row.try_get("day")?).or_default();
        sum.add(Sum { limit, used, held, remaining });
        packages.push(PackageDayView {
            id: row.try_get("package")?,
            product: number(row)?,
            name: row.try_get("name")?,
            limit: limit.to_string(),
            used: used.to_string(),
            held: held.to_string(),
            remaining: remaining.to_string(),
        });
    }
    let newest_first = days.into_iter().rev();
    Ok(newest_first
        .map(|(day, (Sum { limit, used, held, remaining }, packages))| DayView {
            day,
            limit: limit.to_string(),
            used: used.to_string(),
            held: held.to_string(),
            remaining: remaining.to_string(),
            packages,
        })
        .collect())
}

#[derive(Clone, Copy, Default)]
struct Sum {
    limit: Credits,
    used: Credits,
    held: Credits,
    remaining: Credits,
}

impl Sum {
    fn add(&mut self, other: Self) {
        let add = |a: Credits, b| a.checked_add(b).unwrap_or(Credits::MAX);
        self.limit = add(self.limit, other.limit);
        self.used = add(self.used, other.used);
        self.held = add(self.held, other.held);
        self.remaining = add(self.remaining, other.remaining);
    }
}

fn number(row: &PgRow) -> Result<Option<u32>, sqlx::Error> {
    let product: Option<Uuid> = row.try_get("product")?;
    Ok(product.and_then(|product| ProductId::from_uuid(product).number()))
}
