//! `GET /api/v1/user/transactions`.

use aggregates::credit_account::Settled;
use aggregates::{AccountKey, AggregateId, CreditAccountEvent, Credits, Event, GrantId, GrantSource, OrderId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

/// Lines in one answer.
pub const LINES_MAX: i64 = 1_000;

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// `TXN`, the second of the commit, and sixteen digits of what proves the event: the same for ever.
    pub transaction: String,
    /// What moved: as in the filter.
    #[serde(rename = "type")]
    pub kind: LineKind,
    /// What a grant was given for.
    #[schema(value_type = Option<String>)]
    pub source: Option<GrantSource>,
    /// What the balance gained or lost, with its sign: nothing where credits were set aside, came back, or are owed.
    pub amount: String,
    pub balance_after: String,
    /// What was set aside, came back, was owed or repaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<String>,
    /// Held in all, after this; where this changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_after: Option<String>,
    /// Owed in all, after this; where this changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortfall_after: Option<String>,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Uuid>,
    /// The order that was granted for, or that went back; not there until the list of orders has it.
    pub order_no: Option<String>,
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
    /// More was charged than there was: the rest is owed.
    Overdraft,
    /// What was owed is paid from what came in.
    Repay,
    /// Set aside for work in progress.
    Hold,
    /// What was set aside was charged; the rest came back.
    Settle,
    /// What was set aside came back, all of it.
    Release,
    /// A grant is over.
    Expire,
    /// A refund took credits back.
    ClawBack,
}

/// Which lines; everything that is `None` matches.
#[derive(Clone, Debug, Default)]
pub struct LineFilter {
    pub kind: Option<LineKind>,
    pub reference: Option<String>,
    /// What it granted, what of that expired, and what went back with its money.
    pub order: Option<OrderId>,
    /// At or after…
    pub from: Option<DateTime<Utc>>,
    /// …and before.
    pub to: Option<DateTime<Utc>>,
}

impl LineKind {
    /// The event that makes such a line; of one that makes two kinds of line also the condition on its payload.
    const fn event(self) -> (&'static str, &'static str) {
        match self {
            Self::Grant => ("granted", ""),
            Self::Spend => ("spent", ""),
            Self::Deduct => ("deducted", ""),
            Self::Overdraft => ("overdrawn", ""),
            Self::Repay => ("repaid", ""),
            Self::Hold => ("held", ""),
            Self::Settle => ("settled", " AND (payload ->> 'amount')::int8 > 0"),
            Self::Release => ("settled", " AND (payload ->> 'amount')::int8 = 0"),
            Self::Expire => ("expired", ""),
            Self::ClawBack => ("clawed_back", ""),
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
        "SELECT e.version, e.leaf, e.event_type, e.schema_version, e.payload::text AS payload, c.committed_us,
                o.id AS order_id, o.number
           FROM (SELECT * FROM ledger.events WHERE log_part = ",
    );
    sql.push_bind(i16::from(account.log_part().number()));
    sql.push(" AND aggregate_id = ").push_bind(AggregateId::credit_account(account).id);
    sql.push(" AND version < ").push_bind(before.unwrap_or(i64::MAX));
    if let Some(kind) = filter.kind {
        let (event, condition) = kind.event();
        sql.push(" AND event_type = ").push_bind(event).push(condition);
    }
    if let Some(reference) = &filter.reference {
        sql.push(" AND payload ->> 'reference' = ").push_bind(reference);
    }
    if let Some(order) = filter.order {
        sql.push(" AND (payload ->> 'grant' = ").push_bind(GrantId::of_order(order).to_string());
        sql.push(" OR payload ->> 'order' = ").push_bind(order.to_string()).push(")");
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
           LEFT JOIN LATERAL (SELECT id, number FROM read.orders o
                               WHERE o.grant_id = (e.payload ->> 'grant')::uuid
                                  OR o.id = (e.payload ->> 'order')::uuid LIMIT 1) o ON true
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
        kind: LineKind::Grant,
        source: None,
        amount: Credits::ZERO.to_string(),
        balance_after: String::new(),
        moved: None,
        frozen_after: None,
        shortfall_after: None,
        hold: None,
        grant: None,
        order: row.try_get("order_id")?,
        order_no: row.try_get("number")?,
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

pub(super) fn said(event: CreditAccountEvent, line: LineView) -> LineView {
    match event {
        CreditAccountEvent::Granted(granted) => LineView {
            kind: LineKind::Grant,
            source: Some(granted.source),
            amount: gained(granted.amount),
            balance_after: granted.balance.to_string(),
            grant: Some(granted.grant.uuid()),
            reason: granted.reason,
            ..line
        },
        CreditAccountEvent::Spent(spent) => LineView {
            kind: LineKind::Spend,
            amount: lost(spent.amount),
            balance_after: spent.balance.to_string(),
            meter: spent.meter,
            reference: spent.reference,
            ..line
        },
        CreditAccountEvent::Deducted(deducted) => LineView {
            kind: LineKind::Deduct,
            amount: lost(deducted.amount),
            balance_after: deducted.balance.to_string(),
            reason: Some(deducted.reason),
            ..line
        },
        CreditAccountEvent::Expired(expired) => LineView {
            kind: LineKind::Expire,
            amount: lost(expired.amount),
            balance_after: expired.balance.to_string(),
            grant: Some(expired.grant.uuid()),
            ..line
        },
        CreditAccountEvent::Held(held) => LineView {
            kind: LineKind::Hold,
            balance_after: held.balance.to_string(),
            moved: Some(held.amount.to_string()),
            frozen_after: Some(held.frozen.to_string()),
            hold: Some(held.hold.uuid()),
            ..line
        },
        CreditAccountEvent::Settled(settled) => said_of_settled(settled, line),
        CreditAccountEvent::Overdrawn(overdrawn) => LineView {
            kind: LineKind::Overdraft,
            balance_after: overdrawn.balance.to_string(),
            moved: Some(overdrawn.amount.to_string()),
            shortfall_after: Some(overdrawn.shortfall.to_string()),
            meter: overdrawn.meter,
            reference: overdrawn.reference,
            ..line
        },
        CreditAccountEvent::Repaid(repaid) => LineView {
            kind: LineKind::Repay,
            amount: lost(repaid.amount),
            balance_after: repaid.balance.to_string(),
            moved: Some(repaid.amount.to_string()),
            shortfall_after: Some(repaid.shortfall.to_string()),
            ..line
        },
        CreditAccountEvent::ClawedBack(clawed_back) => LineView {
            kind: LineKind::ClawBack,
            amount: lost(clawed_back.amount),
            balance_after: clawed_back.balance.to_string(),
            moved: Some(clawed_back.missing.to_string()),
            shortfall_after: Some(clawed_back.shortfall.to_string()),
            order: Some(clawed_back.order.uuid()),
            ..line
        },
    }
}

fn said_of_settled(settled: Settled, line: LineView) -> LineView {
    LineView {
        kind: if settled.amount.is_zero() { LineKind::Release } else { LineKind::Settle },
        amount: lost(settled.amount),
        balance_after: settled.balance.to_string(),
        moved: Some(settled.returned.to_string()),
        frozen_after: Some(settled.frozen.to_string()),
        hold: Some(settled.hold.uuid()),
        meter: settled.meter,
        reference: settled.reference,
        ..line
    }
}

fn gained(amount: Credits) -> String {
    amount.to_string()
}

fn lost(amount: Credits) -> String {
    if amount.is_zero() { amount.to_string() } else { format!("-{amount}") }
}
