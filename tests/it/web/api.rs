//! The routes, on a whole instance: what is written is recorded, what is read is the caller's own.

use billing_ledger::app::App;
use billing_ledger::config::{Layers, Settings};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::server::{Mailbox, Part, Server};
use billing_ledger::web::auth::{Claims, Role, mint};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{KEY, SECRET};
use crate::support::database;

/// An instance with a package in its catalogue.
pub(super) struct Instance {
    server: Server,
    settings: Settings,
    client: reqwest::Client,
    _mail: tempfile::TempDir,
    _database: TestDatabase,
}

/// Somebody who asks.
#[derive(Clone, Copy)]
pub(super) struct Who(pub(super) &'static str, Role);

pub(super) const ADMIN: Who = Who("root", Role::Admin);
pub(super) const ALICE: Who = Who("alice", Role::User);
pub(super) const BOB: Who = Who("bob", Role::User);
const GATEWAY: Who = Who("gateway", Role::Service);
const AUDITOR: Who = Who("auditor", Role::Auditor);

impl Instance {
    pub(super) async fn start(sandbox: bool) -> Self {
        let database = database().await;
        let url = database.url();
        let sandbox = if sandbox { "true" } else { "false" };
        let environment = move |name: &str| {
            let value = match name {
                "DATABASE_URL" => url.as_str(),
                "JWT_SECRET" => SECRET,
                "LEDGER_MASTER_KEY" => KEY,
                "SANDBOX" => sandbox,
                "DEFAULT_CATALOGUE" => "false",
                "LISTEN" => "127.0.0.1:0",
                // Nobody is there: a delivery waits for its next attempt.
                "FORWARD_API_URL" => "http://127.0.0.1:9",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let settings = Settings::for_serve(&Layers::load(None, &environment).unwrap()).unwrap();
        let mail = tempfile::tempdir().unwrap();
        let server =
            Server::start(settings.clone(), Mailbox::Folder(mail.path().to_owned()), None::<Part>).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { server, settings, client, _mail: mail, _database: database }
    }

    async fn with_package() -> Self {
        let instance = Self::start(true).await;
        let package = json!({"name": "basic", "price": 30.00, "duration_days": 30, "daily_limit": "5.00"});
        let created = instance.post(ADMIN, "/api/admin/packages", &package).await;
        assert_eq!(created.status(), 201);
        assert_eq!(created.json::<Value>().await.unwrap()["id"], 1);
        instance
    }

    pub(super) fn app(&self) -> App {
        self.server.app().clone()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    fn ask(&self, who: Who, method: Method, path: &str) -> RequestBuilder {
        self.ask_at(who, method, &format!("http://{}{path}", self.server.address().unwrap()))
    }

    pub(super) fn ask_at(&self, who: Who, method: Method, url: &str) -> RequestBuilder {
        let Who(sub, role) = who;
        let email = Some(format!("{sub}@example.com"));
        let claims = Claims { sub: sub.to_owned(), role, email, ..Claims::default() };
        let token = mint(SECRET.as_bytes(), &claims, 60, None, None).unwrap();
        self.client.request(method, url).bearer_auth(token)
    }

    pub(super) async fn get(&self, who: Who, path: &str) -> Value {
        let response = self.ask(who, Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(super) async fn post(&self, who: Who, path: &str, body: &Value) -> Response {
        self.ask(who, Method::POST, path).json(body).send().await.unwrap()
    }

    pub(super) async fn code(&self, request: RequestBuilder) -> (u16, String) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let problem: Value = response.json().await.unwrap();
        (status, problem["code"].as_str().unwrap_or_else(|| panic!("{status} {problem}")).to_owned())
    }

    async fn buy(&self, who: Who) -> String {
        let order: Value = self.post(who, "/api/packages/1/purchase", &json!({})).await.json().await.unwrap();
        order["order_no"].as_str().unwrap_or_else(|| panic!("{order}")).to_owned()
    }

    pub(super) async fn pay(&self, order: &str, payment: &str, amount: Option<&str>) -> Response {
        let mut notice = json!({"order_no": order, "transaction_id": payment, "payment_method": "alipay"});
        if let Some(amount) = amount {
            notice["amount"] = json!(amount);
        }
        let url = format!("http://{}/api/v1/payments/notify", self.server.address().unwrap());
        self.client.post(url).json(&notice).send().await.unwrap()
    }

    async fn give(&self, who: Who, amount: &str) {
        let path = format!("/api/v1/admin/accounts/{}/credits/adjust", who.0);
        let given = self.post(ADMIN, &path, &json!({"amount": amount, "reason": "test"})).await;
        assert_eq!(given.status(), 200);
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

#[tokio::test]
async fn a_package_is_bought_paid_used_up_and_then_paid_from_credits() {
    let instance = Instance::with_package().await;
    instance.give(ALICE, "10").await;
    let order = instance.buy(ALICE).await;
    let pending = instance.get(ALICE, &format!("/api/v1/payments/orders/{order}")).await;
    assert_eq!(pending["status"], "pending");

    let paid = instance.pay(&order, "T1", None).await;
    assert_eq!(paid.status(), 200);
    let position = paid.headers()["ledger-position"].to_str().unwrap().to_owned();
    assert_eq!(paid.json::<Value>().await.unwrap(), json!({"success": true}));
    let path = format!("/api/v1/payments/orders/{order}");
    let after = instance.ask(ALICE, Method::GET, &path).header("ledger-position", position).send().await.unwrap();
    let after: Value = after.json().await.unwrap();
    assert_eq!((&after["status"], &after["payment_id"]), (&json!("fulfilled"), &json!("T1")));

    let packages = instance.get(ALICE, "/api/packages").await;
    assert_eq!(packages["items"][0]["active"], true);
    assert_eq!(packages["items"][0]["price"], "30.00");
    let bobs = instance.get(BOB, "/api/packages").await;
    assert_eq!((&bobs["items"][0]["active"], &bobs["items"][0]["owned"]), (&json!(false), &json!([])));

    let charge = json!({"account": "alice", "amount": 6.5, "reference": "r1"});
    let charged = instance.post(GATEWAY, "/api/v1/usage", &charge).await;
    let position = charged.headers()["ledger-position"].to_str().unwrap().to_owned();
    let charged: Value = charged.json().await.unwrap();
    assert_eq!(charged["packages"][0]["amount"], "5.00");
    assert_eq!(charged["credits"]["amount"], "1.50");
    assert_eq!(charged["credits"]["balance"], "8.50");
    assert_eq!(charged["ledger_position"], json!(position));

    let usage = instance.ask(ALICE, Method::GET, "/api/user/daily-usage").header("ledger-position", position);
    let usage: Value = usage.send().await.unwrap().json().await.unwrap();
    assert_eq!((&usage["today"]["used"], &usage["today"]["remaining"]), (&json!("5.00"), &json!("0.00")));
    assert_eq!(instance.get(ALICE, "/api/v1/user/credits").await["available"], "8.50");
    instance.stop().await;
}

#[tokio::test]
async fn the_same_key_or_reference_is_charged_once() {
    let instance = Instance::start(false).await;
    instance.give(ALICE, "10").await;
    let charge = async |key: Option<&str>, body: Value| {
        let mut request = instance.ask(ALICE, Method::POST, "/api/v1/usage").json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.unwrap();
        let replayed = response.headers().contains_key("idempotent-replayed");
        (response.status().as_u16(), replayed, response.json::<Value>().await.unwrap())
    };
    let one = json!({"amount": "1"});
    let (first, again) = (charge(Some("k"), one.clone()).await, charge(Some("k"), one).await);
    assert_eq!((first.0, first.1, again.0, again.1), (200, false, 200, true));
    assert_eq!(first.2["credits"], again.2["credits"]);
    let (status, _, problem) = charge(Some("k"), json!({"amount": "2"})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("E3005")));

    let named = |amount: &str| json!({"amount": amount, "reference": "r"});
    assert_eq!((charge(None, named("1")).await.1, charge(None, named("1.00")).await.1), (false, true));
    let (status, _, problem) = charge(None, named("2")).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (409, &json!("/reference")));
    let (status, _, problem) = charge(None, json!({"amount": "100"})).await;
    assert_eq!((status, &problem["code"]), (402, &json!("E4001")));
    assert_eq!(instance.get(ALICE, "/api/v1/user/credits").await["credits"], "8.00");
    instance.stop().await;
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_result() {
    let instance = Instance::start(false).await;
    instance.give(ALICE, "2").await;
    let items = json!([
        {"account": "alice", "amount": "1.5"},
        {"account": "bob", "amount": "1"},
        {"amount": "1"},
        {"account": "system", "amount": "1"},
        {"account": "alice", "amount": "0.5"},
        {"account": "alice", "amount": "0.000001"},
    ]);
    let batch = json!({ "items": items });
    let ask = || instance.ask(GATEWAY, Method::POST, "/api/v1/usage/batch").header("idempotency-key", "b").json(&batch);
    let answer: Value = ask().send().await.unwrap().json().await.unwrap();
    let statuses: Vec<u64> =
        answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 402, 422, 422, 200, 402], "{answer}");
    assert_eq!(answer["results"][0]["charge"]["credits"]["balance"], "0.50");
    assert_eq!(answer["results"][1]["problem"]["code"], "E4001");
    let again: Value = ask().send().await.unwrap().json().await.unwrap();
    assert_eq!(again["results"][4]["charge"]["replayed"], true);
    assert_eq!(instance.get(ALICE, "/api/v1/user/credits").await["credits"], "0.00");

    let users = instance.ask(ALICE, Method::POST, "/api/v1/usage/batch").json(&batch);
    assert_eq!(instance.code(users).await, (403, "E2005".to_owned()));
    let empty = instance.ask(GATEWAY, Method::POST, "/api/v1/usage/batch").json(&json!({"items": []}));
    assert_eq!(instance.code(empty).await, (422, "E1005".to_owned()));
    let wrong = json!({"items": [{"account": "alice", "amount": 1}, {"account": "alice", "amount": "x"}]});
    let response = instance.post(GATEWAY, "/api/v1/usage/batch", &wrong).await.json::<Value>().await.unwrap();
    assert_eq!(response["errors"][0]["pointer"], "/items/1/amount");
    instance.stop().await;
}

#[tokio::test]
async fn somebody_elses_is_as_if_it_were_not_there() {
    let instance = Instance::with_package().await;
    let order = instance.buy(ALICE).await;
    let not_found = (404, "E3003".to_owned());
    for path in [format!("/api/v1/payments/orders/{order}"), "/api/v1/payments/orders/nonsense".to_owned()] {
        assert_eq!(instance.code(instance.ask(BOB, Method::GET, &path)).await, not_found);
    }
    let cancel = format!("/api/v1/payments/orders/{order}/cancel");
    assert_eq!(instance.code(instance.ask(BOB, Method::POST, &cancel)).await.0, 404);
    assert_eq!(instance.get(BOB, "/api/v1/payments/orders").await["items"], json!([]));
    let others = instance.ask(BOB, Method::POST, "/api/v1/usage").json(&json!({"account": "alice", "amount": 1}));
    assert_eq!(instance.code(others).await, (403, "E2006".to_owned()));

    let cancelled = instance.ask(ALICE, Method::POST, &cancel).send().await.unwrap();
    assert_eq!(cancelled.json::<Value>().await.unwrap()["status"], "cancelled");
    // Money that arrives afterwards is still money.
    assert_eq!(instance.pay(&order, "late", None).await.status(), 200);
    let path = format!("/api/v1/payments/orders/{order}");
    let after = instance.get(ALICE, &path).await;
    assert_eq!((&after["status"], &after["late"]), (&json!("fulfilled"), &json!(true)));
    assert_eq!(instance.code(instance.ask(ALICE, Method::POST, &cancel)).await, (409, "E4055".to_owned()));
    instance.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_its_order_is_shown_to_admins() {
    let instance = Instance::with_package().await;
    let order = instance.buy(ALICE).await;
    assert_eq!(instance.pay(&order, "short", Some("29.99")).await.status(), 200);
    assert_eq!(instance.pay(&order, "right", None).await.status(), 200);
    assert_eq!(instance.pay(&order, "twice", None).await.status(), 200);
    assert_eq!(instance.pay(&order, "right", None).await.status(), 200);
    let unknown = instance.pay("ORD20260105060000deadbeef", "x", None).await;
    assert_eq!(unknown.status(), 404);

    // Read as the customer first, whose account the payments were written to: it waits for them.
    assert_eq!(instance.get(ALICE, &format!("/api/v1/payments/orders/{order}")).await["payment_id"], "right");
    let first = instance.get(AUDITOR, "/api/v1/admin/orders/mismatches?limit=1").await;
    assert_eq!((&first["items"][0]["kind"], &first["items"][0]["payment_id"]), (&json!("duplicate"), &json!("twice")));
    let next = format!("/api/v1/admin/orders/mismatches?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = instance.get(AUDITOR, &next).await;
    assert_eq!(
        (&second["items"][0]["kind"], &second["items"][0]["paid"]["amount"]),
        (&json!("mismatch"), &json!("29.99"))
    );
    assert_eq!(second.get("next_cursor"), None);
    instance.stop().await;
}

#[tokio::test]
async fn a_catalogue_is_kept_by_admins_alone() {
    let instance = Instance::with_package().await;
    let package = json!({"name": "x", "price": "1", "duration_days": 1, "daily_limit": 1});
    for who in [ALICE, GATEWAY, AUDITOR] {
        let request = instance.ask(who, Method::POST, "/api/admin/packages").json(&package);
        assert_eq!(instance.code(request).await, (403, "E2005".to_owned()));
    }
    for (change, pointer) in [
        (json!({"price": "0.001"}), "/price"),
        (json!({"price": "-1"}), "/price"),
        (json!({"price": null}), "/price"),
        (json!({"daily_limit": 1e300}), "/daily_limit"),
        (json!({"duration_days": -1}), "/duration_days"),
        (json!({"colour": "red"}), "/colour"),
    ] {
        let mut package = package.clone();
        package.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = instance.post(ADMIN, "/api/admin/packages", &package).await;
        assert_eq!(refused.status(), 422);
        assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["pointer"], pointer);
    }

    let changed = json!({"name": "better", "price": 31, "duration_days": 31, "daily_limit": 6, "sort_order": 2});
    let answer = instance.ask(ADMIN, Method::PUT, "/api/admin/packages/1").json(&changed).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["price"], "31.00");
    assert_eq!(instance.get(AUDITOR, "/api/admin/packages/1").await["name"], "better");
    let gone = instance.ask(ADMIN, Method::DELETE, "/api/admin/packages/1").send().await.unwrap();
    assert_eq!(gone.json::<Value>().await.unwrap()["on_sale"], false);
    assert_eq!(instance.get(ALICE, "/api/packages").await["items"], json!([]));
    assert_eq!(instance.get(ADMIN, "/api/admin/packages").await["items"][0]["on_sale"], false);
    let buy = instance.ask(ALICE, Method::POST, "/api/packages/1/purchase");
    assert_eq!(instance.code(buy).await, (409, "E4043".to_owned()));
    for (method, path) in [(Method::GET, "/api/admin/packages/9"), (Method::DELETE, "/api/admin/packages/9")] {
        assert_eq!(instance.code(instance.ask(ADMIN, method, path)).await.0, 404);
    }
    let unknown = instance.ask(ALICE, Method::POST, "/api/packages/9/purchase");
    assert_eq!(instance.code(unknown).await.0, 404);
    instance.stop().await;
}

#[tokio::test]
async fn the_catalogue_is_read_by_the_page_and_as_a_table() {
    let instance = Instance::with_package().await;
    for (name, sort_order) in [("third", 2), ("second", 1), ("fourth", 2)] {
        let package = json!({"name": name, "price": 1, "duration_days": 1, "daily_limit": 1, "sort_order": sort_order});
        assert_eq!(instance.post(ADMIN, "/api/admin/packages", &package).await.status(), 201);
    }
    for (who, list) in [(ALICE, "/api/packages"), (ALICE, "/api/v1/payments/products"), (ADMIN, "/api/admin/packages")]
    {
        let mut names = Vec::new();
        let mut path = format!("{list}?limit=2");
        loop {
            let page = instance.get(who, &path).await;
            names.extend(page["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{list}?limit=2&cursor={cursor}");
        }
        assert_eq!(names, ["basic", "second", "third", "fourth"], "{list}");
        let table = instance.ask(who, Method::GET, &format!("{list}?limit=1")).header("accept", "text/csv");
        let table = table.send().await.unwrap();
        assert!(table.headers().contains_key("next-cursor"), "{list}");
        let table = table.text().await.unwrap();
        assert!(table.starts_with("id,code,name,") && table.contains("\n1,,basic,"), "{list}: {table}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_statement_is_read_by_the_page_and_as_a_table() {
    let instance = Instance::start(false).await;
    instance.give(ALICE, "10").await;
    for reference in ["=1+1", "b"] {
        let charge = json!({"amount": "1", "reference": reference});
        assert_eq!(instance.post(ALICE, "/api/v1/usage", &charge).await.status(), 200);
    }
    let taken = json!({"amount": -3, "reason": "mistake"});
    let taken = instance.post(ADMIN, "/api/v1/admin/accounts/alice/credits/adjust", &taken).await;
    assert_eq!(taken.json::<Value>().await.unwrap()["balance"], "5.00");

    let mut kinds = Vec::new();
    let mut path = "/api/v1/user/transactions?limit=3".to_owned();
    loop {
        let page = instance.get(ALICE, &path).await;
        kinds.extend(page["items"].as_array().unwrap().iter().map(|line| line["type"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/user/transactions?limit=3&cursor={cursor}");
    }
    assert_eq!(kinds, ["deduct", "spend", "spend", "grant"]);

    for (filter, found) in [
        ("type=spend", 2),
        ("type=deduct", 1),
        ("type=grant&limit=1", 1),
        ("from=2020-01-01T00:00:00Z", 4),
        ("from=2999-01-01T00:00:00Z", 0),
        ("to=2999-01-01T00:00:00Z&type=spend", 2),
        ("to=2020-01-01T00:00:00Z", 0),
    ] {
        let page = instance.get(ALICE, &format!("/api/v1/user/transactions?{filter}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), found, "{filter}: {page}");
    }

    let table = instance.ask(ALICE, Method::GET, "/api/v1/user/transactions").header("accept", "text/csv");
    let table = table.send().await.unwrap();
    assert_eq!(table.headers()["content-type"], "text/csv; charset=utf-8");
    let table = table.text().await.unwrap();
    assert!(
        table.starts_with("transaction,at,type,") && table.contains(",'=1+1,") && table.contains(",-3.00,"),
        "{table}"
    );
    instance.stop().await;
}

#[tokio::test]
async fn a_delivery_is_seen_and_tried_again_by_admins() {
    let instance = Instance::with_package().await;
    let order = instance.buy(ALICE).await;
    instance.pay(&order, "T1", None).await;
    instance.get(ALICE, "/api/packages").await;
    let deliveries = instance.get(AUDITOR, "/api/v1/admin/deliveries?account=alice").await;
    let delivery = &deliveries["items"][0];
    assert_eq!((&delivery["order_no"], &delivery["account"]), (&json!(order), &json!("alice")));
    let path = format!("/api/v1/admin/deliveries/{}/retry", delivery["id"].as_str().unwrap());
    assert_eq!(instance.code(instance.ask(AUDITOR, Method::POST, &path)).await, (403, "E2005".to_owned()));
    let retried = instance.ask(ADMIN, Method::POST, &path).send().await.unwrap();
    assert_eq!(retried.json::<Value>().await.unwrap()["step"], "create_key");
    let unknown = "/api/v1/admin/deliveries/00000000-0000-8000-8000-000000000000/retry";
    assert_eq!(instance.code(instance.ask(ADMIN, Method::POST, unknown)).await, (404, "E3003".to_owned()));
    instance.stop().await;
}

#[tokio::test]
async fn only_a_sandbox_simulates_payments_and_moves_its_clock() {
    let instance = Instance::start(true).await;
    let set = |who, now: &str| instance.ask(who, Method::PUT, "/api/v1/sandbox/clock").json(&json!({ "now": now }));
    assert_eq!(instance.code(set(ALICE, "2030-01-01T00:00:00Z")).await, (403, "E2005".to_owned()));
    assert_eq!(instance.code(set(ADMIN, "9999-01-01T00:00:00Z")).await, (422, "E1005".to_owned()));
    let future = chrono::Utc::now() + chrono::TimeDelta::days(2);
    let moved: Value = set(ADMIN, &future.to_rfc3339()).send().await.unwrap().json().await.unwrap();
    let now: chrono::DateTime<chrono::Utc> = moved["now"].as_str().unwrap().parse().unwrap();
    assert!(now >= future);
    instance.stop().await;

    let instance = Instance::start(false).await;
    let set = instance.ask(ADMIN, Method::PUT, "/api/v1/sandbox/clock").json(&json!({"now": "2030-01-01T00:00:00Z"}));
    assert_eq!(instance.code(set).await, (404, "E3001".to_owned()));
    assert_eq!(instance.pay("ORD20260105060000deadbeef", "x", None).await.status(), 404);
    instance.stop().await;
}

#[tokio::test]
async fn nobody_waits_for_what_was_never_written() {
    let instance = Instance::start(false).await;
    let read =
        |position: &str| instance.ask(ALICE, Method::GET, "/api/v1/user/credits").header("ledger-position", position);
    for position in ["14.1", "0.9223372036854775807"] {
        assert_eq!(instance.code(read(position)).await, (400, "E1013".to_owned()), "{position}");
    }
    assert_eq!(read("14.0").send().await.unwrap().status(), 200);
    instance.stop().await;
}

/// What the API can do and what its document says it can do are the same: schemas resolve, and no operation is left out.
#[tokio::test]
async fn the_document_of_the_whole_api_is_whole() {
    let instance = Instance::start(true).await;
    let url = format!("http://{}/api/openapi.json", instance.server.address().unwrap());
    let document: Value = instance.client.get(url).send().await.unwrap().json().await.unwrap();
    super::docs::is_whole(&document);
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in [
        ("/api/packages", vec!["get"]),
        ("/api/packages/{id}/purchase", vec!["post"]),
        ("/api/admin/packages", vec!["get", "post"]),
        ("/api/admin/packages/{id}", vec!["delete", "get", "put"]),
        ("/api/user/daily-usage", vec!["get"]),
        ("/api/v1/payments/products", vec!["get"]),
        ("/api/v1/payments/orders", vec!["get", "post"]),
        ("/api/v1/payments/orders/{order_no}", vec!["get"]),
        ("/api/v1/payments/orders/{order_no}/cancel", vec!["post"]),
        ("/api/v1/payments/notify", vec!["post"]),
        ("/api/v1/user/credits", vec!["get"]),
        ("/api/v1/user/transactions", vec!["get"]),
        ("/api/v1/usage", vec!["post"]),
        ("/api/v1/usage/batch", vec!["post"]),
        ("/api/v1/admin/deliveries", vec!["get"]),
        ("/api/v1/admin/deliveries/{id}", vec!["get"]),
        ("/api/v1/admin/deliveries/{id}/retry", vec!["post"]),
        ("/api/v1/admin/accounts/{id}/credits/adjust", vec!["post"]),
        ("/api/v1/admin/orders", vec!["get"]),
        ("/api/v1/admin/orders/mismatches", vec!["get"]),
        ("/api/v1/admin/orders/{order_no}/refund", vec!["post"]),
        ("/api/v1/admin/orders/{order_no}/reconcile", vec!["post"]),
        ("/api/v1/admin/refunds", vec!["get"]),
        ("/api/v1/admin/refunds/{id}", vec!["get"]),
        ("/api/v1/admin/refunds/{id}/retry", vec!["post"]),
        ("/api/v1/admin/orders/mismatches/{id}/resolve", vec!["post"]),
        ("/api/payments/confirm", vec!["post"]),
        ("/sandbox/faults", vec!["get", "put"]),
        ("/sandbox/pay/{order_no}", vec!["post"]),
        ("/sandbox/refund/{order_no}", vec!["post"]),
        ("/api/v1/sandbox/clock", vec!["get", "put"]),
        ("/api/v1/subscriptions", vec!["get"]),
        ("/api/v1/subscriptions/{id}/cancel", vec!["post"]),
        ("/api/v1/subscriptions/{id}/resume", vec!["post"]),
        ("/api/v1/subscriptions/{id}/change-plan", vec!["post"]),
        ("/api/v1/admin/subscriptions", vec!["get"]),
        ("/api/v1/admin/accounts/{id}", vec!["get"]),
        ("/api/v1/admin/accounts/{id}/erase", vec!["post"]),
        ("/api/v1/admin/stats", vec!["get"]),
        ("/sandbox/renew/{subscription}", vec!["post"]),
    ] {
        let mut found: Vec<&str> = paths[path].as_object().expect(path).keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, methods, "{path}");
    }
    instance.stop().await;
}
