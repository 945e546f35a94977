//! How payment providers are set up: what there is to set, what is set, and by whom; secrets are never shown again.

use std::collections::BTreeMap;

use aggregates::{CommandId, ProviderSettingsError, SealedSecret, Setting};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::super::query::Named;
use super::fresh::Api;
use super::{actor, whole};
use crate::app::App;
use crate::dispatch::{Actor, DispatchError, SettingsChange, last_four};
use crate::providers::settings::{Field, FieldKind, Values};
use crate::providers::{SPECS, Spec, spec};
use crate::store::{ExecuteError, Receipt};

/// How often a change is checked anew because another one came first.
const CHANGED_MAX: usize = 5;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, change)).routes(routes!(check))
}

/// A payment provider, and how it is set up here.
#[derive(Serialize, ToSchema)]
struct ProviderOut {
    #[schema(example = "alipay")]
    provider: &'static str,
    #[schema(example = "Alipay")]
    title: &'static str,
    /// It can be asked, and its notifications are heard.
    configured: bool,
    /// New orders may be paid with it.
    enabled: bool,
    /// Why it is not configured although something is set.
    problem: Option<String>,
    /// What it collects.
    #[schema(example = "CNY")]
    currency: Option<String>,
    /// The codes or numbers of the products that it serves; all of them unless said.
    products: Option<Vec<String>>,
    /// Where it sends its notifications to.
    webhooks: Vec<String>,
    settings: Vec<SettingOut>,
}

/// One setting.
#[derive(Serialize, ToSchema)]
struct SettingOut {
    #[schema(example = "app_id")]
    name: &'static str,
    about: &'static str,
    required: bool,
    secret: bool,
    /// `environment`, which only the operator changes, or `admin`; nothing where it is not set.
    set_by: Option<&'static str>,
    /// As it is; never of a secret.
    value: Option<String>,
    /// Of a secret.
    last_four: Option<String>,
}

fn known(name: &str) -> Result<&'static Spec, Problem> {
    spec(name).ok_or_else(|| Problem::not_found("payment provider"))
}

async fn shown(app: &App, spec: &'static Spec) -> Result<ProviderOut, Problem> {
    let (environment, by_admins) = (app.setup.environment(spec), app.dispatch.provider_settings(spec).await?);
    let settings =
        spec.all_fields().map(|field| setting(field, &environment, by_admins.settings().get(field.name))).collect();
    let configured = app.dispatch.providers().configured_as(spec.name);
    Ok(ProviderOut {
        provider: spec.name,
        title: spec.title,
        configured: configured.is_some(),
        enabled: configured.as_ref().is_some_and(|it| it.enabled),
        problem: app.setup.problem(spec).map(|problem| problem.to_string()),
        currency: configured.as_ref().map(|it| it.provider.currency().into()),
        products: configured.and_then(|it| it.products),
        webhooks: spec.webhooks.iter().map(|webhook| app.setup.site().at(webhook.path)).collect(),
        settings,
    })
}

fn setting(field: &Field, environment: &Values, by_admin: Option<&Setting>) -> SettingOut {
    let secret = field.kind == FieldKind::Secret;
    let (set_by, text, last) = match (environment.optional(field.name), by_admin) {
        (Some(text), _) if secret => (Some("environment"), None, Some(last_four(text))),
        (Some(text), _) => (Some("environment"), Some(text.to_owned()), None),
        (None, Some(Setting::Plain(text))) => (Some("admin"), Some(text.clone()), None),
        (None, Some(Setting::Secret(SealedSecret { last_four, .. }))) => (Some("admin"), None, Some(last_four.clone())),
        (None, None) => (None, None, None),
    };
    let Field { name, about, required, .. } = *field;
    SettingOut { name, about, required, secret, set_by, value: text, last_four: last.filter(|last| !last.is_empty()) }
}

/// All payment providers there are.
#[derive(Serialize, ToSchema)]
struct ProvidersOut {
    items: Vec<ProviderOut>,
}

/// All payment providers there are, set up or not.
#[utoipa::path(get, path = "/api/admin/settings", tag = "admin", responses((status = 200, body = ProvidersOut)))]
async fn list(_: Auditor, State(app): State<App>) -> Result<Json<ProvidersOut>, Problem> {
    let mut items = Vec::with_capacity(SPECS.len());
    for spec in SPECS {
        items.push(shown(&app, spec).await?);
    }
    Ok(Json(ProvidersOut { items }))
}

/// One payment provider.
#[utoipa::path(
    get, path = "/api/admin/settings/{provider}", tag = "admin",
    params(("provider" = String, Path)), responses((status = 200, body = ProviderOut))
)]
async fn one(_: Auditor, State(app): State<App>, Named(name): Named<String>) -> Result<Json<ProviderOut>, Problem> {
    shown(&app, known(&name)?).await.map(Json)
}

