//! The API document, and the page that shows it.
//!
//! Operations say what they answer when all is well. What they answer otherwise follows from what they are (who may
//! ask, whether they have a body, a path parameter, an effect), so it is added here, to every one of them.

use axum::{Json, Router};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::health;
use super::paging::{Cursor, Limit};
use super::problem::{self, Content as Problem, FieldError};

pub(super) const DOCUMENT_PATH: &str = "/api/openapi.json";
pub(super) const DOCS_PATH: &str = "/api/docs";
const SCHEME: &str = "bearer";
/// Of what operators' timers ask.
const CRON_SCHEME: &str = "cron";

const STATUSES: &[(u16, &str)] = &[
    (400, "The request is malformed"),
    (401, "No token, or not a valid one"),
    (402, "Not enough credits or quota; nothing was taken"),
    (403, "Not allowed"),
    (404, "Not found"),
    (408, "The body did not arrive in time"),
    (409, "Conflict"),
    (410, "It was there, and its time has passed; or the customer was erased"),
    (413, "The body is too large"),
    (415, "The body has another content type"),
    (422, "Well-formed, but refused"),
    (429, "Too many requests"),
    (500, "Something went wrong"),
    (503, "Not possible at the moment"),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Billing ledger",
        description = "Money and credits are decimal strings; times are RFC 3339 in UTC. Every answer that is not a \
            success is a problem (RFC 9457) with a stable `code`. Writes accept `Idempotency-Key` and answer \
            `Ledger-Position`; a read that sends it back sees that write. A batch of charges answers the position of \
            each in its own result. The clock of a sandbox is not in the log: it has neither key nor position."
    ),
    components(schemas(Problem, FieldError, Limit, Cursor)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.bearer_format = Some("JWT".to_owned());
        let mut cron = Http::new(HttpAuthScheme::Bearer);
        cron.description = Some("The setting CRON_SECRET.".to_owned());
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme(SCHEME, SecurityScheme::Http(http));
        components.add_security_scheme(CRON_SCHEME, SecurityScheme::Http(cron));
    }
}

/// What routers of the API start from.
pub(super) fn document() -> OpenApi {
    Document::openapi()
}

/// Adds to every operation what it may answer and be sent besides what it says itself.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    for (status, description) in STATUSES {
        components.responses.insert(name_of(*status), RefOr::T(problem_response(*status, description)));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete_operation(path, &method, operation);
        }
    }
}

/// Of an account's name; in bytes, if it has others than ASCII.
const ACCOUNT_CHARS_MAX: usize = 255;
/// A batch says the positions of its items, one by one.
const BATCH: &str = "/api/v1/usage/batch";
/// Nothing in the log.
const CLOCK: &str = "/api/v1/sandbox/clock";
/// Asked by a machine with a secret of its own, about nothing that it has written.
const CRON: &str = "/api/cron/";
/// Questions with a body: a key in an address would be in every log on its way.
const QUESTIONS: &[&str] = &["/api/v1/keys/check", "/api/v1/entitlements/check"];
/// Who asks there acts for nobody's account.
const FOR_NOBODY: &[&str] = &["/api/admin/", "/api/v1/admin/", "/api/v1/sandbox/", CRON];

fn complete_operation(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let open = operation.security.as_ref().is_some_and(|needed| needed.contains(&SecurityRequirement::default()));
    let writes = !matches!(method, HttpMethod::Get | HttpMethod::Head);
    let mut statuses = vec![400, 500, 503];
    if !health::PATHS.contains(&path) {
        statuses.push(429);
    }
    if !open {
        statuses.extend([401, 403]);
        if path != CLOCK && !path.starts_with(CRON) {
            add_parameter(operation, if writes { idempotency_key() } else { ledger_position() });
        }
        if !FOR_NOBODY.iter().any(|prefix| path.starts_with(prefix)) {
            add_parameter(operation, account_id());
        }
    }
    let has_position = writes && path != CLOCK && path != BATCH && !QUESTIONS.contains(&path);
    for response in successes(operation) {
        if has_position {
            add_header(response, "Ledger-Position", "A read that sends it back has seen this write.");
        }
        if has_position && !open {
            add_header(response, "Idempotent-Replayed", "`true`: this is the first request's answer again.");
        }
        if response.content.contains_key("text/csv") {
            add_header(response, "Next-Cursor", "Of a table: send it as `cursor` to get the next page.");
        }
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if writes {
        statuses.extend([402, 404, 409, 410, 422]);
    }
    if operation.request_body.is_some() {
        statuses.extend([408, 413, 415]);
    }
    for status in statuses {
        let reference = RefOr::Ref(Ref::from_response_name(name_of(status)));
        operation.responses.responses.entry(status.to_string()).or_insert(reference);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Patch, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn successes(operation: &mut Operation) -> impl Iterator<Item = &mut Response> {
    let answers = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
    answers.filter_map(|(_, answer)| match answer {
        RefOr::T(response) => Some(response),
        RefOr::Ref(_) => None,
    })
}

fn add_header(response: &mut Response, name: &str, description: &str) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let header = HeaderBuilder::new().schema(Some(text)).description(Some(description)).build();
    response.headers.insert(name.to_owned(), RefOr::T(header));
}

fn name_of(status: u16) -> String {
    format!("Problem{status}")
}

fn problem_response(status: u16, description: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let mut response = ResponseBuilder::new()
        .description(description)
        .content(problem::CONTENT_TYPE, Content::new(Some(schema)))
        .header("X-Request-Id", HeaderBuilder::new().schema(Some(text())).build());
    if matches!(status, 429 | 503) {
        response = response.header("Retry-After", HeaderBuilder::new().schema(Some(text())).build());
    }
    response.build()
}

fn add_parameter(operation: &mut Operation, parameter: Parameter) {
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}

fn idempotency_key() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(255)).pattern(Some("^[!-~]+$"));
    header_parameter("Idempotency-Key", "The same key again answers what the first request was answered.", schema)
}

fn ledger_position() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\.[0-9]{1,18}$"));
    header_parameter("Ledger-Position", "What a write answered: this read will have seen it.", schema)
}

fn account_id() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(ACCOUNT_CHARS_MAX));
    header_parameter(
        "X-Account-Id",
        "Whose account a service acts for, or whose things an admin or an auditor reads where a customer reads their own; anybody else may name their own.",
        schema,
    )
}

fn header_parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// The document and its viewer. The viewer is part of the binary, and asks nobody but us.
pub(super) fn routes(document: &OpenApi) -> Result<Router, serde_json::Error> {
    let json = serde_json::to_value(document)?;
    let config =
        Config::from(DOCUMENT_PATH).validator_url("none").try_it_out_enabled(true).persist_authorization(false);
    let viewer = SwaggerUi::new(DOCS_PATH).config(config);
    let served = move || std::future::ready(Json(json.clone()));
    Ok(Router::new().merge(viewer).route(DOCUMENT_PATH, axum::routing::get(served)))
}
