//! The HTTP edge over a real socket.
//!
//! ```text
//! api.rs      the routes, on a whole instance
//! edge.rs     every answer: ids, headers, panics, paths and methods that are not there, the rate limit
//! tokens.rs   who is let in, by secret and by published keys
//! bodies.rs   what is read, and what is refused before anything is decided
//! docs.rs     the document and its viewer
//! licensed.rs a route that needs a feature of a license
//! token_command.rs   `billing-ledger token`
//! ```

mod api;
mod bodies;
mod docs;
mod edge;
mod licensed;
mod token_command;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use billing_ledger::config::{Environment, Layers, Settings};
use billing_ledger::web::auth::{Admin, Auditor, Claims, Role, Service, User, mint};
use billing_ledger::web::decimal::CreditsIn;
use billing_ledger::web::idempotency::{After, IdempotencyKey};
use billing_ledger::web::json::{Body, OptionalBody};
use billing_ledger::web::paging::Limit;
use billing_ledger::web::query::{Named, Params};
use billing_ledger::web::{Edge, Problem, Readiness, assemble, metrics, serve};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) const SECRET: &str = "a secret for tests, and long enough to be one";
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A server of one's own, with routes that do nothing but be asked. Stops when dropped.
struct Server {
    address: SocketAddr,
    client: reqwest::Client,
    database_is_up: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(set: &[(&str, &str)]) -> Self {
        let given = [
            ("DATABASE_URL", "postgres://nobody@nowhere/nothing"),
            ("JWT_SECRET", SECRET),
            ("LEDGER_MASTER_KEY", KEY),
            ("RATE_LIMIT_PER_SECOND", "1000000"),
        ];
        let environment: Environment<'_> = &|name: &str| {
            let last = given.iter().chain(set).rfind(|(set, _)| *set == name);
            last.map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::for_serve(&Layers::load(None, environment).unwrap()).unwrap();
        let stop = CancellationToken::new();
        let database_is_up = Arc::new(AtomicBool::new(true));
        let up = database_is_up.clone();
        let readiness = Readiness::new(stop.clone()).with("database", move || {
            let up = up.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err("the database cannot be reached".to_owned()) } }
        });
        let router = assemble(routes(), Edge::new(&settings), readiness, metrics::install().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { address, client: client.build().unwrap(), database_is_up, stop }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(self.url(path))
    }

    fn charge(&self) -> reqwest::RequestBuilder {
        self.post("/test/charges").bearer_auth(token(Role::User))
    }
}

fn token(role: Role) -> String {
    mint(SECRET.as_bytes(), &Claims { sub: "alice".to_owned(), role, ..Claims::default() }, 60, None, None).unwrap()
}

/// The answer has to be a problem, named by its code, with the id that the header has.
async fn problem(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["status"], &problem["request_id"]), (&json!(status), &json!(id)), "{problem}");
    problem
}

async fn refusal(request: reqwest::RequestBuilder) -> (u64, String) {
    let problem = problem(request).await;
    (problem["status"].as_u64().unwrap(), problem["code"].as_str().unwrap().to_owned())
}

fn routes() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(charge))
        .routes(routes!(optional))
        .routes(routes!(thing))
        .routes(routes!(admin))
        .routes(routes!(service))
        .routes(routes!(audit))
        .routes(routes!(panics))
        .routes(routes!(large))
}

#[derive(Serialize, ToSchema)]
struct WhoAmI {
    account: String,
    role: &'static str,
}

#[utoipa::path(get, path = "/test/whoami", responses((status = 200, body = WhoAmI)))]
async fn whoami(user: User, _: After) -> Json<WhoAmI> {
    Json(WhoAmI { account: user.account.to_string(), role: user.caller.role.as_str() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChargeIn {
    amount: CreditsIn,
    #[serde(default)]
    meter: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Charged {
    amount: String,
    meter: Option<String>,
}

#[utoipa::path(post, path = "/test/charges", request_body = ChargeIn, responses((status = 200, body = Charged)))]
async fn charge(_: User, _: IdempotencyKey, Body(charge): Body<ChargeIn>) -> Json<Charged> {
    Json(Charged { amount: charge.amount.0.to_string(), meter: charge.meter })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Choice {
    provider: Option<String>,
}

#[utoipa::path(post, path = "/test/optional", request_body = Option<Choice>, responses((status = 200, body = String)))]
async fn optional(_: User, OptionalBody(choice): OptionalBody<Choice>) -> Json<String> {
    Json(choice.provider.unwrap_or_else(|| "default".to_owned()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Filter {
    limit: Option<Limit>,
}

#[utoipa::path(get, path = "/test/things/{number}", params(("number" = u32, Path), Filter), responses((status = 200, body = u32)))]
async fn thing(_: User, Named(number): Named<u32>, Params(filter): Params<Filter>) -> Result<Json<u32>, Problem> {
    match number {
        0 => Err(Problem::not_found("thing")),
        _ => Ok(Json(filter.limit.unwrap_or_default().get())),
    }
}

#[utoipa::path(post, path = "/test/admin", responses((status = 200, body = String)))]
async fn admin(_: Admin) -> Json<&'static str> {
    Json("admin")
}

#[utoipa::path(post, path = "/test/service", responses((status = 200, body = String)))]
async fn service(_: Service) -> Json<&'static str> {
    Json("service")
}

#[utoipa::path(get, path = "/test/audit", responses((status = 200, body = String)))]
async fn audit(_: Auditor) -> Json<&'static str> {
    Json("audit")
}

#[utoipa::path(get, path = "/test/panics", security(()), responses((status = 200, body = String)))]
async fn panics() -> Json<&'static str> {
    panic!("hunter2")
}

#[utoipa::path(get, path = "/test/large", security(()), responses((status = 200, body = String)))]
async fn large() -> Json<String> {
    Json("a".repeat(100_000))
}
