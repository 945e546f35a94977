//! Where payment providers send their notifications: verified, stored, acknowledged; nothing else. What they say is worked
//! off by `workers/inbox.rs`.

use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use chrono::Utc;
use metrics::counter;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::{OpenApi, OpenApiBuilder, PathsBuilder, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::super::json;
use super::super::problem::{Problem, Reason};
use super::fresh::Api;
use super::whole;
use crate::app::App;
use crate::inbox::{IntakeError, Letter};
use crate::providers::{Acknowledgement, Arrived, NoticeError, Provider, SPECS, Spec};

/// Of a refused notification that is kept for somebody to look at.
const REFUSED_BYTES_KEPT: usize = 16 << 10;

/// One route for each place where a provider may send to.
pub(super) fn routes() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::with_openapi(document());
    for spec in SPECS {
        for webhook in spec.webhooks {
            let handler = move |State(app): State<App>, OriginalUri(uri): OriginalUri, request: Request| {
                receive(app, spec, uri, request)
            };
            let mut methods: MethodRouter<Api> = MethodRouter::new();
            for method in webhook.methods {
                let filter = if *method == Method::GET { MethodFilter::GET } else { MethodFilter::POST };
                methods = methods.merge(on(filter, handler));
            }
            router = router.route(webhook.path, methods);
        }
    }
    router
}

/// Which paths take notifications: who counts requests leaves providers alone, for they come in bursts and prove who they
/// are.
pub(in super::super) fn is_webhook(path: &str) -> bool {
    SPECS.iter().flat_map(|spec| spec.webhooks).any(|webhook| webhook.path == path)
}

async fn receive(app: App, spec: &'static Spec, uri: axum::http::Uri, request: Request) -> Response {
    let Some(provider) = app.dispatch.providers().get(spec.name) else {
        return Problem::new(Reason::NotFound, "this payment provider is not set up here").into_response();
    };
    match store(&app, spec, provider.as_ref(), &uri, request).await {
        Ok(()) => answer(provider.acknowledge()),
        Err(problem) => match provider.refuse(problem.status()) {
            Some(words) => answer(words),
            None => problem.into_response(),
        },
    }
}

async fn store(
    app: &App,
    spec: &'static Spec,
    provider: &dyn Provider,
    uri: &axum::http::Uri,
    request: Request,
) -> Result<(), Problem> {
    let (parts, body) = request.into_parts();
    let body = json::read(Request::new(Body::new(body)), app).await?;
    let arrived =
        Arrived { method: &parts.method, path: uri.path(), query: uri.query(), headers: &parts.headers, body: &body };
    let genuine = match provider.verify(&arrived, Utc::now()) {
        Ok(genuine) => genuine,
        Err(error) => {
            let why = why_refused(&error);
            // Longer ones are only counted, and not copied for that.
            let kept = (body.len() <= REFUSED_BYTES_KEPT).then(|| Letter::of(&arrived)).flatten();
            app.refusals.note(spec.name, why, kept);
            return Err(match error {
                NoticeError::BadSignature | NoticeError::OtherTime => Problem::new(Reason::BadSignature, why),
                error => error.into(),
            });
        }
    };
    let (intake, letter) = (app.intake.clone(), Letter::of(&arrived));
    // A provider that hangs up does not cut off what is on its way.
    whole(async move { intake.take(spec.name, genuine, letter).await }).await?;
    counter!("billing_ledger_notifications_stored_total", "provider" => spec.name).increment(1);
    Ok(())
}

/// One of few sentences, since they are counted by them.
const fn why_refused(error: &NoticeError) -> &'static str {
    match error {
        NoticeError::BadSignature => "the signature is not that of the provider",
        NoticeError::OtherTime => "the signature is of another time",
        NoticeError::Malformed { .. } => "it is no notification",
        NoticeError::UnknownOrder | NoticeError::Declined(_) | NoticeError::Unavailable(_) => "it cannot be checked",
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        const AGAIN_SECONDS: u32 = 5;
        match error {
            IntakeError::TooLong => Self::new(Reason::BadHeader, "the headers are too long"),
            IntakeError::Busy | IntakeError::TooSlow => {
                Self::new(Reason::Busy, error.to_string()).retry_after(AGAIN_SECONDS)
            }
            IntakeError::Vault(error) => error.into(),
            IntakeError::Database(error) => Self::new(Reason::NoDatabase, "the notification could not be stored")
                .retry_after(AGAIN_SECONDS)
                .because(error.to_string()),
        }
    }
}

fn answer(words: Acknowledgement) -> Response {
    let Acknowledgement { status, content_type, body } = words;
    if body.is_empty() || status == StatusCode::NO_CONTENT {
        return (status, [(header::CONTENT_TYPE, content_type)]).into_response();
    }
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// What the document says of them.
fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for spec in SPECS {
        for webhook in spec.webhooks {
            for method in webhook.methods {
                let ok = ResponseBuilder::new().description("Stored; answered as this provider expects").build();
                let refused = ResponseBuilder::new().description("The signature is not the provider's").build();
                let operation = OperationBuilder::new()
                    .summary(Some(format!("Notifications of {}.", spec.title)))
                    .description(Some("Signed by the provider; nobody else can use it."))
                    .tag("webhooks")
                    .operation_id(Some(format!("notify_{}_{}", spec.name, method.as_str().to_lowercase())))
                    .securities(Some([utoipa::openapi::security::SecurityRequirement::default()]))
                    .response("200", ok)
                    .response("401", refused)
                    .build();
                let method = if *method == Method::GET { HttpMethod::Get } else { HttpMethod::Post };
                paths = paths.path(webhook.path, PathItem::new(method, operation));
            }
        }
    }
    OpenApiBuilder::new().paths(paths.build()).build()
}
