//! What the sandbox knows as a provider: what it was asked to collect, and what was paid.

use aggregates::{Money, OrderNumber, Payment};
use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

use super::NAME;
use crate::dispatch::PaymentNotice;
use crate::providers::PaymentRequest;

#[derive(Clone)]
pub(super) struct Books {
    pool: PgPool,
}

/// What a customer is asked to pay.
#[derive(Debug, Clone)]
pub struct OpenPayment {
    pub subject: String,
    pub amount: Money,
    pub expires_at: DateTime<Utc>,
}

impl Books {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The first request for an order stands.
    pub(super) async fn open(&self, request: &PaymentRequest) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO sandbox.orders (order_number, subject, amount_minor, currency, expires_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(request.order.as_str())
        .bind(&request.subject)
        .bind(request.amount.minor())
        .bind(String::from(request.amount.currency()))
        .bind(request.expires_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(super) async fn open_payment(&self, order: &OrderNumber) -> Result<Option<OpenPayment>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT subject, amount_minor, currency, expires_at FROM sandbox.orders WHERE order_number = $1",
        )
        .bind(order.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (subject, expires_at) = (row.try_get("subject")?, row.try_get("expires_at")?);
        Ok(Some(OpenPayment { subject, amount: amount_of(&row)?, expires_at }))
    }

    /// The same payment twice is one.
    pub(super) async fn enter(&self, notice: &PaymentNotice) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO sandbox.payments (payment_id, order_number, amount_minor, currency, method)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(&notice.payment.payment_id)
        .bind(notice.order.as_str())
        .bind(notice.payment.amount.minor())
        .bind(String::from(notice.payment.amount.currency()))
        .bind(&notice.payment.method)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The payment that came first, if there is one; one of the right amount before all others.
    pub(super) async fn paid(&self, order: &OrderNumber) -> Result<Option<PaymentNotice>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT p.payment_id, p.amount_minor, p.currency, p.method
               FROM sandbox.payments p LEFT JOIN sandbox.orders o USING (order_number)
              WHERE order_number = $1
              ORDER BY ((p.amount_minor, p.currency) = (o.amount_minor, o.currency)) DESC NULLS LAST,
                       p.entered_at, p.payment_id
              LIMIT 1",
        )
        .bind(order.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id: row.try_get("payment_id")?,
            amount: amount_of(&row)?,
            method: row.try_get("method")?,
        };
        Ok(Some(PaymentNotice { order: order.clone(), payment }))
    }
}

fn amount_of(row: &sqlx::postgres::PgRow) -> Result<Money, sqlx::Error> {
    let currency: String = row.try_get("currency")?;
    let currency = currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error) as _))?;
    Ok(Money::from_minor(row.try_get("amount_minor")?, currency))
}
