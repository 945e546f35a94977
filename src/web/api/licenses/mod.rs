//! Licenses over HTTP.
//!
//! ```text
//! mod.rs           which license a request speaks of, and who may: by key, by header, or the account's current one
//! keys.rs          own keys: shown, activated, checked, chosen, annotated, their history
//! entitlements.rs  for back ends: does this account have feature F and n uses; take them, give them back
//! emails.rs        addresses verified, one use each
//! admin.rs         all licenses, revoked by hand; who is locked out
//! ```
//!
//! A key that is unknown, another account's, or was revoked before the caller had anything to do with it is answered
//! the same: 404, and counted as a miss. Enough misses lock out (429): then only what is the caller's own is found, so
//! that neither a neighbour behind the same address nor a thief of somebody's token takes a customer's work away.

pub(super) mod admin;
pub(super) mod emails;
pub(super) mod entitlements;
pub(super) mod keys;

use std::marker::PhantomData;
use std::net::SocketAddr;

use aggregates::license::{Held, LicenseError};
use aggregates::{AccountId, Feature, Refusal};
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;

use super::super::auth::{Caller, Role, User};
use super::super::problem::{Problem, Reason};
use super::super::{client_address, rate_limit};
use super::{actor, whole};
use crate::app::App;
use crate::dispatch::{DispatchError, LicensePlace, LicenseUse, Standing, TakenUnits, WantedUse};
use crate::lockouts::{self, Client};
use crate::store::ExecuteError;
use crate::vault::LicenseCode;

const HEADER: &str = "x-license-key";
const HEADER_NAME: &str = "X-License-Key";

/// From where a request comes, as far as misses are counted against it.
pub(super) struct Origin(Option<std::net::IpAddr>);

impl<S: Sync> FromRequestParts<S> for Origin
where
    App: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let app = App::from_ref(state);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let address = peer.map(|peer| client_address::of(peer, &parts.headers, &app.trusted_proxies));
        Ok(Self(address.map(rate_limit::network)))
    }
}

impl Origin {
    /// The address of a service is nobody's in particular.
    fn client(&self, caller: &Caller, account: &AccountId) -> Client {
        let address = self.0.filter(|_| caller.role != Role::Service);
        Client { account: account.clone(), address }
    }
}

/// What a key is to an account; 404 where it is nothing, and 429 where that was asked too often.
async fn by_key(app: &App, code: &LicenseCode, client: &Client) -> Result<(LicensePlace, Held), Problem> {
    let (standing, locked) = tokio::try_join!(
        async { app.dispatch.license_by_key(code, &client.account).await.map_err(Problem::from) },
        async { lockouts::locked(&app.pool, client).await.map_err(Problem::from) },
    )?;
    match (standing, locked) {
        (Standing::Own { place, held }, _) | (Standing::Free { place, held }, None) => Ok((place, *held)),
        (Standing::Free { .. } | Standing::Stranger, Some(seconds)) => Err(locked_out(seconds)),
        (Standing::Stranger, None) => {
            let (pool, client) = (app.pool.clone(), client.clone());
            whole(async move { lockouts::count_miss(&pool, &client).await }).await?;
            Err(strange())
        }
    }
}

/// The license that a request names by key, or the one that its account uses where it names none.
async fn named_or_current(
    app: &App,
    code: Option<&LicenseCode>,
    client: &Client,
) -> Result<(LicensePlace, Held), Problem> {
    match code {
        Some(code) => by_key(app, code, client).await,
        None => app.dispatch.current_license(&client.account).await?.ok_or_else(none_chosen),
    }
}

/// The same for every reason there may be.
fn strange() -> Problem {
    Problem::new(Reason::NotFound, "there is no such key, or it belongs to another account")
}

fn none_chosen() -> Problem {
    let detail = "this needs a license, and the account uses none: buy one (POST /api/v1/payments/orders), activate a \
                  key (POST /api/v1/keys/activate), choose one of its own (PUT /api/v1/keys/{id}/current), or send \
                  X-License-Key";
    Problem::new(Reason::NoLicense, detail)
}

fn locked_out(seconds: u32) -> Problem {
    let detail = format!("too many keys were tried that are not this account's; try again in {seconds} s");
    Problem::new(Reason::TooManyRequests, detail).retry_after(seconds)
}

