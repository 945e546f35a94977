//! Own keys: shown, activated, checked, chosen, annotated, and what they were used for.

use aggregates::license::Held;
use aggregates::{AccountKey, LicenseId, LicenseStatus};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::licenses::query::{self as licenses, LicenseFilter, SealedLicense, UseFilter, UseView};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::super::auth::{Reader, User};
use super::super::super::idempotency::{IdempotencyKey, Written};
use super::super::super::json::Body;
use super::super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::super::problem::{Problem, Reason};
use super::super::super::query::{Named, Params};
use super::super::super::values::Moment;
use super::super::fresh::{Api, Fresh};
use super::super::{actor, whole};
use super::{Origin, by_key, refused};
use crate::app::App;
use crate::dispatch::{LicensePlace, Opening};
use crate::vault::LicenseCode;

const NOTE_BYTES_MAX: usize = 1_000;

pub(in super::super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(activate))
        .routes(routes!(check))
        .routes(routes!(choose))
        .routes(routes!(annotate))
        .routes(routes!(usage))
}

/// One of the caller's keys.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct KeyOut {
    pub(in super::super) id: Uuid,
    /// Absent where the account that bought it was erased, and where somebody else looks.
    #[schema(example = "0123-4567-89AB-CDEF")]
    pub(in super::super) key_code: Option<String>,
    #[schema(value_type = String, example = "active")]
    pub(in super::super) status: LicenseStatus,
    /// The number of its product in the catalogue…
    pub(in super::super) product: Option<u32>,
    /// …and what integrators call it.
    #[schema(example = "basic")]
    pub(in super::super) product_type: Option<String>,
    /// Of the caller's own order.
    pub(in super::super) order_no: Option<String>,
    pub(in super::super) quota_total: u32,
    pub(in super::super) quota_used: u32,
    pub(in super::super) remaining: u32,
    #[schema(example = json!(["email_verify"]))]
    pub(in super::super) features: Vec<String>,
    /// What requests without a key use.
    pub(in super::super) current: bool,
    pub(in super::super) bound_to: BoundTo,
    /// The caller's own.
    pub(in super::super) note: Option<String>,
    pub(in super::super) issued_at: DateTime<Utc>,
    pub(in super::super) activated_at: Option<DateTime<Utc>>,
    pub(in super::super) revoked_at: Option<DateTime<Utc>>,
}

