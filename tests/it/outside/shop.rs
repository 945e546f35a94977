//! The catalogue and what is bought of it, of every type.

use serde_json::{Value, json};

use super::books;
use super::harness::{Instance, email_of, order_no};
use super::http::{Answer, Caller};
use super::journey::items;
use crate::support::eventually;
use crate::support::process::assert_verifies;

const PRODUCTS: &str = "/api/v1/admin/products";
const ORDERS: &str = "/api/v1/payments/orders";

/// A new ledger, with what it sells unless told otherwise, and so many servers that start at once.
async fn with_default_catalogue(servers: usize) -> Instance {
    Instance::with_servers(servers, vec![("DEFAULT_CATALOGUE", "true".to_owned())]).await
}

/// Bought by its code and paid: the order as its customer sees it then.
async fn buys(ledger: &Instance, sub: &str, code: &str) -> Value {
    let user = ledger.user(sub).await;
    let placed = user.post(ORDERS, json!({ "product_type": code })).await.expect(201);
    let order = order_no(&placed);
    let paid = ledger.pay(&order, &format!("txn-{order}")).await.expect(200);
    user.after(&paid).get(&format!("{ORDERS}/{order}")).await.expect(200).json()
}

#[tokio::test]
async fn the_default_catalogue_is_there_once_and_all_of_it_is_bought_by_code() {
    let ledger = with_default_catalogue(3).await;
    let alice = ledger.user("alice").await;
    let on_sale = eventually("the catalogue", async || {
        let list = items(&alice.get("/api/v1/payments/products").await.expect(200).json());
        (!list.is_empty()).then_some(list)
    })
    .await;
    let seen: Vec<_> = on_sale.iter().map(|it| (it["id"].clone(), it["code"].clone(), it["type"].clone())).collect();
    let expected = [
        (1, "package_30", "package"),
        (2, "basic", "license"),
        (3, "pro", "license"),
        (4, "enterprise", "license"),
        (5, "credits_10", "credit_pack"),
        (6, "credits_100", "credit_pack"),
        (7, "plan_basic", "subscription"),
        (8, "plan_pro", "subscription"),
    ];
    assert_eq!(seen, expected.map(|(id, code, kind)| (json!(id), json!(code), json!(kind))));
    let licenses: Vec<_> =
        on_sale[1..4].iter().map(|it| (it["prices"][0]["amount"].clone(), it["uses"].clone())).collect();
    assert_eq!(licenses, [("10.00", 100), ("30.00", 500), ("50.00", 1_000)].map(|(price, n)| (json!(price), json!(n))));
    let packages = items(&alice.get("/api/packages").await.expect(200).json());
    assert_eq!(packages.len(), 1, "only packages: {packages:?}");
    assert_eq!((&packages[0]["price"], &packages[0]["daily_limit"]), (&json!("30.00"), &json!("5.00")));

    for (_, code, kind) in expected {
        let order = buys(&ledger, "alice", code).await;
        assert_eq!((&order["status"], &order["type"]), (&json!("fulfilled"), &json!(kind)), "{order}");
        let delivered = |name: &str| order[name].is_string();
        let what = ["user_package", "license", "grant", "subscription"].map(delivered);
        assert_eq!(what, ["package", "license", "credit_pack", "subscription"].map(|it| it == kind), "{order}");
    }
    let credits = alice.get("/api/v1/user/credits").await.expect(200).json();
    assert_eq!(credits["available"], "240.00", "both packs and the first month of both plans: {credits}");
    books::agree(&ledger, &["alice"]).await;
    assert_verifies(&ledger.database.url()).await;
}

