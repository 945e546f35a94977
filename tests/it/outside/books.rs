//! What people are shown, against what the log says when somebody else reads it from its beginning: `replay` knows
//! nothing of read models.

use std::collections::BTreeMap;

use aggregates::Credits;
use serde_json::Value;

use super::harness::Instance;
use super::journey::items;

/// Read models, a full rebuild of them, and a replay of the log agree about these customers.
pub(super) async fn agree(ledger: &Instance, subs: &[&str]) {
    for sub in subs {
        let account = Account::replayed(ledger, sub).await;
        account.agrees_on_credits(ledger, sub).await;
        account.agrees_on_days(ledger, sub).await;
        account.agrees_on_orders(ledger, sub).await;
        account.agrees_on_packages(ledger, sub).await;
    }
    let rebuilt = ledger.command(&["rebuild", "--check", "--json"]).await;
    assert!(rebuilt.contains("\"events\""), "it was read: {rebuilt}");
}

/// One customer's part of the log, and what it folds to.
struct Account {
    events: Vec<Value>,
    folded: Vec<Value>,
}

impl Account {
    async fn replayed(ledger: &Instance, sub: &str) -> Self {
        let lines = |printed: String| printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let events = lines(ledger.command(&["replay", "--json", "--account", sub]).await);
        let folded = lines(ledger.command(&["replay", "--fold", "--json", "--account", sub]).await);
        Self { events, folded }
    }

    fn states<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let of_kind = self.folded.iter().filter(move |aggregate| aggregate["aggregate_type"] == kind);
        of_kind.map(|aggregate| (text(aggregate, "aggregate_id"), &aggregate["state"]))
    }

    async fn agrees_on_credits(&self, ledger: &Instance, sub: &str) {
        let user = ledger.user(sub).await;
        let shown = user.get("/api/v1/user/credits").await.expect(200).json();
        let balance = self.states("credit_account").map(|(_, state)| micros(&state["balance"])).sum::<i64>();
        assert_eq!(decimal(&shown["credits"]), balance, "{sub}: {shown}");
        // The statement is the same story told line by line.
        let lines = items(&user.get("/api/v1/user/transactions?limit=200").await.expect(200).json());
        assert_eq!(lines.iter().map(|line| decimal(&line["amount"])).sum::<i64>(), balance, "{sub}: {lines:?}");
        let movements = self.events.iter().filter(|event| event["aggregate_type"] == "credit_account");
        assert_eq!(lines.len(), movements.count(), "{sub}: {lines:?}");
    }

    async fn agrees_on_days(&self, ledger: &Instance, sub: &str) {
        let mut used: BTreeMap<(String, String), i64> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event["event_type"] == "consumed") {
            let payload = &event["payload"];
            let key = (text(payload, "day").to_owned(), text(event, "aggregate_id").to_owned());
            *used.entry(key).or_default() += micros(&payload["amount"]);
        }
        let daily = ledger.user(sub).await.get("/api/user/daily-usage").await.expect(200).json();
        let mut shown = BTreeMap::new();
        for day in items(&daily["history"]) {
            for package in items(&day["packages"]) {
                let key = (text(&day, "day").to_owned(), text(&package, "id").to_owned());
                shown.insert(key, decimal(&package["used"]));
            }
        }
        assert_eq!(shown, used, "{sub}: {daily}");
    }

    async fn agrees_on_orders(&self, ledger: &Instance, sub: &str) {
        let listed = ledger.user(sub).await.get("/api/v1/payments/orders?limit=200").await.expect(200).json();
        let shown = items(&listed).into_iter().map(|order| {
            let (number, status) = (text(&order, "order_no").to_owned(), text(&order, "status").to_owned());
            (number, (status, order["payment_id"].clone(), text(&order["price"], "amount").replace('.', "")))
        });
        let folded = self.states("order").map(|(_, state)| {
            let order = &state["placed"];
            let (number, status) = (text(&order["placed"], "number").to_owned(), text(order, "status").to_owned());
            (number, (status, order["payment"]["payment_id"].clone(), order["placed"]["price"]["minor"].to_string()))
        });
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), folded.collect::<BTreeMap<_, _>>(), "{sub}: {listed}");
    }

    async fn agrees_on_packages(&self, ledger: &Instance, sub: &str) {
        let offers = ledger.user(sub).await.get("/api/packages").await.expect(200).json();
        let owned = items(&offers).iter().flat_map(|offer| items(&offer["owned"])).collect::<Vec<_>>();
        let shown = owned.iter().map(|package| {
            (text(package, "id"), (text(package, "status") == "expired", decimal(&package["remaining"])))
        });
        let folded = self.states("user_package").map(|(id, state)| {
            let package = &state["activated"];
            (id, (package["expired"] == true, micros(&package["left"])))
        });
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), folded.collect::<BTreeMap<_, _>>(), "{sub}: {offers}");
    }
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

fn micros(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no whole number: {value}"))
}

/// `-2.50` in millionths.
fn decimal(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no decimal: {value}"));
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    sign * digits.parse::<Credits>().expect("a decimal").micros()
}
