//! Providers set up by an admin while servers run.

use serde_json::{Value, json};

use super::super::harness::Instance;
use super::super::program::Program;
use super::scene::{exported, way};
use crate::support::eventually;

/// A stand-in, and its settings as an admin would send them.
async fn stand_in(name: &str, keys: &std::path::Path) -> (Program, String, Value) {
    let folder = keys.to_str().expect("UTF-8");
    let command = way(name).command;
    let mut program =
        Program::spawn(&["simulate", command, "--listen", "127.0.0.1:0", "--keys-dir", folder], &Vec::new());
    let base = program.listening().await;
    let prefix = format!("{}_", name.to_uppercase());
    let settings = exported(&program.out())
        .into_iter()
        .map(|(name, value)| (name.strip_prefix(&prefix).expect("its prefix").to_lowercase(), Value::String(value)));
    (program, base, Value::Object(settings.collect()))
}

async fn without_providers(servers: usize) -> Instance {
    let env = vec![("SANDBOX", "false".to_owned()), ("DEFAULT_CATALOGUE", "true".to_owned())];
    Instance::with_servers(servers, env).await
}

#[tokio::test]
async fn an_admin_sets_a_provider_up_and_every_server_sells_with_it() {
    let ledger = without_providers(2).await;
    let keys = tempfile::tempdir().expect("a folder");
    let (_program, base, settings) = stand_in("alipay", keys.path()).await;
    let admin = ledger.admin().await;
    let order = json!({"product_type": "basic", "provider": "alipay"});
    ledger.user("early").await.post("/api/v1/payments/orders", order.clone()).await.refused(422, "E1005");
    let checked = admin.post_nothing("/api/admin/settings/alipay/check").await.expect(200).json();
    assert_eq!(checked["ok"], false);

    let shown = admin.put("/api/admin/settings/alipay", settings.clone()).await.expect(200).json();
    assert_eq!(
        (&shown["configured"], &shown["enabled"], &shown["currency"]),
        (&json!(true), &json!(true), &json!("CNY"))
    );
    let checked = admin.post_nothing("/api/admin/settings/alipay/check").await.expect(200).json();
    assert_eq!(checked["ok"], true, "{checked}");
    ledger.user("soon").await.post("/api/v1/payments/orders", order.clone()).await.expect(201);
    let token = ledger.token(&["--role", "user", "--sub", "other"]).await;
    eventually("the other server to sell with it", async || {
        let placed = ledger.caller_at(1, Some(&token)).post("/api/v1/payments/orders", order.clone()).await;
        (placed.status == 201).then_some(())
    })
    .await;

    // Secrets are written and never read; not by an admin, not from a log, not from the log of events.
    let secret = settings["private_key"].as_str().expect("a key");
    let said = admin.get("/api/admin/settings").await.expect(200).text();
    assert!(!said.contains(secret) && said.contains(&secret[secret.len() - 4..]), "{said}");
    assert!(!ledger.log().contains(secret));
    let events: Vec<String> =
        sqlx::query_scalar("SELECT payload::text FROM ledger.events").fetch_all(&ledger.pool).await.expect("the log");
    assert!(!events.iter().any(|event| event.contains(secret)));
    assert!(events.iter().any(|event| event.contains("last_four")));

    // Switched off it sells nothing more, and what was ordered is still paid.
    admin.put("/api/admin/settings/alipay", json!({"enabled": false})).await.expect(200);
    ledger.user("soon").await.post("/api/v1/payments/orders", order.clone()).await.refused(422, "E1005");
    let sim = super::super::http::Caller::new(&super::super::http::client(), &base, None);
    sim.send(reqwest::Method::PUT, "/notify-base", Some(ledger.base().into())).await.expect(204);
    let orders = ledger.user("soon").await.get("/api/v1/payments/orders").await.expect(200).json();
    let number = orders["items"][0]["order_no"].as_str().expect("a number").to_owned();
    sim.post_nothing(&format!("/pay/{number}")).await.expect(200);
    ledger.order_is("soon", &number, "fulfilled").await;
}

#[tokio::test]
async fn a_provider_serves_the_products_it_is_set_for() {
    let ledger = without_providers(1).await;
    let keys = tempfile::tempdir().expect("a folder");
    let (_alipay, _, mut settings) = stand_in("alipay", keys.path()).await;
    let (_wechat, _, others) = stand_in("wechat", keys.path()).await;
    let admin = ledger.admin().await;
    settings["products"] = json!("basic, 3");
    admin.put("/api/admin/settings/alipay", settings).await.expect(200);
    admin.put("/api/admin/settings/wechat", others).await.expect(200);
    let buyer = ledger.user("buyer").await;
    let list = buyer.get("/api/v1/payments/products").await.expect(200).json();
    let offered = |code: &str| {
        let products = list["items"].as_array().expect("a list");
        products.iter().find(|it| it["code"] == code).expect("a product")["providers"].clone()
    };
    // By code, by number, and not at all.
    assert_eq!(offered("basic"), json!(["alipay", "wechat"]));
    assert_eq!(offered("pro"), json!(["alipay", "wechat"]));
    assert_eq!(offered("enterprise"), json!(["wechat"]));
    let order = async |wanted: Value| ledger.user("buyer").await.post("/api/v1/payments/orders", wanted).await;
    for (product, provider) in [("basic", "alipay"), ("pro", "alipay"), ("enterprise", "wechat")] {
        let placed = order(json!({"product_type": product})).await.expect(201).json();
        assert_eq!(placed["provider"], provider, "{product}");
    }
    order(json!({"product_type": "enterprise", "provider": "alipay"})).await.refused(422, "E1005");
}