/// Who was a moment too late learns no more than who comes an hour too late.
fn refused(error: DispatchError) -> Problem {
    match error {
        DispatchError::Execute(ExecuteError::Refused(Refusal::License(LicenseError::NotYours))) => strange(),
        other => other.into(),
    }
}

/// A feature as a type, for [`Licensed`].
pub trait Names: Send + Sync {
    const FEATURE: Feature;
}

/// Verifying addresses.
pub(super) struct EmailVerify;

impl Names for EmailVerify {
    const FEATURE: Feature = Feature::EmailVerify;
}

/// In the signature of a handler that needs a feature: by the time it runs, the account has a license with it and with
/// uses left, named in `X-License-Key` or the account's current one. It is nobody else's, and the account's own with
/// [`Licensed::take`] or [`Licensed::bind`]: whoever is refused for something else has bound nothing.
pub struct Licensed<F> {
    pub user: User,
    place: LicensePlace,
    is_free: bool,
    feature: PhantomData<F>,
}

impl<F: Names, S: Send + Sync> FromRequestParts<S> for Licensed<F>
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let user = User::from_request_parts(parts, state).await?;
        let code = sent_key(parts)?;
        let Ok(origin) = Origin::from_request_parts(parts, state).await;
        let client = origin.client(&user.caller, &user.account);
        let (place, held) = named_or_current(&App::from_ref(state), code.as_ref(), &client).await?;
        held.allows(Some(F::FEATURE), 1).map_err(|error| Problem::from(Refusal::from(error)))?;
        Ok(Self { user, place, is_free: held.owner.is_none(), feature: PhantomData })
    }
}

impl<F: Names> Licensed<F> {
    /// Takes uses under a name of ours, all or none, once. A repeat goes on with the license that it began with.
    ///
    /// # Errors
    /// When it has not so many left, or is another account's or revoked by now.
    pub async fn take(&self, app: &App, using: &LicenseUse, units: u32) -> Result<TakenUnits, Problem> {
        let place = app.dispatch.find_use(using).await?.unwrap_or_else(|| self.place.clone());
        let wants = WantedUse { units, feature: Some(F::FEATURE) };
        let taken = take(app, &self.user.caller, &place, using, wants).await?;
        if self.is_free {
            adopt(app, &self.user.caller, &self.user.account, &place).await?;
        }
        Ok(taken)
    }

    /// For what takes no uses: the license is this account's from now on.
    ///
    /// # Errors
    /// When it is another account's or revoked by now.
    pub async fn bind(&self, app: &App) -> Result<(), Problem> {
        match self.is_free {
            true => adopt(app, &self.user.caller, &self.user.account, &self.place).await,
            false => Ok(()),
        }
    }
}

/// In a task of its own: a client that goes away does not cut it off half-way.
async fn take(
    app: &App,
    caller: &Caller,
    place: &LicensePlace,
    using: &LicenseUse,
    wants: WantedUse,
) -> Result<TakenUnits, Problem> {
    let (dispatch, by, at, name) = (app.dispatch.clone(), actor(caller), place.clone(), using.clone());
    whole(async move { dispatch.consume_license(&at, &by, None, &name, &wants).await.map_err(refused) }).await
}

async fn adopt(app: &App, caller: &Caller, account: &AccountId, place: &LicensePlace) -> Result<(), Problem> {
    let (dispatch, actor, account, place) = (app.dispatch.clone(), actor(caller), account.clone(), place.clone());
    let adopted = async move { dispatch.adopt_license(&place, &account, &actor).await.map_err(refused) };
    whole(adopted).await
}

fn sent_key(parts: &Parts) -> Result<Option<LicenseCode>, Problem> {
    let bad = |why: String| Problem::parameter(Reason::BadHeader, HEADER_NAME, why);
    let mut sent = parts.headers.get_all(HEADER).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    if sent.next().is_some() {
        return Err(bad("is there twice".to_owned()));
    }
    let text = value.to_str().map_err(|_| bad("is not ASCII".to_owned()))?;
    text.parse().map(Some).map_err(|error: crate::vault::NoLicenseCode| bad(error.to_string()))
}