/// The terms of seed 002's curl: a code, and nothing else.
#[tokio::test]
async fn an_order_names_its_product_by_code_or_by_number() {
    let ledger = with_default_catalogue(1).await;
    let alice = ledger.user("alice").await.with("idempotency-key", "once");
    let by_code = alice.post(ORDERS, json!({"product_type": "basic"})).await.expect(201);
    let placed = by_code.json();
    assert_eq!((&placed["product_id"], &placed["price"]["amount"]), (&json!(2), &json!("10.00")), "{placed}");
    assert!(alice.post(ORDERS, json!({"product_type": "basic"})).await.expect(201).is_replay());
    alice.post(ORDERS, json!({"product_type": "pro"})).await.refused(409, "E3005");
    let alice = ledger.user("alice").await;
    let by_number = alice.post(ORDERS, json!({"product_id": 2})).await.expect(201).json();
    assert_eq!(by_number["name"], placed["name"]);
    // A code is known wherever its product is, on sale or not.
    let off = ledger.admin().await.delete(&format!("{PRODUCTS}/2")).await.expect(200);
    alice.after(&off).post(ORDERS, json!({"product_type": "basic"})).await.refused(409, "E4043");
    alice.post(ORDERS, json!({"product_type": "gold"})).await.refused(404, "E3003");
    // What is no package is not bought as one.
    alice.post_nothing("/api/packages/3/purchase").await.refused(404, "E3003");
}

/// Thirty days twice, by each rule for a second time. Answers what the customer then has of it, soonest end first.
async fn twice(ledger: &Instance, sub: &str, again: &str) -> Vec<Value> {
    let package = json!({
        "code": again, "name": again, "price": "30.00", "duration_days": 30, "daily_limit": "5.00", "again": again,
    });
    ledger.admin().await.post("/api/admin/packages", package).await.expect(201);
    buys(ledger, sub, again).await;
    buys(ledger, sub, again).await;
    let user = ledger.user(sub).await;
    let offers = items(&user.get("/api/packages").await.expect(200).json());
    let offer = offers.into_iter().find(|offer| offer["code"] == again).expect("it is on sale");
    assert_eq!(offer["again"], again);
    let mut owned = offer["owned"].as_array().expect("a list").clone();
    owned.sort_by_key(|owned| owned["ends_at"].to_string());
    owned
}

fn status_and_remaining(owned: &[Value]) -> Vec<(&str, &str)> {
    owned.iter().map(|it| (it["status"].as_str().unwrap_or(""), it["remaining"].as_str().unwrap_or(""))).collect()
}

fn days(from: &Value, to: &Value) -> i64 {
    let time =
        |value: &Value| value.as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
    (time(to) - time(from)).num_days()
}

async fn limit_today(user: &Caller) -> Value {
    user.get("/api/user/daily-usage").await.expect(200).json()["today"]["limit"].clone()
}

#[tokio::test]
async fn a_package_is_bought_again_by_each_of_its_rules() {
    let ledger = Instance::start().await;
    let extended = twice(&ledger, "ann", "extend").await;
    assert_eq!(status_and_remaining(&extended), [("active", "300.00")], "{extended:?}");
    assert_eq!(days(&extended[0]["starts_at"], &extended[0]["ends_at"]), 60);
    assert_eq!(limit_today(&ledger.user("ann").await).await, "5.00", "the day is not longer for it");

    let parallel = twice(&ledger, "ben", "parallel").await;
    assert_eq!(status_and_remaining(&parallel), [("active", "150.00"), ("active", "150.00")], "{parallel:?}");
    assert_eq!(limit_today(&ledger.user("ben").await).await, "10.00");

    let queued = twice(&ledger, "cas", "queue").await;
    assert_eq!(status_and_remaining(&queued), [("active", "150.00"), ("waiting", "150.00")], "{queued:?}");
    assert_eq!(queued[0]["ends_at"], queued[1]["starts_at"]);
    assert_eq!(limit_today(&ledger.user("cas").await).await, "5.00");

    // Each purchase makes a key and a mail; that of an extension speaks of the days that it added.
    let mails = eventually("two mails", async || {
        ledger.hurry().await;
        Some(ledger.mail_to("ann")).filter(|mails| mails.len() == 2)
    })
    .await;
    let (first, second) = (&extended[0]["starts_at"], &extended[0]["ends_at"]);
    let of_the_order = |date: &Value| {
        let day = date.as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
        day.with_timezone(&chrono_tz::Asia::Shanghai).format("%Y-%m-%d %H:%M").to_string()
    };
    let holds = |date: &Value| mails.iter().filter(|mail| mail.text.contains(&of_the_order(date))).count();
    assert_eq!((holds(first), holds(second)), (1, 1), "to {}: {:?}", email_of("ann"), mails);
    books::agree(&ledger, &["ann", "ben", "cas"]).await;
}

