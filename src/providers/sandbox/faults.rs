//! What goes wrong in the sandbox, as an admin sets it: one switch for the whole instance, kept in the database.

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;

/// Of a payment that is made on the checkout page, and of refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// A notice comes so much later.
    pub delay_seconds: u32,
    /// A notice comes so many times more.
    pub repeat: u32,
    /// Of two notices the second comes first.
    pub reorder: bool,
    /// No notice comes at all.
    pub lose: bool,
    /// The customer pays this instead, in minor units.
    pub wrong_amount: Option<i64>,
    /// Each refund fails so many times before it is executed.
    pub refunds_fail_first: u32,
    /// A refund is executed, and the answer to it gets lost.
    pub refund_outcome_unknown: bool,
    /// Who asks about a payment or a refund is not answered.
    pub silent_query: bool,
}

pub(super) async fn load(pool: &PgPool) -> Result<Faults, sqlx::Error> {
    let faults: Option<Json<Faults>> =
        sqlx::query_scalar("SELECT faults FROM sandbox.faults").fetch_optional(pool).await?;
    Ok(faults.map(|Json(faults)| faults).unwrap_or_default())
}

pub(super) async fn store(pool: &PgPool, faults: &Faults) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sandbox.faults (faults) VALUES ($1) ON CONFLICT (only_one) DO UPDATE SET faults = excluded.faults",
    )
    .bind(Json(faults))
    .execute(pool)
    .await?;
    Ok(())
}
