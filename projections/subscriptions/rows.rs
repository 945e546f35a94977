//! What becomes of a subscription's row.

use std::collections::BTreeMap;

use aggregates::subscription::{Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed, Started};
use aggregates::{AccountKey, SubscriptionEvent, SubscriptionId, SubscriptionStatus};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::Unfit;
use crate::rows::{decode, from_json, from_word, json, text, word};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) account: AccountKey,
    pub(super) status: SubscriptionStatus,
    pub(super) plan: Plan,
    pub(super) next_plan: Option<Plan>,
    pub(super) number: u32,
    pub(super) starts_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) cancel_at_end: bool,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) reason: Option<String>,
    pub(super) sealed: Option<String>,
}

pub(super) type Rows = BTreeMap<SubscriptionId, Row>;

pub(super) fn apply(rows: &mut Rows, id: SubscriptionId, account: AccountKey, event: &SubscriptionEvent) {
    if let SubscriptionEvent::Started(Started { plan, period }) = event {
        let row = Row {
            account,
            status: SubscriptionStatus::Active,
            plan: *plan,
            next_plan: None,
            number: period.number,
            starts_at: period.starts_at,
            ends_at: period.ends_at,
            expires_at: None,
            cancel_at_end: false,
            started_at: period.starts_at,
            ended_at: None,
            reason: None,
            sealed: None,
        };
        rows.insert(id, row);
    } else if let Some(row) = rows.get_mut(&id) {
        row.apply(event);
    }
}

impl Row {
    fn apply(&mut self, event: &SubscriptionEvent) {
        match event {
            SubscriptionEvent::Started(_) => {}
            SubscriptionEvent::Renewed(Renewed { plan, period }) => {
                self.next_plan = self.next_plan.filter(|next| next.product != plan.product);
                self.plan = *plan;
                (self.number, self.starts_at, self.ends_at) = (period.number, period.starts_at, period.ends_at);
                (self.status, self.expires_at) = (SubscriptionStatus::Active, None);
            }
            SubscriptionEvent::PastDue(PastDue { expires_at, at: _ }) => {
                (self.status, self.expires_at) = (SubscriptionStatus::PastDue, Some(*expires_at));
            }
            SubscriptionEvent::CancelScheduled(scheduled) => {
                self.cancel_at_end = true;
                self.sealed = scheduled.sealed.as_deref().map(text);
            }
            SubscriptionEvent::CancelWithdrawn(_) => (self.cancel_at_end, self.sealed) = (false, None),
            SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan, at: _ }) => {
                self.next_plan = (plan.product != self.plan.product).then_some(*plan);
            }
            SubscriptionEvent::PlanChanged(PlanChanged { plan, .. }) => {
                (self.plan, self.next_plan) = (*plan, None);
            }
            SubscriptionEvent::Ended(Ended { how, reason, sealed, at }) => {
                self.status = match how {
                    aggregates::subscription::SubscriptionEnd::Canceled => SubscriptionStatus::Canceled,
                    aggregates::subscription::SubscriptionEnd::Expired => SubscriptionStatus::Expired,
                };
                self.ended_at = Some(*at);
                (self.reason, self.sealed) = (reason.as_deref().map(text), sealed.as_deref().map(text));
            }
        }
    }
}

pub(super) async fn read(
    tx: &mut PgConnection,
    ids: impl Iterator<Item = SubscriptionId>,
) -> Result<Rows, sqlx::Error> {
    let ids: Vec<_> = ids.map(|id| id.uuid()).collect();
    // Ascending, as they are written: two runners never wait for each other.
    let rows = sqlx::query("SELECT * FROM subscriptions WHERE id = ANY ($1) ORDER BY id FOR UPDATE").bind(&ids);
    let read = |row: &PgRow| {
        let number: i64 = row.try_get("period_number")?;
        let kept = Row {
            account: AccountKey::from_uuid(row.try_get("account")?),
            status: from_word(row.try_get("status")?)?,
            plan: from_json(row.try_get("plan")?)?,
            next_plan: row.try_get::<Option<Value>, _>("next_plan")?.map(from_json).transpose()?,
            number: u32::try_from(number).map_err(decode)?,
            starts_at: row.try_get("starts_at")?,
            ends_at: row.try_get("ends_at")?,
            expires_at: row.try_get("expires_at")?,
            cancel_at_end: row.try_get("cancel_at_end")?,
            started_at: row.try_get("started_at")?,
            ended_at: row.try_get("ended_at")?,
            reason: row.try_get("reason")?,
            sealed: row.try_get("sealed")?,
        };
        Ok((SubscriptionId::from_uuid(row.try_get("id")?), kept))
    };
    rows.fetch_all(tx).await?.iter().map(read).collect()
}

pub(super) async fn write(tx: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    let plans = rows.values().map(|row| json(&row.plan)).collect::<Result<Vec<_>, Unfit>>().map_err(decode)?;
    let next = |row: &Row| row.next_plan.as_ref().map(json).transpose();
    let next = rows.values().map(next).collect::<Result<Vec<_>, Unfit>>().map_err(decode)?;
    let status = rows.values().map(|row| word(&row.status)).collect::<Result<Vec<_>, Unfit>>().map_err(decode)?;
    sqlx::query(
        "INSERT INTO subscriptions (id, account, status, plan, next_plan, period_number, starts_at, ends_at, expires_at,
                                    cancel_at_end, started_at, ended_at, reason, sealed)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::jsonb[], $6::int8[],
                              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::bool[], $11::timestamptz[],
                              $12::timestamptz[], $13::text[], $14::text[])
             ON CONFLICT (id) DO UPDATE
            SET status = excluded.status, plan = excluded.plan, next_plan = excluded.next_plan,
                period_number = excluded.period_number, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
                expires_at = excluded.expires_at, cancel_at_end = excluded.cancel_at_end,
                ended_at = excluded.ended_at, reason = excluded.reason, sealed = excluded.sealed",
    )
    .bind(rows.keys().map(|id| id.uuid()).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.account.uuid()).collect::<Vec<_>>())
    .bind(status)
    .bind(plans)
    .bind(next)
    .bind(rows.values().map(|row| i64::from(row.number)).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.starts_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.ends_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.expires_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.cancel_at_end).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.started_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.ended_at).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.reason.as_deref()).collect::<Vec<_>>())
    .bind(rows.values().map(|row| row.sealed.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_periods(
    tx: &mut PgConnection,
    periods: &[(SubscriptionId, Plan, PaidPeriod)],
) -> Result<(), sqlx::Error> {
    if periods.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO subscription_periods (subscription, number, order_id, product, starts_at, ends_at)
         SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[])",
    )
    .bind(periods.iter().map(|(id, ..)| id.uuid()).collect::<Vec<_>>())
    .bind(periods.iter().map(|(_, _, period)| i64::from(period.number)).collect::<Vec<_>>())
    .bind(periods.iter().map(|(_, _, period)| period.order.uuid()).collect::<Vec<_>>())
    .bind(periods.iter().map(|(_, plan, _)| plan.product.uuid()).collect::<Vec<_>>())
    .bind(periods.iter().map(|(_, _, period)| period.starts_at).collect::<Vec<_>>())
    .bind(periods.iter().map(|(_, _, period)| period.ends_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
