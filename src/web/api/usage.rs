//! Charges, one or many.

use aggregates::{AccountId, CommandId, Credits, Overdraft, Party};
use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::{Payer, Service};
use super::super::decimal::CreditsIn;
use super::super::idempotency::{IdempotencyKey, LedgerPosition, Written};
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::actor;
use super::fresh::{Api, Noted};
use crate::app::App;
use crate::dispatch::{Actor, BadMetadata, Charged, DispatchError, Metadata, Use};
use crate::store::ExecuteError;

const ITEMS_MAX: usize = 1_000;
/// Kept with the events for ever.
const METADATA_BYTES_MAX: usize = 4 << 10;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(charge)).routes(routes!(batch))
}

/// One use of what an account has.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UseIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    amount: CreditsIn,
    /// Unique within the account: the same one is charged once.
    #[schema(example = "request-4711", min_length = 1, max_length = 128)]
    reference: Option<String>,
    /// What was used.
    #[schema(example = "tokens", min_length = 1, max_length = 128)]
    meter: Option<String>,
    /// Kept with the charge; at most 4 KiB. Numbers are kept as they are written, however large.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    metadata: Option<Box<RawValue>>,
    /// What to do when there is not enough; only a service or an admin allows an overdraft.
    #[serde(default)]
    overdraft: OverdraftIn,
}

/// What to do when there is not enough.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OverdraftIn {
    /// Nothing is taken.
    #[default]
    Refuse,
    /// All there is is taken, and the rest is owed: for a service or an admin to say.
    Allow,
}

/// What was taken from where, and what is left.
#[derive(Serialize, ToSchema)]
struct UseOut {
    account: String,
    #[schema(example = "0.25")]
    amount: String,
    reference: Option<String>,
    meter: Option<String>,
    /// Packages pay first, the one that ends soonest before the others.
    packages: Vec<FromPackage>,
    /// Credits pay the rest.
    credits: Option<FromCredits>,
    /// What nothing paid, where that was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed: Option<OwedOut>,
    /// Charged before under this reference or key; this is the first answer again.
    replayed: bool,
    /// As in the header: a read that sends it back sees this.
    #[schema(example = "14.42")]
    ledger_position: String,
}

#[derive(Serialize, ToSchema)]
struct FromPackage {
    id: Uuid,
    amount: String,
    /// Whose quota.
    day: chrono::NaiveDate,
    /// Left of that day.
    remaining_today: String,
    /// Left of the whole package.
    remaining: String,
}

#[derive(Serialize, ToSchema)]
struct FromCredits {
    amount: String,
    /// The earliest expiry first.
    grants: Vec<FromGrant>,
    /// Of the account, after this.
    balance: String,
}

#[derive(Serialize, ToSchema)]
struct OwedOut {
    /// Of this charge.
    amount: String,
    /// By the account, after this: repaid first from whatever comes in.
    shortfall: String,
}

#[derive(Serialize, ToSchema)]
struct FromGrant {
    id: Uuid,
    amount: String,
    remaining: String,
}

/// A use, checked, and whose it is.
struct Wanted {
    account: AccountId,
    using: Use,
}

impl UseIn {
    fn check(self, payer: &Payer) -> Result<Wanted, Problem> {
        let account = payer.account(self.account.as_ref())?;
        let Self { account: _, amount: CreditsIn(amount), reference, meter, metadata, overdraft } = self;
        let metadata = metadata.as_deref().map(checked).transpose()?;
        let overdraft = match overdraft {
            OverdraftIn::Refuse => Overdraft::Refuse,
            OverdraftIn::Allow if payer.party() == Party::Account => return Err(not_by_the_customer()),
            OverdraftIn::Allow => Overdraft::Allow,
        };
        Ok(Wanted { account, using: Use { amount, reference, meter, metadata, overdraft } })
    }
}

/// Nobody lends to themselves.
fn not_by_the_customer() -> Problem {
    let detail = "only a service or an admin allows an overdraft; a customer's own token asks for what there is";
    Problem::new(Reason::WrongRole, detail)
}

pub(super) fn checked(metadata: &RawValue) -> Result<Metadata, Problem> {
    let metadata = Metadata::new(metadata)
        .map_err(|error: BadMetadata| Problem::field(Reason::WrongType, "/metadata", error.to_string()))?;
    if metadata.as_str().len() > METADATA_BYTES_MAX {
        let detail = format!("has at most {METADATA_BYTES_MAX} bytes");
        return Err(Problem::field(Reason::BadValue, "/metadata", detail));
    }
    Ok(metadata)
}

impl Wanted {
    /// Not in a task of its own: all that happens after the first await happens in the store, whoever waits for it.
    async fn charge(self, app: &App, actor: &Actor, key: Option<CommandId>) -> Result<(Charged, UseOut), Problem> {
        let Self { account, using } = self;
        let (amount, reference, meter) = (using.amount, using.reference.clone(), using.meter.clone());
        let charged = app.dispatch.charge(&account, actor, key, using).await;
        let charged = charged.map_err(|error| refused(error, reference.is_some()))?;
        let out = UseOut::new(&account, amount, reference, meter, &charged);
        Ok((charged, out))
    }
}