fn written() -> [(&'static str, Value, Value); 4] {
    [
        (
            "package",
            json!({"duration_days": 1, "daily_limit": "2.00", "day": "anniversary", "again": "queue"}),
            json!({"duration_days": 2, "daily_limit": "2.00"}),
        ),
        (
            "license",
            json!({"uses": 7, "features": ["email_verify", "api_access"]}),
            json!({"uses": 8, "features": ["email_verify"]}),
        ),
        ("credit_pack", json!({"credits": "10.5", "valid_days": 30}), json!({"credits": 11})),
        (
            "subscription",
            json!({"period": {"days": 7}, "credits": "3", "upgrade_policy": "immediate", "grace_days": 0}),
            json!({"period": {"months": 1}, "credits": "3"}),
        ),
    ]
}

fn product(kind: &str, terms: &Value) -> Value {
    let mut body = json!({"type": kind, "code": format!("a_{kind}"), "name": kind, "price": "9.90"});
    let fields = terms.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    body
}

#[tokio::test]
async fn admins_keep_products_of_every_type() {
    let ledger = Instance::start().await;
    let (admin, auditor, alice) = (ledger.admin().await, ledger.auditor().await, ledger.user("alice").await);
    for ((kind, terms, other), number) in written().into_iter().zip(1..) {
        let created = admin.post(PRODUCTS, product(kind, &terms)).await.expect(201);
        let path = format!("{PRODUCTS}/{number}");
        let seen = auditor.after(&created).get(&path).await.expect(200).json();
        assert_eq!(seen, created.json(), "what was answered is what is read");
        assert_eq!((&seen["id"], &seen["type"], &seen["on_sale"]), (&json!(number), &json!(kind), &json!(true)));
        for (name, term) in terms.as_object().expect("an object") {
            let shown = match name.as_str() {
                "credits" => json!(if kind == "credit_pack" { "10.50" } else { "3.00" }),
                _ => term.clone(),
            };
            assert_eq!(seen[name], shown, "{name} of {seen}");
        }

        // Another product, too, would be called so.
        let mut same = product(kind, &terms);
        same["name"] = json!("other");
        admin.post(PRODUCTS, same).await.refused(409, "E3006");
        // The code may be left out of a change, and cannot be another one.
        let mut change = product(kind, &other);
        change["code"] = json!("another");
        admin.put(&path, change.clone()).await.refused(422, "E4047");
        change.as_object_mut().expect("an object").remove("code");
        let changed = admin.put(&path, change.clone()).await.expect(200).json();
        assert_eq!(changed["code"], format!("a_{kind}"), "{changed}");
        change["on_sale"] = json!(false);
        let off = admin.put(&path, change).await.expect(200);
        let on_sale = items(&alice.after(&off).get("/api/v1/payments/products").await.expect(200).json());
        assert!(on_sale.iter().all(|it| it["id"] != number), "{on_sale:?}");
    }
    let changed_kind = product("license", &json!({"uses": 1, "features": ["email_verify"]}));
    let mut changed_kind = changed_kind;
    changed_kind["code"] = json!("a_package");
    admin.put(&format!("{PRODUCTS}/1"), changed_kind).await.refused(422, "E4042");
    // A license is no package, whichever way it is asked for.
    admin.get("/api/admin/packages/2").await.refused(404, "E3003");
    admin.delete("/api/admin/packages/2").await.refused(404, "E3003");
    let packages = items(&admin.get("/api/admin/packages").await.expect(200).json());
    assert_eq!(packages.len(), 1, "{packages:?}");
    let table = admin.with("accept", "text/csv").get(PRODUCTS).await.expect(200).text();
    let mut lines = table.lines();
    let header = lines.next().expect("a header");
    assert!(header.starts_with("id,code,name,") && header.ends_with(",period,upgrade_policy,grace_days"), "{header}");
    assert_eq!(lines.filter(|line| line.contains(",a_license,")).count(), 1, "{table}");
}

#[tokio::test]
async fn of_many_who_ask_for_one_code_at_once_one_gets_it() {
    const ASKED: usize = 6;
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let token = ledger.token(&["--role", "admin", "--sub", "root"]).await;
    let callers: Vec<Caller> = (0..ASKED).map(|n| ledger.caller_at(n % 2, Some(&token))).collect();
    let asked = callers.into_iter().enumerate().map(|(n, caller)| async move {
        let body = json!({"type": "credit_pack", "code": "gold", "name": format!("n{n}"), "price": "1", "credits": 1});
        caller.post(PRODUCTS, body).await
    });
    let answers: Vec<Answer> = futures_util::future::join_all(asked).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    let [made] = made.as_slice() else { panic!("{made:?} {refused:?}") };
    for answer in refused {
        answer.refused(409, "E3006");
    }
    let bought = ledger.user("alice").await.post(ORDERS, json!({"product_type": "gold"})).await.expect(201).json();
    assert_eq!(bought["product_id"], made.json()["id"]);
    let admin = ledger.admin().await;
    let listed = items(&admin.after(made).get(PRODUCTS).await.expect(200).json());
    assert_eq!(listed.len(), 1, "{listed:?}");
}

/// Whatever is on sale already, nothing is added to it.
#[tokio::test]
async fn what_an_operator_sells_is_not_added_to() {
    let mut ledger = Instance::start().await;
    ledger.create_package().await;
    ledger.stop().await;
    ledger.set("DEFAULT_CATALOGUE", "true");
    ledger.add_server().await;
    // As the log has it, whatever can be read already.
    let body = product("license", &json!({"uses": 1, "features": ["email_verify"]}));
    ledger.admin().await.put(&format!("{PRODUCTS}/2"), body).await.refused(404, "E4040");
    ledger.user("alice").await.post(ORDERS, json!({"product_type": "basic"})).await.refused(404, "E3003");
    let bought = ledger.user("alice").await.post(ORDERS, json!({"product_id": 1})).await.expect(201).json();
    assert_eq!(bought["name"], "基础套餐");
}

#[tokio::test]
async fn an_order_takes_the_price_in_its_providers_currency_or_is_refused() {
    let ledger = Instance::start().await;
    let in_both = json!([{"amount": "5.00", "currency": "USD"}, {"amount": "30.00", "currency": "CNY"}]);
    let in_dollars = json!([{"amount": "5.00", "currency": "USD"}]);
    for (code, prices) in [("both", in_both), ("dollars", in_dollars)] {
        let pack = json!({"type": "credit_pack", "code": code, "name": code, "prices": prices, "credits": 1});
        ledger.admin().await.post(PRODUCTS, pack).await.expect(201);
    }
    let alice = ledger.user("alice").await;
    let placed = alice.post(ORDERS, json!({"product_type": "both"})).await.expect(201).json();
    assert_eq!(placed["price"], json!({"amount": "30.00", "currency": "CNY"}), "{placed}");
    let refused = alice.post(ORDERS, json!({"product_type": "dollars"})).await.refused(422, "E1005").json();
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("no price in CNY")), "{refused}");
    assert_eq!(ledger.events_of("alice", "order", "placed").await, 1);
}

