//! What the sandbox knows as a provider: what it was asked to collect, and what was paid.

use aggregates::{Money, OrderNumber, Payment};
use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool, Row};

use super::NAME;
use crate::dispatch::PaymentNotice;

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
    pub(super) async fn open(
        &self,
        order: &OrderNumber,
        subject: &str,
        amount: Money,
        expires_at: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO sandbox.orders (order_number, subject, amount_minor, currency, expires_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(order.as_str())
        .bind(subject)
        .bind(amount.minor())
        .bind(String::from(amount.currency()))
        .bind(expires_at)
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

    /// The same payment twice is one. `false`: it was there.
    pub(super) async fn enter(&self, notice: &PaymentNotice) -> Result<bool, sqlx::Error> {
        let entered = sqlx::query(
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
        Ok(entered.rows_affected() == 1)
    }

    /// The payment that came first, if there is one; one of the right amount before all others.
    pub(super) async fn paid(&self, order: &OrderNumber) -> Result<Option<PaymentNotice>, sqlx::Error> {
        Ok(self.payments(order).await?.into_iter().next())
    }

    /// As they came, but those of the right amount before all others.
    pub(super) async fn payments(&self, order: &OrderNumber) -> Result<Vec<PaymentNotice>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT p.payment_id, p.amount_minor, p.currency, p.method
               FROM sandbox.payments p LEFT JOIN sandbox.orders o USING (order_number)
              WHERE order_number = $1
              ORDER BY ((p.amount_minor, p.currency) = (o.amount_minor, o.currency)) DESC NULLS LAST,
                       p.entered_at, p.payment_id",
        )
        .bind(order.as_str())
        .fetch_all(&self.pool)
        .await?;
        let notice = |row: &sqlx::postgres::PgRow| {
            let payment = Payment {
                provider: NAME.to_owned(),
                payment_id: row.try_get("payment_id")?,
                amount: amount_of(row)?,
                method: row.try_get("method")?,
            };
            Ok(PaymentNotice { order: order.clone(), payment })
        };
        rows.iter().map(notice).collect()
    }
}

/// Why the books hold no refund under this number.
pub(super) enum NoRefund {
    Refused(&'static str),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for NoRefund {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Money that went back.
pub(super) struct GivenBack {
    pub(super) payment_id: String,
    pub(super) amount: Money,
}

impl Books {
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How often this refund was asked for, this time included.
    pub(super) async fn asked_for(&self, refund_no: &str) -> Result<u32, sqlx::Error> {
        let times: i32 = sqlx::query_scalar(
            "INSERT INTO sandbox.refund_requests AS r (refund_no, times) VALUES ($1, 1)
             ON CONFLICT (refund_no) DO UPDATE SET times = r.times + 1 RETURNING times",
        )
        .bind(refund_no)
        .fetch_one(&self.pool)
        .await?;
        Ok(u32::try_from(times).unwrap_or(u32::MAX))
    }

    /// Gives money back, once under each number; of a payment never more than was paid. `None`: all that is left.
    pub(super) async fn give_back(
        &self,
        refund_no: &str,
        order: &OrderNumber,
        payment_id: &str,
        amount: Option<Money>,
    ) -> Result<GivenBack, NoRefund> {
        let mut tx = self.pool.begin().await?;
        // Refunds of one payment wait for each other here.
        let paid = sqlx::query(
            "SELECT amount_minor, currency FROM sandbox.payments WHERE payment_id = $1 AND order_number = $2 FOR UPDATE",
        )
        .bind(payment_id)
        .bind(order.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let paid = amount_of(&paid.ok_or(NoRefund::Refused("there is no such payment"))?)?;
        if let Some(known) = given_back(&mut *tx, refund_no).await? {
            let same = known.payment_id == payment_id && amount.is_none_or(|amount| amount == known.amount);
            return if same { Ok(known) } else { Err(NoRefund::Refused("this number names another refund")) };
        }
        let back: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(amount_minor), 0)::int8 FROM sandbox.refunds WHERE payment_id = $1",
        )
        .bind(payment_id)
        .fetch_one(&mut *tx)
        .await?;
        let left = Money::from_minor(paid.minor().saturating_sub(back), paid.currency());
        let amount = amount.unwrap_or(left);
        if amount.currency() != left.currency() || amount.is_zero() || amount.minor() > left.minor() {
            return Err(NoRefund::Refused("more than is left of the payment"));
        }
        sqlx::query(
            "INSERT INTO sandbox.refunds (refund_no, payment_id, amount_minor, currency) VALUES ($1, $2, $3, $4)",
        )
        .bind(refund_no)
        .bind(payment_id)
        .bind(amount.minor())
        .bind(String::from(amount.currency()))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(GivenBack { payment_id: payment_id.to_owned(), amount })
    }

    /// What went back of a payment, by number.
    pub(super) async fn refunds(&self, payment_id: &str) -> Result<Vec<(String, GivenBack)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT refund_no, payment_id, amount_minor, currency FROM sandbox.refunds WHERE payment_id = $1
              ORDER BY executed_at, refund_no",
        )
        .bind(payment_id)
        .fetch_all(&self.pool)
        .await?;
        let back = |row: &sqlx::postgres::PgRow| {
            let back = GivenBack { payment_id: row.try_get("payment_id")?, amount: amount_of(row)? };
            Ok((row.try_get("refund_no")?, back))
        };
        rows.iter().map(back).collect()
    }

    pub(super) async fn given_back(&self, refund_no: &str) -> Result<Option<GivenBack>, sqlx::Error> {
        given_back(&self.pool, refund_no).await
    }
}

async fn given_back(executor: impl PgExecutor<'_>, refund_no: &str) -> Result<Option<GivenBack>, sqlx::Error> {
    let row = sqlx::query("SELECT payment_id, amount_minor, currency FROM sandbox.refunds WHERE refund_no = $1")
        .bind(refund_no)
        .fetch_optional(executor)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(GivenBack { payment_id: row.try_get("payment_id")?, amount: amount_of(&row)? }))
}

fn amount_of(row: &sqlx::postgres::PgRow) -> Result<Money, sqlx::Error> {
    let currency: String = row.try_get("currency")?;
    let currency = currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error) as _))?;
    Ok(Money::from_minor(row.try_get("amount_minor")?, currency))
}