/// What to change, by name: a text sets, `null` removes, what is not named stays as it is. `enabled` may be a boolean.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = std::collections::HashMap<String, Option<String>>, example = json!({"pid": "1001", "key": "secret", "enabled": "true"}))]
struct ChangeIn(BTreeMap<String, Value>);

impl ChangeIn {
    fn check(self, spec: &Spec, environment: &Values) -> Result<SettingsChange, Problem> {
        let mut change = SettingsChange::default();
        for (name, value) in self.0 {
            let pointer = format!("/{name}");
            let Some(field) = spec.field(&name) else {
                return Err(Problem::field(Reason::UnknownField, pointer, "is not known here"));
            };
            if environment.optional(field.name).is_some() {
                let detail = format!("{} is set in the environment, and only changes there", spec.variable(&name));
                return Err(Problem::field(Reason::Conflict, pointer, detail));
            }
            match value {
                Value::Null => drop(change.remove.insert(name)),
                Value::Bool(switch) => drop(change.set.insert(name, switch.to_string())),
                Value::String(text) if !text.is_empty() => drop(change.set.insert(name, text)),
                _ => {
                    return Err(Problem::field(
                        Reason::WrongType,
                        pointer,
                        "expected a text that is not empty, or null",
                    ));
                }
            }
        }
        Ok(change)
    }
}

/// Sets up a payment provider, at once for all servers within a second or so. What would leave it unusable is refused,
/// and changes nothing. To stop offering one, set `enabled` to `false`: orders that were placed go on.
#[utoipa::path(
    put, path = "/api/admin/settings/{provider}", tag = "admin",
    params(("provider" = String, Path)), request_body = ChangeIn, responses((status = 200, body = ProviderOut))
)]
async fn change(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(name): Named<String>,
    Body(wanted): Body<ChangeIn>,
) -> Result<Written<ProviderOut>, Problem> {
    let spec = known(&name)?;
    if !app.may_configure {
        let detail = "simulated payments and real providers do not mix: switch the sandbox off first";
        return Err(Problem::new(Reason::Conflict, detail));
    }
    let change = wanted.check(spec, &app.setup.environment(spec))?;
    let id = key.command_id(admin.account.as_str());
    let configuring = app.clone();
    let receipt = whole(async move {
        let receipt = record(&configuring, &actor(&admin), id, spec, &change).await?;
        configuring.setup.load(&configuring.dispatch).await?;
        Ok::<_, Problem>(receipt)
    })
    .await?;
    Ok(Written::ok(&receipt, shown(&app, spec).await?))
}

/// What others change meanwhile is looked at as well, and the whole is checked again.
async fn record(
    app: &App,
    actor: &Actor,
    id: CommandId,
    spec: &'static Spec,
    change: &SettingsChange,
) -> Result<Receipt, Problem> {
    // What it made then need not be a provider any more.
    if let Some(first) = app.dispatch.configured_before(id, spec, change).await? {
        return Ok(first);
    }
    let mut tried = 0;
    loop {
        let checked = app.dispatch.provider_settings(spec).await?;
        let mut values = app.dispatch.provider_values(spec, &checked).await?;
        change.remove.iter().for_each(|name| values.unset(name));
        change.set.iter().for_each(|(name, text)| values.set(name, text));
        let values = app.setup.merged(spec, values);
        // All of it may be taken away; what is left must be a whole.
        if !values.is_empty() {
            spec.configure(&values, app.setup.site())
                .map_err(|bad| Problem::field(Reason::BadValue, format!("/{}", bad.field), bad.problem))?;
        }
        tried += 1;
        match app.dispatch.configure_provider(actor, id, spec, checked, change).await {
            Err(DispatchError::Execute(ExecuteError::Refused(refusal)))
                if refusal == ProviderSettingsError::Changed.into() && tried < CHANGED_MAX => {}
            recorded => return Ok(recorded?),
        }
    }
}

/// What a provider said to a question that changes nothing.
#[derive(Serialize, ToSchema)]
struct CheckedOut {
    ok: bool,
    /// For people.
    detail: String,
}

/// Asks a payment provider something, to see whether it takes what is set.
#[utoipa::path(
    post, path = "/api/admin/settings/{provider}/check", tag = "admin",
    params(("provider" = String, Path)), responses((status = 200, body = CheckedOut))
)]
async fn check(_: Admin, State(app): State<App>, Named(name): Named<String>) -> Result<Json<CheckedOut>, Problem> {
    let spec = known(&name)?;
    let Some(provider) = app.dispatch.providers().get(spec.name) else {
        let why = app.setup.problem(spec).map_or_else(|| "it is not set up".to_owned(), |problem| problem.to_string());
        return Ok(Json(CheckedOut { ok: false, detail: why }));
    };
    let said = provider.check().await;
    let ok = said.is_ok();
    Ok(Json(CheckedOut { ok, detail: said.unwrap_or_else(|error| error.to_string()) }))
}
