//! Addresses verified: one use of the license for each that could be told.
//!
//! The uses of the whole list are taken first, all or none; those of addresses that could not be told go back. Cut off in
//! between, the same `Idempotency-Key` goes on where it ended.

use axum::extract::State;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::super::idempotency::{IdempotencyKey, Written};
use super::super::super::json::Body;
use super::super::super::problem::{Problem, Reason};
use super::super::fresh::Api;
use super::super::{actor, whole};
use super::{EmailVerify, Licensed};
use crate::addresses::{self, Method, Verdict};
use crate::app::App;
use crate::dispatch::{LicenseUse, ids};

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
    key: IdempotencyKey,
    State(app): State<App>,
    Body(wanted): Body<VerifyIn>,
) -> Result<Written<VerifiedOut>, Problem> {
    let method = wanted.method()?;
    let list = wanted.addresses()?;
    let caller = licensed.user.caller.clone();
    let using = LicenseUse::by_command(&licensed.user.account, key.command_id(caller.account.as_str()));
    let units = u32::try_from(list.len()).map_err(Problem::internal)?;
    let taken = licensed.take(&app, &using, units).await?;
    let replayed = taken.receipt.replayed;

    // In one task with giving back: a client that goes away leaves no use taken for nothing.
    let told = async move {
        let verdicts = app.verifier.verify(&list, &method).await;
        let charged = verdicts.iter().filter(|verdict| verdict.is_charged()).count();
        let keep = u32::try_from(charged).map_err(Problem::internal)?;
        let back = app.dispatch.give_back(&actor(&caller), ids::fresh(), &using, keep).await?;
        Ok::<_, Problem>((list, verdicts, back))
    };
    let (list, verdicts, mut back) = whole(told).await?;
    back.receipt.replayed = replayed;
    let out = VerifiedOut {
        results: list.into_iter().zip(verdicts).map(ResultOut::from).collect(),
        charged: back.units,
        remaining: back.left,
        license: back.license.uuid(),
    };
    Ok(Written::ok(&back.receipt, out))
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