/// Who has used it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum BoundTo {
    Nobody,
    You,
    /// Given away: the caller bought it, and another account uses it.
    Another,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeysQuery {
    /// `active`, `exhausted` or `revoked`.
    #[param(value_type = Option<String>)]
    status: Option<LicenseStatus>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// The keys that the caller bought or uses, newest first, in clear. An admin or an auditor who names a customer sees
/// theirs, without what is theirs alone: the keys themselves and the notes.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "licenses", params(KeysQuery),
    responses((status = 200, content((Page<KeyOut> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<KeysQuery>,
) -> Result<Response, Problem> {
    let before: Option<(Moment, Uuid)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, LicenseId::from_uuid(id)));
    let account = reader.account.key();
    let filter = LicenseFilter { account: Some(account), status: query.status, order: None };
    let items = licenses::list(&app.pool, &filter, before, query.limit.and_one()).await?;
    let page = Page::cut(items, query.limit, |last| (last.view.issued_at, last.view.id))?;
    let chosen = app.dispatch.chosen_license(&reader.account).await?.map(|chosen| chosen.license.uuid());
    let mut items = Vec::with_capacity(page.items.len());
    let mut opening = app.dispatch.opening();
    for license in &page.items {
        items.push(match reader.oversees() {
            true => shown(license, account, chosen),
            false => opened(&mut opening, license, account, chosen).await?,
        });
    }
    Ok(Page { items, next_cursor: page.next_cursor }.answer(wants))
}

/// For the eyes of `account`, which bought it or uses it.
async fn opened(
    opening: &mut Opening<'_>,
    license: &SealedLicense,
    account: AccountKey,
    chosen: Option<Uuid>,
) -> Result<KeyOut, Problem> {
    let key_code = opening.license(license.home, &license.key).await?;
    let note = match &license.note {
        Some((author, sealed)) if *author == account => opening.note(*author, sealed).await?,
        _ => None,
    };
    let key_code = key_code.map(|key| key.expose_secret().to_owned());
    Ok(KeyOut { key_code, note, ..shown(license, account, chosen) })
}

/// With nothing in it that is `account`'s alone to see.
fn shown(license: &SealedLicense, account: AccountKey, chosen: Option<Uuid>) -> KeyOut {
    let view = &license.view;
    let bound_to = match license.owner {
        None => BoundTo::Nobody,
        Some(owner) if owner == account => BoundTo::You,
        Some(_) => BoundTo::Another,
    };
    KeyOut {
        id: view.id,
        key_code: None,
        status: view.status,
        product: view.product,
        product_type: view.product_type.clone(),
        order_no: view.order_no.clone().filter(|_| license.home == account),
        quota_total: view.uses,
        quota_used: view.used,
        remaining: view.remaining,
        features: view.features.clone(),
        current: chosen == Some(view.id) && bound_to != BoundTo::Another && view.revoked_at.is_none(),
        bound_to,
        note: None,
        issued_at: view.issued_at,
        activated_at: view.bound_at,
        revoked_at: view.revoked_at,
    }
}

/// A key as its owner copied it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyIn {
    #[schema(value_type = String, example = "0123-4567-89AB-CDEF")]
    key_code: LicenseCode,
}

/// What a key is good for now.
#[derive(Serialize, ToSchema)]
struct StateOut {
    id: Uuid,
    #[schema(value_type = String, example = "active")]
    status: LicenseStatus,
    quota_total: u32,
    quota_used: u32,
    remaining: u32,
    #[schema(example = json!(["email_verify"]))]
    features: Vec<String>,
    /// Bound to the caller; otherwise their first use binds it.
    bound: bool,
}

impl StateOut {
    fn new(id: LicenseId, held: &Held) -> Self {
        Self {
            id: id.uuid(),
            status: held.status(),
            quota_total: held.uses,
            quota_used: held.uses.saturating_sub(held.left),
            remaining: held.left,
            features: held.features.iter().map(|feature| feature.to_string()).collect(),
            bound: held.owner.is_some(),
        }
    }
}

/// Binds a key to the caller, for ever, and makes it their current one.
///
/// A key that is unknown, another account's, or was revoked before the caller had it is answered the same (404), and too
/// many of them with 429. One that the caller bought or uses and that was revoked since is refused (403).
#[utoipa::path(
    post, path = "/api/v1/keys/activate", tag = "licenses", request_body = KeyIn, responses((status = 200, body = StateOut))
)]
async fn activate(
    user: User,
    origin: Origin,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(KeyIn { key_code }): Body<KeyIn>,
) -> Result<Written<StateOut>, Problem> {
    let (place, _) = by_key(&app, &key_code, &origin.client(&user.caller, &user.account)).await?;
    let id = key.command_id(user.caller.account.as_str());
    let (dispatch, at) = (app.dispatch.clone(), place.clone());
    let activated = async move { dispatch.activate_license(&at, &user.account, &actor(&user.caller), id).await };
    let receipt = whole(async move { activated.await.map_err(refused) }).await?;
    Ok(Written::ok(&receipt, state_of(&app, &place).await?))
}

async fn state_of(app: &App, place: &LicensePlace) -> Result<StateOut, Problem> {
    let license = app.dispatch.license_at(place).await?;
    let held = license.held().map_err(|error| Problem::from(aggregates::Refusal::from(error)))?;
    Ok(StateOut::new(place.license, held))
}

/// What a key is good for: its state, what remains, its features. Binds nothing.
///
/// A key that is unknown, another account's, or was revoked before the caller had it is answered the same (404), and too
/// many of them with 429. One that the caller bought or uses and that was revoked since says so (`status`).
#[utoipa::path(
    post, path = "/api/v1/keys/check", tag = "licenses", request_body = KeyIn, responses((status = 200, body = StateOut))
)]
async fn check(
    user: User,
    origin: Origin,
    State(app): State<App>,
    Body(KeyIn { key_code }): Body<KeyIn>,
) -> Result<Json<StateOut>, Problem> {
    let (place, held) = by_key(&app, &key_code, &origin.client(&user.caller, &user.account)).await?;
    Ok(Json(StateOut::new(place.license, &held)))
}