/// A reference makes the id of its charge or reservation, so that is what was used twice.
pub(super) fn refused(error: DispatchError, has_reference: bool) -> Problem {
    match error {
        DispatchError::Execute(ExecuteError::CommandReused(_)) if has_reference => {
            Problem::field(Reason::Conflict, "/reference", "was used before for another charge or reservation")
        }
        other => other.into(),
    }
}

impl UseOut {
    fn new(
        account: &AccountId,
        amount: Credits,
        reference: Option<String>,
        meter: Option<String>,
        charged: &Charged,
    ) -> Self {
        let packages = charged.packages.iter().map(|from| FromPackage {
            id: from.package.uuid(),
            amount: from.amount.to_string(),
            day: from.day,
            remaining_today: from.day_left.to_string(),
            remaining: from.left.to_string(),
        });
        let credits = charged.credits.as_ref().map(|from| FromCredits {
            amount: from.amount.to_string(),
            grants: from
                .grants
                .iter()
                .map(|(id, amount, left)| FromGrant {
                    id: id.uuid(),
                    amount: amount.to_string(),
                    remaining: left.to_string(),
                })
                .collect(),
            balance: from.balance.to_string(),
        });
        Self {
            account: account.to_string(),
            amount: amount.to_string(),
            reference,
            meter,
            packages: packages.collect(),
            credits,
            owed: charged
                .owed
                .map(|owed| OwedOut { amount: owed.amount.to_string(), shortfall: owed.shortfall.to_string() }),
            replayed: charged.receipt.replayed,
            ledger_position: LedgerPosition::from(&charged.receipt).to_string(),
        }
    }
}

/// Charges one use: packages first, credits second, or nothing at all. With `"overdraft": "allow"` it takes what there
/// is, and the rest is owed: a service or an admin may say so, a customer's own token may not (403).
///
/// A reference names the charge within its account, for ever. An `Idempotency-Key` beside it names the same charge, and no
/// other: sent again with another reference, with none, or for another account it is refused (409).
#[utoipa::path(
    post, path = "/api/v1/usage", tag = "usage", request_body = UseIn, responses((status = 200, body = UseOut))
)]
async fn charge(
    payer: Payer,
    _: Noted,
    key: IdempotencyKey,
    State(Api { app, written }): State<Api>,
    Body(wanted): Body<UseIn>,
) -> Result<Written<UseOut>, Problem> {
    let wanted = wanted.check(&payer)?;
    let key = key.given(payer.caller.account.as_str());
    let (charged, out) = wanted.charge(&app, &actor(&payer.caller), key).await?;
    written.note(LedgerPosition::from(&charged.receipt));
    Ok(Written::ok(&charged.receipt, out))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchIn {
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<UseIn>,
}

/// Each item's own result, in the order of the items.
#[derive(Serialize, ToSchema)]
struct BatchOut {
    results: Vec<ItemOut>,
}

#[derive(Serialize, ToSchema)]
struct ItemOut {
    /// What it would have been answered alone.
    #[schema(example = 200)]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<UseOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    problem: Option<Problem>,
}

/// Charges up to 1,000 uses, each for itself: one that is refused leaves the others alone.
///
/// They are recorded each on its own, so there is no `Ledger-Position` of the whole: each `charge` has its own
/// `ledger_position`. An `Idempotency-Key` names each item by its place in the list.
#[utoipa::path(
    post, path = "/api/v1/usage/batch", tag = "usage", request_body = BatchIn, responses((status = 200, body = BatchOut))
)]
async fn batch(
    Service(caller): Service,
    payer: Payer,
    key: IdempotencyKey,
    State(Api { app, written }): State<Api>,
    Body(BatchIn { items }): Body<BatchIn>,
) -> Result<Json<BatchOut>, Problem> {
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(Problem::field(Reason::BadValue, "/items", format!("has 1 to {ITEMS_MAX} items")));
    }
    let actor = actor(&caller);
    // Polled in order, and each goes to its lane at once: those of one account are charged in the order given.
    let charges = items.into_iter().enumerate().map(|(at, item)| {
        let key = key.given_of(caller.account.as_str(), at);
        let (app, written, actor, payer) = (&app, &written, &actor, &payer);
        async move {
            let (charged, out) = item.check(payer)?.charge(app, actor, key).await?;
            written.note(LedgerPosition::from(&charged.receipt));
            Ok::<_, Problem>(out)
        }
    });
    let results = join_all(charges).await.into_iter().map(|result| match result {
        Ok(charge) => ItemOut { status: 200, charge: Some(charge), problem: None },
        Err(problem) => ItemOut { status: problem.status().as_u16(), charge: None, problem: Some(problem) },
    });
    Ok(Json(BatchOut { results: results.collect() }))
}
