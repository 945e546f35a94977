//! A route that needs a feature and takes no use of it, made here: none of the API's own does so yet.

use aggregates::Feature;
use axum::Json;
use axum::extract::State;
use billing_ledger::app::App;
use billing_ledger::web::api::{Licensed, Names};
use billing_ledger::web::{Edge, Problem, Readiness, assemble, metrics, serve};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::{ADMIN, ALICE, BOB, Instance, Who};
use crate::support::eventually;

const IMPORT: &str = "/test/import";

struct EmailImport;

impl Names for EmailImport {
    const FEATURE: Feature = Feature::EmailImport;
}

#[utoipa::path(post, path = "/test/import", responses((status = 200, body = String)))]
async fn import(licensed: Licensed<EmailImport>, State(app): State<App>) -> Result<Json<String>, Problem> {
    licensed.bind(&app).await?;
    Ok(Json(licensed.user.account.to_string()))
}

/// The routes of the test beside an instance that sells licenses. Stops when dropped.
struct Gated {
    instance: Instance,
    url: String,
    stop: CancellationToken,
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Gated {
    async fn start() -> Self {
        let instance = Instance::start(true).await;
        for (code, features) in [("verifies", json!(["email_verify"])), ("imports", json!(["email_import"]))] {
            let license =
                json!({"type": "license", "code": code, "name": code, "price": "1", "uses": 1, "features": features});
            assert_eq!(instance.post(ADMIN, "/api/v1/admin/products", &license).await.status(), 201);
        }
        let router = OpenApiRouter::new().routes(routes!(import)).with_state(instance.app());
        let stop = CancellationToken::new();
        let readiness = Readiness::new(stop.clone());
        let router = assemble(router, Edge::new(instance.settings()), readiness, metrics::install().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{IMPORT}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, router, stop.clone()));
        Self { instance, url, stop }
    }

    /// Bought and paid: the key.
    async fn buy(&self, who: Who, code: &str) -> String {
        let order = json!({ "product_type": code });
        let order: Value = self.instance.post(who, "/api/v1/payments/orders", &order).await.json().await.unwrap();
        let number = order["order_no"].as_str().unwrap();
        assert_eq!(self.instance.pay(number, &format!("txn-{number}"), None).await.status(), 200);
        eventually("the key", async || {
            let keys = self.instance.get(who, "/api/v1/keys").await;
            let key = keys["items"].as_array().unwrap().iter().find(|key| key["order_no"] == number)?;
            Some(key["key_code"].as_str().unwrap().to_owned())
        })
        .await
    }

    fn import(&self, who: Who, key: Option<&str>) -> RequestBuilder {
        let request = self.instance.ask_at(who, Method::POST, &self.url);
        key.into_iter().fold(request, |request, key| request.header("x-license-key", key))
    }

    async fn refused(&self, who: Who, key: Option<&str>) -> (u16, String) {
        self.instance.code(self.import(who, key)).await
    }

    async fn imports(&self, who: Who, key: Option<&str>) {
        let answer = self.import(who, key).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<String>().await.unwrap(), who.0);
    }

    async fn key_of(&self, who: Who, key: &str) -> Value {
        let asked = self.instance.post(who, "/api/v1/keys/check", &json!({ "key_code": key })).await;
        assert_eq!(asked.status(), 200);
        asked.json().await.unwrap()
    }
}

#[tokio::test]
async fn a_feature_that_takes_no_use_needs_a_license_with_it_and_binds_it() {
    let gated = Gated::start().await;
    let (verifies, imports) = (gated.buy(ALICE, "verifies").await, gated.buy(ALICE, "imports").await);

    // Without a license, with one for something else, with a key that nothing has, with what is no key.
    let code = |status, code: &str| (status, code.to_owned());
    assert_eq!(gated.refused(BOB, None).await, code(403, "E2008"));
    assert_eq!(gated.refused(BOB, Some(&verifies)).await, code(403, "E4096"));
    assert_eq!(gated.refused(BOB, Some("0000-0000-0000-0000")).await, code(404, "E3003"));
    assert_eq!(gated.refused(BOB, Some("x")).await, code(400, "E1013"));
    let nobody = reqwest::Client::new().post(&gated.url).header("x-license-key", &imports);
    assert_eq!(gated.instance.code(nobody).await, code(401, "E2001"));
    assert_eq!(gated.key_of(BOB, &imports).await["bound"], false, "who was refused has bound nothing");

    // Whose it is first keeps it; it takes no use, however often, and is their current one from then on.
    for _ in 0..3 {
        gated.imports(BOB, Some(&imports)).await;
    }
    let seen = gated.key_of(BOB, &imports).await;
    assert_eq!((&seen["bound"], &seen["remaining"]), (&json!(true), &json!(1)), "{seen}");
    gated.imports(BOB, None).await;
    assert_eq!(gated.refused(ALICE, Some(&imports)).await, code(404, "E3003"));
    assert_eq!(gated.key_of(BOB, &verifies).await["bound"], false);
}
