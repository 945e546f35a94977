//! `GET /api/v1/user/transactions`.

use aggregates::{AccountKey, AggregateId, CreditAccountEvent, Credits, Event, GrantSource};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;

/// Lines in one answer.
pub const LINES_MAX: i64 = 1_000;

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// `TXN`, the second of the commit, and sixteen digits of what proves the event: the same for ever.
    pub transaction: String,
    /// `grant`, `spend` or `deduct`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a grant was given for.
    #[schema(value_type = Option<String>)]
    pub source: Option<GrantSource>,
    /// With its sign.
    pub amount: String,
    pub balance_after: String,
    pub meter: Option<String>,
    pub reference: Option<String>,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
    /// Of the account's movements the so-many-th; where the next page goes on.
    pub version: i64,
}

/// What a line can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    Grant,
    Spend,
    Deduct,
}

/// Which lines; everything that is `None` matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineFilter {
    pub kind: Option<LineKind>,
    /// At or after…
    pub from: Option<DateTime<Utc>>,
    /// …and before.
    pub to: Option<DateTime<Utc>>,
}

impl LineKind {
    /// The event that makes such a line.
    const fn event(self) -> &'static str {
        match self {
            Self::Grant => "granted",
            Self::Spend => "spent",
            Self::Deduct => "deducted",
        }
    }
}

/// Up to `limit` lines before version `before` (exclusive), or the newest ones.
///
/// # Errors
/// When the log cannot be read.
pub async fn lines(
    pool: &PgPool,
    account: AccountKey,
    filter: &LineFilter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<LineView>, sqlx::Error> {
    // The index of an aggregate's versions gives the newest first. Where no time is asked for, commits are only looked up
    // for the lines of the page.
    let limit = limit.clamp(0, LINES_MAX);
    let mut sql = sqlx::QueryBuilder::new(
        "SELECT e.version, e.leaf, e.event_type, e.schema_version, e.payload::text AS payload, c.committed_us
           FROM (SELECT * FROM ledger.events WHERE log_part = ",
    );
    sql.push_bind(i16::from(account.log_part().number()));
    sql.push(" AND aggregate_id = ").push_bind(AggregateId::credit_account(account).id);
    sql.push(" AND version < ").push_bind(before.unwrap_or(i64::MAX));
    if let Some(kind) = filter.kind {
        sql.push(" AND event_type = ").push_bind(kind.event());
    }
    sql.push(" ORDER BY version DESC");
    if filter.from.is_none() && filter.to.is_none() {
        sql.push(" LIMIT ").push_bind(limit);
    }
    sql.push(
        ") e
          CROSS JOIN LATERAL (SELECT committed_us FROM ledger.commits c
                               WHERE c.log_part = e.log_part AND c.first_position <= e.position
                               ORDER BY c.first_position DESC LIMIT 1) c
          WHERE true",
    );
    if let Some(from) = filter.from {
        sql.push(" AND c.committed_us >= ").push_bind(from.timestamp_micros());
    }
    if let Some(to) = filter.to {
        sql.push(" AND c.committed_us < ").push_bind(to.timestamp_micros());
    }
    sql.push(" ORDER BY e.version DESC LIMIT ").push_bind(limit);
    sql.build().fetch_all(pool).await?.iter().map(line).collect()
}

fn line(row: &PgRow) -> Result<LineView, sqlx::Error> {
    let at = DateTime::from_timestamp_micros(row.try_get("committed_us")?)
        .ok_or_else(|| sqlx::Error::Decode("a commit at no time".into()))?;
    let event = Event::from_parts(
        aggregates::AggregateKind::CreditAccount,
        row.try_get("event_type")?,
        row.try_get("schema_version")?,
        row.try_get("payload")?,
    )
    .map_err(|error| sqlx::Error::Decode(error.into()))?;
    let Event::CreditAccount(event) = event else {
        return Err(sqlx::Error::Decode("an event that is no movement of credits".into()));
    };
    let blank = LineView {
        transaction: transaction(at, row.try_get("leaf")?),
        kind: String::new(),
        source: None,
        amount: String::new(),
        balance_after: String::new(),
        meter: None,
        reference: None,
        reason: None,
        at,
        version: row.try_get("version")?,
    };
    Ok(said(event, blank))
}

/// `TXN20260105060000` and all sixteen hexadecimal digits of what the log keeps of the leaf: with fewer, two of the many
/// movements of one busy second would sooner or later have the same number.
pub(super) fn transaction(at: DateTime<Utc>, leaf: i64) -> String {
    format!("TXN{}{leaf:016x}", at.format("%Y%m%d%H%M%S"))
}

fn said(event: CreditAccountEvent, line: LineView) -> LineView {
    match event {
        CreditAccountEvent::Granted(granted) => LineView {
            kind: "grant".to_owned(),
            source: Some(granted.source),
            amount: gained(granted.amount),
            balance_after: granted.balance.to_string(),
            reason: granted.reason,
            ..line
        },
        CreditAccountEvent::Spent(spent) => LineView {
            kind: "spend".to_owned(),
            amount: lost(spent.amount),
            balance_after: spent.balance.to_string(),
            meter: spent.meter,
            reference: spent.reference,
            ..line
        },
        CreditAccountEvent::Deducted(deducted) => LineView {
            kind: "deduct".to_owned(),
            amount: lost(deducted.amount),
            balance_after: deducted.balance.to_string(),
            reason: Some(deducted.reason),
            ..line
        },
        CreditAccountEvent::Overdrawn(_)
        | CreditAccountEvent::Repaid(_)
        | CreditAccountEvent::Held(_)
        | CreditAccountEvent::Settled(_)
        | CreditAccountEvent::Expired(_)
        | CreditAccountEvent::ClawedBack(_) => line,
    }
}

fn gained(amount: Credits) -> String {
    amount.to_string()
}

fn lost(amount: Credits) -> String {
    format!("-{amount}")
}