#[derive(Serialize, ToSchema)]
struct CurrentOut {
    id: Uuid,
    #[schema(example = true)]
    current: bool,
}

/// Makes one of the caller's keys their current one: what requests without a key use.
#[utoipa::path(
    put, path = "/api/v1/keys/{id}/current", tag = "licenses",
    params(("id" = Uuid, Path)), responses((status = 200, body = CurrentOut))
)]
async fn choose(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Written<CurrentOut>, Problem> {
    let place = own(&app, &user, id).await?;
    let command = key.command_id(user.caller.account.as_str());
    let chosen = async move { app.dispatch.choose_license(&place, &user.account, &actor(&user.caller), command).await };
    let receipt = whole(chosen).await?;
    Ok(Written::ok(&receipt, CurrentOut { id, current: true }))
}

/// Where a license is that the caller bought or uses.
async fn own(app: &App, user: &User, id: Uuid) -> Result<LicensePlace, Problem> {
    let place = app.dispatch.known_license(LicenseId::from_uuid(id), &user.account).await?;
    place.ok_or_else(|| Problem::not_found("key"))
}

async fn known(app: &App, user: &User, id: Uuid) -> Result<SealedLicense, Problem> {
    let license = licenses::by_id(&app.pool, LicenseId::from_uuid(id)).await?;
    license.filter(|license| license.is_known_to(user.account.key())).ok_or_else(|| Problem::not_found("key"))
}

/// What the caller wants to remember of a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoteIn {
    /// Encrypted wherever it is kept. Empty: takes the note away.
    #[schema(example = "for the newsletter", max_length = 1000)]
    note: String,
}

#[derive(Serialize, ToSchema)]
struct NoteOut {
    id: Uuid,
    note: Option<String>,
}

/// Keeps a note with one of the caller's keys.
#[utoipa::path(
    put, path = "/api/v1/keys/{id}/note", tag = "licenses",
    params(("id" = Uuid, Path)), request_body = NoteIn, responses((status = 200, body = NoteOut))
)]
async fn annotate(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    Body(NoteIn { note }): Body<NoteIn>,
) -> Result<Written<NoteOut>, Problem> {
    let printable = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
    if note.len() > NOTE_BYTES_MAX || !printable(&note) {
        let detail = format!("has at most {NOTE_BYTES_MAX} bytes, and no control characters but new lines");
        return Err(Problem::field(Reason::BadValue, "/note", detail));
    }
    let place = own(&app, &user, id).await?;
    let note = Some(note).filter(|note| !note.is_empty());
    let (command, kept) = (key.command_id(user.caller.account.as_str()), note.clone());
    let annotated = async move {
        app.dispatch.annotate_license(&place, &user.account, &actor(&user.caller), command, kept.as_deref()).await
    };
    let receipt = whole(annotated).await?;
    Ok(Written::ok(&receipt, NoteOut { id, note }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsesQuery {
    /// At or after this time…
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Moment>,
    /// …and before this one.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Moment>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// What one of the caller's keys was used for, newest first.
#[utoipa::path(
    get, path = "/api/v1/keys/{id}/usage", tag = "licenses", params(("id" = Uuid, Path), UsesQuery),
    responses((status = 200, content((Page<UseView> = "application/json"), (String = "text/csv"))))
)]
async fn usage(
    user: User,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Named(id): Named<Uuid>,
    Params(query): Params<UsesQuery>,
) -> Result<Response, Problem> {
    let license = known(&app, &user, id).await?;
    // What another account does with a key that was given to it is not for the giver to see.
    if !license.is_of(user.account.key()) {
        return Err(Problem::not_found("key"));
    }
    let before: Option<(Moment, Uuid)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, id));
    let filter = UseFilter { from: query.from.map(|Moment(from)| from), to: query.to.map(|Moment(to)| to) };
    let items = licenses::uses(&app.pool, LicenseId::from_uuid(id), filter, before, query.limit.and_one()).await?;
    Ok(Page::cut(items, query.limit, |last| (last.at, last.id))?.answer(wants))
}
