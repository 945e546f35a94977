//! For back ends: does an account have a feature and so many uses; take them, and give them back.
//!
//! A reference names a use in all of its account. Who takes may be the customer's own program; who gives back is a back
//! end alone, because nobody else can say that what was paid for came to nothing.

use aggregates::license::LicenseError;
use aggregates::{AccountId, Feature, LicenseStatus, Refusal};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::super::auth::{Payer, Service};
use super::super::super::idempotency::{IdempotencyKey, Written};
use super::super::super::json::Body;
use super::super::super::problem::{Problem, Reason};
use super::super::fresh::Api;
use super::super::{actor, whole};
use super::{Origin, adopt, by_key, named_or_current, refused};
use crate::app::App;
use crate::dispatch::{DispatchError, LicenseUse, TakenUnits, WantedUse};
use crate::store::ExecuteError;
use crate::vault::LicenseCode;

pub(in super::super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(check)).routes(routes!(consume)).routes(routes!(give_back))
}

const fn one() -> u32 {
    1
}

/// What somebody is about to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    /// The account's current license unless given.
    #[schema(value_type = Option<String>, example = "0123-4567-89AB-CDEF")]
    key_code: Option<LicenseCode>,
    #[schema(value_type = Option<String>, example = "email_verify")]
    feature: Option<Feature>,
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 0)]
    units: u32,
}

/// Whether it may.
#[derive(Serialize, ToSchema)]
struct EntitledOut {
    entitled: bool,
    /// Why not: `E2008` where there is no license, `E4094` revoked, `E4095` not enough uses, `E4096` without the feature.
    #[schema(example = "E4096")]
    code: Option<String>,
    /// The same for people.
    detail: Option<String>,
    license: Option<Uuid>,
    #[schema(value_type = Option<String>, example = "active")]
    status: Option<LicenseStatus>,
    remaining: Option<u32>,
    #[schema(example = json!(["email_verify"]))]
    features: Vec<String>,
}

impl EntitledOut {
    fn without_license() -> Self {
        let none = super::none_chosen();
        Self {
            entitled: false,
            code: Some(none.code().to_owned()),
            detail: Some(none.detail().to_owned()),
            license: None,
            status: None,
            remaining: None,
            features: Vec::new(),
        }
    }
}

/// Whether a key, or an account by its current license, has a feature and so many uses. Takes nothing.
#[utoipa::path(
    post, path = "/api/v1/entitlements/check", tag = "licenses",
    request_body = CheckIn, responses((status = 200, body = EntitledOut))
)]
async fn check(
    payer: Payer,
    origin: Origin,
    State(app): State<App>,
    Body(wanted): Body<CheckIn>,
) -> Result<Json<EntitledOut>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    let found = match &wanted.key_code {
        Some(code) => Some(by_key(&app, code, &origin.client(&payer.caller, &account)).await?),
        None => app.dispatch.current_license(&account).await?,
    };
    let Some((place, held)) = found else { return Ok(Json(EntitledOut::without_license())) };
    let refusal = held.allows(wanted.feature, wanted.units).err().map(Refusal::from);
    Ok(Json(EntitledOut {
        entitled: refusal.is_none(),
        code: refusal.as_ref().map(|refusal| refusal.code().to_owned()),
        detail: refusal.as_ref().map(ToString::to_string),
        license: Some(place.license.uuid()),
        status: Some(held.status()),
        remaining: Some(held.left),
        features: held.features.iter().map(|feature| feature.to_string()).collect(),
    }))
}

/// Units to take.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConsumeIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    /// The account's current license unless given.
    #[schema(value_type = Option<String>, example = "0123-4567-89AB-CDEF")]
    key_code: Option<LicenseCode>,
    #[schema(value_type = Option<String>, example = "email_import")]
    feature: Option<Feature>,
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1)]
    units: u32,
    /// Unique within the account: the same one takes its units once.
    #[schema(example = "import-4711", min_length = 1, max_length = 128)]
    reference: String,
}

/// What was taken, or what of it is kept.
#[derive(Serialize, ToSchema)]
struct UnitsOut {
    account: String,
    license: Uuid,
    reference: String,
    /// Of this use.
    units: u32,
    /// Of the license, after this.
    remaining: u32,
    /// Said before; this is the first answer again.
    replayed: bool,
}