#[tokio::test]
async fn an_order_delivers_the_terms_that_it_was_placed_with() {
    let ledger = Instance::start().await;
    let admin = ledger.admin().await;
    let pack = json!({"type": "credit_pack", "code": "pack", "name": "old", "price": "30.00", "credits": "100"});
    let created = admin.post(PRODUCTS, pack).await.expect(201).json();
    let alice = ledger.user("alice").await;
    let order = order_no(&alice.post(ORDERS, json!({"product_type": "pack"})).await.expect(201));
    let changed = json!({"type": "credit_pack", "name": "new", "price": "90.00", "credits": "5"});
    admin.put(&format!("{PRODUCTS}/{}", created["id"]), changed).await.expect(200);

    let paid = ledger.pay(&order, "old-terms").await.expect(200);
    let seen = alice.after(&paid).get(&format!("{ORDERS}/{order}")).await.expect(200).json();
    assert_eq!((&seen["name"], &seen["status"]), (&json!("old"), &json!("fulfilled")), "{seen}");
    assert_eq!(seen["price"]["amount"], "30.00");
    let credits = alice.after(&paid).get("/api/v1/user/credits").await.expect(200).json();
    assert_eq!(credits["available"], "100.00");
    // The next one is of the new.
    let seen = buys(&ledger, "alice", "pack").await;
    assert_eq!((&seen["name"], &seen["price"]["amount"]), (&json!("new"), &json!("90.00")));
    assert_eq!(alice.get("/api/v1/user/credits").await.expect(200).json()["available"], "105.00");
}
