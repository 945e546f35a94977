//! Credits given and taken by hand, with a reason.

use aggregates::{Command, CommandId, CreditAccountCommand, CreditAccountEvent, Event, GrantId, GrantSource};
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::Admin;
use super::super::decimal::SignedCreditsIn;
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::super::query::Named;
use super::fresh::Api;
use super::{account_id, actor, whole};
use crate::app::App;
use crate::store::Receipt;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(adjust))
}

/// Credits to give or to take.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdjustIn {
    amount: SignedCreditsIn,
    /// On the statement, and in the log for ever.
    #[schema(example = "goodwill after the outage", min_length = 1, max_length = 500)]
    reason: String,
    /// Of credits that are given; never, unless said.
    expires_at: Option<DateTime<Utc>>,
}

/// What was given or taken.
#[derive(Serialize, ToSchema)]
struct AdjustedOut {
    account: String,
    /// With its sign.
    #[schema(example = "-5.00")]
    amount: String,
    /// After this.
    balance: String,
    /// Where credits were given.
    grant: Option<Uuid>,
    reason: String,
}

impl AdjustIn {
    fn command(&self, id: CommandId) -> Result<CreditAccountCommand, Problem> {
        let SignedCreditsIn { negative, amount } = self.amount;
        let reason = self.reason.clone();
        match (negative, self.expires_at) {
            (true, Some(_)) => {
                Err(Problem::field(Reason::BadValue, "/expires_at", "only credits that are given expire"))
            }
            (true, None) => Ok(CreditAccountCommand::Deduct { amount, reason }),
            // Named after its command, so that a repeat is the same grant.
            (false, expires_at) => Ok(CreditAccountCommand::Grant {
                grant: GrantId::from_uuid(id.uuid()),
                source: GrantSource::Admin,
                amount,
                expires_at,
                reason: Some(reason),
            }),
        }
    }
}

/// Gives credits, or with a negative amount takes them.
#[utoipa::path(
    post, path = "/api/v1/admin/accounts/{id}/credits/adjust", tag = "admin",
    params(("id" = String, Path)), request_body = AdjustIn, responses((status = 200, body = AdjustedOut))
)]
async fn adjust(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(account): Named<String>,
    Body(wanted): Body<AdjustIn>,
) -> Result<Written<AdjustedOut>, Problem> {
    let account = account_id(&account)?;
    let id = key.command_id(admin.account.as_str());
    let commands = vec![Command::CreditAccount(wanted.command(id)?)];
    let named = account.to_string();
    let receipt = whole(async move { app.dispatch.execute(&account, &actor(&admin), id, commands).await }).await?;
    let adjusted = adjusted(named, &receipt).ok_or_else(|| Problem::internal("an adjustment without its event"))?;
    Ok(Written::ok(&receipt, adjusted))
}

fn adjusted(account: String, receipt: &Receipt) -> Option<AdjustedOut> {
    // What was given may have repaid what was owed, at once.
    let after_that = receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::CreditAccount(CreditAccountEvent::Repaid(repaid)) => Some(repaid.balance),
        _ => None,
    });
    receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::CreditAccount(CreditAccountEvent::Granted(granted)) => Some(AdjustedOut {
            account: account.clone(),
            amount: granted.amount.to_string(),
            balance: after_that.unwrap_or(granted.balance).to_string(),
            grant: Some(granted.grant.uuid()),
            reason: granted.reason.clone().unwrap_or_default(),
        }),
        Event::CreditAccount(CreditAccountEvent::Deducted(deducted)) => Some(AdjustedOut {
            account: account.clone(),
            amount: format!("-{}", deducted.amount),
            balance: deducted.balance.to_string(),
            grant: None,
            reason: deducted.reason.clone(),
        }),
        _ => None,
    })
}