impl UnitsOut {
    fn new(account: &AccountId, reference: String, taken: &TakenUnits) -> Self {
        Self {
            account: account.to_string(),
            license: taken.license.uuid(),
            reference,
            units: taken.units,
            remaining: taken.left,
            replayed: taken.receipt.replayed,
        }
    }
}

/// Takes uses of a license, all of them or none, once for each reference. The first use binds the license.
///
/// An `Idempotency-Key` beside the reference names the same use, and no other.
#[utoipa::path(
    post, path = "/api/v1/entitlements/consume", tag = "licenses",
    request_body = ConsumeIn, responses((status = 200, body = UnitsOut))
)]
async fn consume(
    payer: Payer,
    origin: Origin,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(wanted): Body<ConsumeIn>,
) -> Result<Written<UnitsOut>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    let client = origin.client(&payer.caller, &account);
    named(&wanted.reference)?;
    let using = LicenseUse::by_reference(&account, &wanted.reference);
    let first = app.dispatch.find_use(&using).await?;
    let (place, is_new) = match (first, &wanted.key_code) {
        (Some(first), None) => (first, false),
        (first, code) => {
            let (place, held) = named_or_current(&app, code.as_ref(), &client).await?;
            if first.as_ref().is_some_and(|first| *first != place) {
                return Err(reference_reused());
            }
            (place, held.owner.is_none())
        }
    };
    let wants = WantedUse { units: wanted.units, feature: wanted.feature, about: None };
    let (dispatch, by, at, name) = (app.dispatch.clone(), actor(&payer.caller), place.clone(), using.clone());
    let key = key.given(payer.caller.account.as_str());
    let taken = async move { dispatch.consume_license(&at, &by, key, &name, &wants).await.map_err(not_taken) };
    let taken = whole(taken).await?;
    if is_new {
        adopt(&app, &payer.caller, &account, &place).await?;
    }
    Ok(Written::ok(&taken.receipt, UnitsOut::new(&account, wanted.reference, &taken)))
}

/// What cannot be a reference names no use, and has no place in a table of names.
fn named(reference: &str) -> Result<(), Problem> {
    if reference.is_empty() || reference.len() > aggregates::LABEL_BYTES_MAX || reference.chars().any(char::is_control)
    {
        let detail = format!("has 1 to {} bytes and no control characters", aggregates::LABEL_BYTES_MAX);
        return Err(Problem::field(Reason::BadValue, "/reference", detail));
    }
    Ok(())
}

fn reference_reused() -> Problem {
    Problem::field(Reason::Conflict, "/reference", "was used before for another use")
}

/// A reference makes the id of its use, so that is what was used twice.
fn not_taken(error: DispatchError) -> Problem {
    match error {
        DispatchError::Execute(
            ExecuteError::CommandReused(_) | ExecuteError::Refused(Refusal::License(LicenseError::UseDiffers)),
        ) => reference_reused(),
        other => refused(other),
    }
}

/// A use that came to nothing, or to less than was taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveBackIn {
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    #[schema(example = "import-4711", min_length = 1, max_length = 128)]
    reference: String,
    /// Units that were of use; none, unless given.
    #[serde(default)]
    keep: u32,
}

/// Gives units of a use back, for back ends alone: as many as leave it with `keep`. The same again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/entitlements/give-back", tag = "licenses",
    request_body = GiveBackIn, responses((status = 200, body = UnitsOut))
)]
async fn give_back(
    Service(caller): Service,
    payer: Payer,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(wanted): Body<GiveBackIn>,
) -> Result<Written<UnitsOut>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    named(&wanted.reference)?;
    let using = LicenseUse::by_reference(&account, &wanted.reference);
    let (dispatch, by, keep) = (app.dispatch.clone(), actor(&caller), wanted.keep);
    let id = key.command_id(caller.account.as_str());
    let taken = whole(async move { dispatch.give_back(&by, id, &using, keep).await }).await?;
    Ok(Written::ok(&taken.receipt, UnitsOut::new(&account, wanted.reference, &taken)))
}
