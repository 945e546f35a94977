//! Addresses verified: one use of the license for each that could be told.
//!
//! The uses of the whole list are taken first, all or none; those of addresses that could not be told go back, and what was
//! told is kept with that, sealed. Cut off in between, the same `Idempotency-Key` goes on where it ended; after that it is
//! answered what was told the first time. With another list or method it is another request, and refused.

use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::super::idempotency::Written;
use super::super::super::json::Body;
use super::super::super::problem::{Problem, Reason};
use super::super::fresh::Api;
use super::super::{actor, whole};
use super::{EmailVerify, Licensed};
use crate::addresses::{self, Method, Verdict, verdicts};
use crate::app::App;
use crate::dispatch::{Actor, LicenseUse, SettledUse, TakenUnits};

const ADDRESSES_MAX: usize = 1_000;
const KEY_BYTES_MAX: usize = 512;

pub(in super::super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(verify))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerifyIn {
    /// An address that is there twice is verified once.
    #[schema(min_items = 1, max_items = 1000, example = json!(["test@gmail.com", "test2@gmail.com"]))]
    mail: Vec<String>,
    method: MethodIn,
    /// The customer's own key for the service that `api` asks; nothing keeps it.
    #[schema(max_length = 512)]
    key: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MethodIn {
    /// Asks the address's own mail server.
    Smtp,
    /// Asks a service, with the customer's `key` for it.
    Api,
}

/// Each address once, in the order of the list.
#[derive(Serialize, ToSchema)]
struct VerifiedOut {
    results: Vec<ResultOut>,
    /// Uses that were taken, after those of addresses that could not be told went back.
    charged: u32,
    /// Of the license, after this.
    remaining: u32,
    license: Uuid,
}

#[derive(Serialize, ToSchema)]
struct ResultOut {
    mail: String,
    status: Status,
    /// Whether it took a use.
    charged: bool,
    reason: String,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It cannot receive mail.
    Invalid,
    /// It could not be told.
    Unknown,
}

/// Verifies addresses, for one use of the license each: the one in `X-License-Key`, or the account's current one.
#[utoipa::path(
    post, path = "/api/v1/emails/verify", tag = "licenses",
    params(("X-License-Key" = Option<String>, Header, description = "The account's current license unless given.")),
    request_body = VerifyIn, responses((status = 200, body = VerifiedOut))
)]
async fn verify(
    licensed: Licensed<EmailVerify>,
    State(app): State<App>,
    Body(wanted): Body<VerifyIn>,
) -> Result<Written<VerifiedOut>, Problem> {
    let method = wanted.method()?;
    let list = wanted.addresses()?;
    let units = u32::try_from(list.len()).map_err(Problem::internal)?;
    let about = serde_json::to_string(&(method.name(), &list)).map_err(Problem::internal)?;
    let taken = licensed.take(&app, units, about).await?;
    let (by, using, asked) = (actor(&licensed.user.caller), licensed.using, list.clone());
    // In one task with settling: a client that goes away leaves no use taken for nothing.
    let settled = whole(async move { settled(&app, &by, &using, &taken, &asked, &method).await }).await?;
    let told = verdicts::read(settled.outcome.expose_secret()).filter(|told| told.len() == list.len());
    let told = told.ok_or_else(|| Problem::internal("what was told of a list is not of this list"))?;
    let out = VerifiedOut {
        results: list.into_iter().zip(told).map(ResultOut::from).collect(),
        charged: settled.units,
        remaining: settled.left,
        license: settled.license.uuid(),
    };
    Ok(Written::ok(&settled.receipt, out))
}

/// Told before, or told now: nobody is asked again about what was paid for.
async fn settled(
    app: &App,
    by: &Actor,
    using: &LicenseUse,
    taken: &TakenUnits,
    list: &[String],
    method: &Method,
) -> Result<SettledUse, Problem> {
    if taken.receipt.replayed
        && let Some(settled) = app.dispatch.settled_use(using, taken).await?
    {
        return Ok(settled);
    }
    let told = app.verifier.verify(list, method).await;
    let keep = u32::try_from(told.iter().filter(|verdict| verdict.is_charged()).count()).map_err(Problem::internal)?;
    let outcome = verdicts::write(told).map_err(Problem::internal)?;
    Ok(app.dispatch.settle_use(by, using, taken, keep, &outcome).await?)
}

impl VerifyIn {
    fn method(&self) -> Result<Method, Problem> {
        match (self.method, &self.key) {
            (MethodIn::Smtp, _) => Ok(Method::Smtp),
            (MethodIn::Api, None) => {
                Err(Problem::field(Reason::MissingField, "/key", "the method api needs a key for the service it asks"))
            }
            (MethodIn::Api, Some(key)) if (1..=KEY_BYTES_MAX).contains(&key.len()) => {
                Ok(Method::Api { key: SecretString::from(key.as_str()) })
            }
            (MethodIn::Api, Some(_)) => {
                Err(Problem::field(Reason::BadValue, "/key", format!("has 1 to {KEY_BYTES_MAX} bytes")))
            }
        }
    }

    fn addresses(&self) -> Result<Vec<String>, Problem> {
        if self.mail.is_empty() || self.mail.len() > ADDRESSES_MAX {
            return Err(Problem::field(Reason::BadValue, "/mail", format!("has 1 to {ADDRESSES_MAX} addresses")));
        }
        Ok(addresses::distinct(&self.mail))
    }
}

impl From<(String, Verdict)> for ResultOut {
    fn from((mail, verdict): (String, Verdict)) -> Self {
        let charged = verdict.is_charged();
        let (status, reason) = match verdict {
            Verdict::Invalid { reason } => (Status::Invalid, reason),
            Verdict::Unknown { reason } => (Status::Unknown, reason),
        };
        Self { mail, status, charged, reason }
    }
}
