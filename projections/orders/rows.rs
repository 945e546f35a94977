//! What becomes of an order's row, and writing it. `None`: as it was.

use aggregates::order::Delivered;
use aggregates::{AccountKey, GrantId, LogPart, OrderId, Payment, RefundId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Unfit;
use crate::rows::{currency, json, text};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) placed: Option<Placed>,
    pub(super) status: Option<&'static str>,
    pub(super) checkout_url: Option<String>,
    pub(super) checkout_qr: Option<String>,
    pub(super) late: Option<bool>,
    pub(super) payment: Option<(Payment, DateTime<Utc>)>,
    pub(super) delivered: Option<(Delivered, DateTime<Utc>)>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    pub(super) reason: Option<String>,
}

impl Order {
    pub(super) fn close(&mut self, status: &'static str, at: DateTime<Utc>, reason: Option<String>) {
        self.status = Some(status);
        self.closed_at = Some(at);
        self.reason = reason;
    }
}

/// What was bought. It never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    account: AccountKey,
    placed: aggregates::order::Placed,
    name: String,
    kind: Value,
    provider: String,
}

impl Placed {
    pub(super) fn of(account: AccountKey, placed: &aggregates::order::Placed) -> Result<Self, Unfit> {
        Ok(Self {
            account,
            placed: placed.clone(),
            name: text(&placed.name),
            kind: json(&placed.kind)?,
            provider: text(&placed.provider),
        })
    }
}

/// A payment that did not fit its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Review {
    pub(super) log_part: LogPart,
    pub(super) position: i64,
    pub(super) order: OrderId,
    pub(super) kind: &'static str,
    pub(super) payment: Payment,
    pub(super) at: DateTime<Utc>,
}

type Row = (OrderId, Order);

/// New orders, and what became of them in the same batch.
pub(super) async fn insert(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let placed: Vec<&Placed> = rows.iter().filter_map(|(_, order)| order.placed.as_ref()).collect();
    sqlx::query(
        "INSERT INTO orders (id, account, number, product, name, kind, time_zone, price_minor, price_currency, provider,
                             placed_at, expires_at, grant_id, status, late)
         SELECT *, 'pending', false
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::jsonb[], $7::text[], $8::int8[],
                       $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::uuid[])",
    )
    .bind(rows.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.account.uuid()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.number.as_str()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.product.uuid()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| &row.kind).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.time_zone.name()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.price.minor()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| currency(&row.placed.price)).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.provider.as_str()).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.placed_at).collect::<Vec<_>>())
    .bind(placed.iter().map(|row| row.placed.expires_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(id, _)| GrantId::of_order(*id).uuid()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let went_on = |(_, order): &&Row| {
        order.status != Some("pending") || order.checkout_url.is_some() || order.checkout_qr.is_some()
    };
    update(tx, &rows.iter().filter(went_on).cloned().collect::<Vec<_>>()).await
}

pub(super) async fn update(tx: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let payments: Vec<Option<&Payment>> =
        rows.iter().map(|(_, order)| order.payment.as_ref().map(|(payment, _)| payment)).collect();
    let text_of =
        |of: fn(&Payment) -> &str| payments.iter().map(|payment| payment.map(|it| text(of(it)))).collect::<Vec<_>>();
    sqlx::query(
        "UPDATE orders o
            SET status = coalesce(n.status, o.status), late = coalesce(n.late, o.late),
                checkout_url = coalesce(n.checkout_url, o.checkout_url), checkout_qr = coalesce(n.checkout_qr, o.checkout_qr),
                paid_by = coalesce(n.paid_by, o.paid_by), payment_id = coalesce(n.payment_id, o.payment_id),
                payment_method = coalesce(n.payment_method, o.payment_method), paid_at = coalesce(n.paid_at, o.paid_at),
                delivered_kind = coalesce(n.delivered_kind, o.delivered_kind),
                delivered_id = coalesce(n.delivered_id, o.delivered_id),
                fulfilled_at = coalesce(n.fulfilled_at, o.fulfilled_at),
                closed_at = coalesce(n.closed_at, o.closed_at), reason = coalesce(n.reason, o.reason),
                paid_minor = coalesce(n.paid_minor, o.paid_minor),
                paid_currency = coalesce(n.paid_currency, o.paid_currency)
           FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::timestamptz[], $10::uuid[], $11::timestamptz[], $12::timestamptz[], $13::text[],
                       $14::text[], $15::int8[], $16::text[])
                AS n (id, status, late, checkout_url, checkout_qr, paid_by, payment_id, payment_method, paid_at,
                      delivered_id, fulfilled_at, closed_at, reason, delivered_kind, paid_minor, paid_currency)
          WHERE o.id = n.id",
    )
    .bind(rows.iter().map(|(id, _)| id.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.status).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.late).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.checkout_url.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.checkout_qr.as_deref()).collect::<Vec<_>>())
    .bind(text_of(|payment| &payment.provider))
    .bind(text_of(|payment| &payment.payment_id))
    .bind(payments.iter().map(|payment| payment.and_then(|it| it.method.as_deref()).map(text)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.payment.as_ref().map(|(_, at)| *at)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.delivered.map(|(what, _)| delivered(what).1)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.delivered.map(|(_, at)| at)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.closed_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.reason.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, order)| order.delivered.map(|(what, _)| delivered(what).0)).collect::<Vec<_>>())
    .bind(payments.iter().map(|payment| payment.map(|it| it.amount.minor())).collect::<Vec<_>>())
    .bind(payments.iter().map(|payment| payment.map(|it| currency(&it.amount))).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Which kind of thing, and which one.
fn delivered(what: Delivered) -> (&'static str, Uuid) {
    match what {
        Delivered::UserPackage(package) => ("user_package", package.uuid()),
        Delivered::License(license) => ("license", license.uuid()),
        Delivered::Grant(grant) => ("grant", grant.uuid()),
        Delivered::Subscription(subscription) => ("subscription", subscription.uuid()),
        Delivered::PlanChange(subscription) => ("plan_change", subscription.uuid()),
    }
}

pub(super) async fn insert_reviews(tx: &mut PgConnection, rows: &[Review]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payment_reviews (log_part, position, order_id, kind, provider, payment_id, amount_minor,
                                      amount_currency, method, at, id)
         SELECT * FROM unnest($1::int2[], $2::int8[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int8[],
                              $8::text[], $9::text[], $10::timestamptz[], $11::uuid[])",
    )
    .bind(rows.iter().map(|row| i16::from(row.log_part.number())).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.order.uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| text(&row.payment.provider)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| text(&row.payment.payment_id)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment.amount.minor()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| currency(&row.payment.amount)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment.method.as_deref().map(text)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.at).collect::<Vec<_>>())
    .bind(rows.iter().map(Review::id).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

impl Review {
    /// The refund that would give it back by itself has the same.
    fn id(&self) -> uuid::Uuid {
        RefundId::of_payment(self.order, &self.payment.provider, &self.payment.payment_id).uuid()
    }
}