#[tokio::test]
async fn settings_that_are_no_provider_are_refused_and_change_nothing() {
    let ledger = without_providers(1).await;
    let keys = tempfile::tempdir().expect("a folder");
    let (_program, _, settings) = stand_in("alipay", keys.path()).await;
    let admin = ledger.admin().await;
    let put = async |body: Value| admin.put("/api/admin/settings/alipay", body).await;
    put(json!({"app_id": "1"})).await.refused(422, "E1005");
    put(json!({"no_such_thing": "1"})).await.refused(422, "E1002");
    put(json!({"app_id": 1})).await.refused(422, "E1004");
    put(json!({"app_id": ""})).await.refused(422, "E1004");
    let mut wrong = settings.clone();
    wrong["private_key"] = json!("this is no key");
    let refused = put(wrong).await.refused(422, "E1005");
    assert!(!refused.text().contains("this is no key"));
    assert_eq!(refused.problem()["errors"][0]["pointer"], "/private_key");
    let shown = admin.get("/api/admin/settings/alipay").await.expect(200).json();
    assert_eq!(shown["configured"], false);
    admin.get("/api/admin/settings/nobody").await.refused(404, "E3003");
    ledger.user("u").await.get("/api/admin/settings").await.refused(403, "E2005");
    ledger.auditor().await.put("/api/admin/settings/alipay", settings.clone()).await.refused(403, "E2005");
    // All of it taken away it is as if it had never been.
    put(settings.clone()).await.expect(200);
    let nothing = settings.as_object().expect("settings").keys().map(|name| (name.clone(), Value::Null));
    let shown = put(Value::Object(nothing.collect())).await.expect(200).json();
    assert_eq!(shown["configured"], false);
}

/// Each of two changes makes a provider, and both of them together make none.
#[tokio::test]
async fn changes_by_two_admins_at_once_are_checked_together() {
    let ledger = without_providers(2).await;
    let keys = tempfile::tempdir().expect("a folder");
    let (_program, _, settings) = stand_in("linuxdo_credit", keys.path()).await;
    const PATH: &str = "/api/admin/settings/linuxdo_credit";
    let one = ledger.admin().await;
    let token = ledger.token(&["--role", "admin", "--sub", "other"]).await;
    let other = ledger.caller_at(1, Some(&token));
    one.put(PATH, settings.clone()).await.expect(200);
    for round in 0..10 {
        let name = format!("app-{round}");
        let pid = one.put(PATH, json!({"pid": &name}));
        let test_pid = other.put(PATH, json!({"test_pid": &name}));
        let (pid, test_pid) = tokio::join!(pid, test_pid);
        let mut statuses = [pid.status.as_u16(), test_pid.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{} {}", pid.text(), test_pid.text());
        let shown = one.put(PATH, json!({"pid": settings["pid"], "test_pid": null})).await.expect(200).json();
        assert_eq!((&shown["configured"], &shown["problem"]), (&json!(true), &Value::Null));
    }
}

#[tokio::test]
async fn what_the_environment_sets_only_the_environment_changes() {
    let keys = tempfile::tempdir().expect("a folder");
    let (program, _, settings) = stand_in("linuxdo_credit", keys.path()).await;
    let mut env = vec![("SANDBOX", "false".to_owned())];
    env.extend(exported(&program.out()));
    let ledger = Instance::with(env).await;
    let admin = ledger.admin().await;
    let refused = admin.put("/api/admin/settings/linuxdo_credit", json!({"pid": "2"})).await.refused(409, "E3007");
    assert!(refused.text().contains("LINUXDO_CREDIT_PID"));
    let shown = admin.get("/api/admin/settings/linuxdo_credit").await.expect(200).json();
    let pid = shown["settings"].as_array().expect("a list").iter().find(|it| it["name"] == "pid").expect("a pid");
    assert_eq!((&pid["set_by"], &pid["value"]), (&json!("environment"), &settings["pid"]));
}

#[tokio::test]
async fn real_providers_and_simulated_payments_do_not_mix() {
    let ledger = Instance::start().await;
    let keys = tempfile::tempdir().expect("a folder");
    let (_program, _, settings) = stand_in("linuxdo_credit", keys.path()).await;
    ledger.admin().await.put("/api/admin/settings/linuxdo_credit", settings).await.refused(409, "E3007");
}
