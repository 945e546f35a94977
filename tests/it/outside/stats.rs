//! The indicators agree with the books of a small known history.

use aggregates::{
    Command, LicenseCommand, LicenseId, OrderId, OrderNumber, RefundId, TakeRefund, UpgradePolicy, UseId,
};
use chrono::{NaiveDate, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};

use super::harness::Instance;
use super::journey::items;
use super::plans::{bought, license, monthly, one_day, ordered, put_on_sale, tell};
use crate::support::eventually;
use crate::support::units::account;

const CARD: u32 = 101;
const DEAR: u32 = 102;
const KEY: u32 = 103;
const PLAN: u32 = 104;

async fn stats(ledger: &Instance, query: &str) -> Value {
    ledger.auditor().await.get(&format!("/api/v1/admin/stats{query}")).await.expect(200).json()
}

/// Alice pays twice, bob once; one order expires, and one is still open. One payment goes back in part. All on one day,
/// which it answers.
async fn history(ledger: &Instance) -> NaiveDate {
    let morning = ledger.set_to_ten().await;
    let later = morning + TimeDelta::hours(1);
    put_on_sale(ledger, CARD, "10.00 CNY", one_day()).await;
    put_on_sale(ledger, DEAR, "50.00 CNY", one_day()).await;
    let lost = ordered(ledger, "bob", DEAR).await;
    ledger.set_clock(later).await;
    ledger.order_is("bob", &lost, "expired").await;
    for (sub, product) in [("alice", CARD), ("alice", DEAR), ("bob", CARD)] {
        let order = ordered(ledger, sub, product).await;
        ledger.pay(&order, &format!("p-{order}")).await.ok();
        if sub == "bob" {
            let number: OrderNumber = order.parse().expect("a number");
            let refund = TakeRefund {
                order: OrderId::of_number(&number),
                refund: RefundId::from_uuid(uuid::Uuid::from_u128(1)),
                provider: Some("sandbox".to_owned()),
                payment_id: format!("p-{order}"),
                amount: aggregates::Money::parse("2.50", "CNY".parse().expect("a currency")).expect("money"),
                provider_refund: None,
                reason: None,
            };
            tell(ledger, &account("bob"), later, vec![Command::TakeRefund(refund)]).await;
        }
    }
    ordered(ledger, "carol", CARD).await;
    morning.with_timezone(&Shanghai).date_naive()
}

/// Two keys of ten uses: one is used up, one by a tenth.
async fn keys_are_used(ledger: &Instance) {
    put_on_sale(ledger, KEY, "1.00 CNY", license()).await;
    for (sub, units) in [("erin", 10), ("frank", 1)] {
        let order = ordered(ledger, sub, KEY).await;
        ledger.pay(&order, &format!("p-{order}")).await.ok();
        let number: OrderNumber = order.parse().expect("a number");
        let of = account(sub);
        let consume = LicenseCommand::Consume {
            use_id: UseId::from_uuid(uuid::Uuid::from_u128(units.into())),
            units,
            by: of.key(),
            feature: None,
            reference: None,
        };
        let license = LicenseId::of_order(OrderId::of_number(&number));
        tell(ledger, &of, Utc::now(), vec![Command::License(license, consume)]).await;
    }
}

#[tokio::test]
async fn keys_are_counted_as_they_are_now() {
    let ledger = Instance::start().await;
    keys_are_used(&ledger).await;
    let keys = eventually("the read models", async || {
        Some(stats(&ledger, "").await["keys"].clone()).filter(|keys| keys["mean_use"] == "0.5500")
    })
    .await;
    let counts = ["issued", "active", "exhausted", "revoked"].map(|name| keys[name].as_i64());
    assert_eq!((counts, &keys["expiry_rate"]), ([Some(2), Some(1), Some(1), Some(0)], &json!("0.5000")));
}

#[tokio::test]
async fn the_numbers_of_a_small_history_are_what_they_must_be() {
    let ledger = Instance::start().await;
    let day = history(&ledger).await;
    let told = eventually("the read models", async || {
        let told = stats(&ledger, "").await;
        (told["orders"]["placed"] == "5" && told["revenue"][0]["refunded"]["amount"] == "2.50").then_some(told)
    })
    .await;
    let orders = &told["orders"];
    assert_eq!((&orders["converted"], &orders["conversion_rate"]), (&json!("3"), &json!("0.6000")), "{told}");
    assert_eq!(
        (&orders["expired"], &orders["expiry_rate"], &orders["per_day"]),
        (&json!("1"), &json!("0.2000"), &json!("0.1667"))
    );
    let revenue = &told["revenue"][0];
    let amount = |name: &str| revenue[name]["amount"].as_str().expect("money").to_owned();
    assert_eq!((amount("revenue"), amount("refunded"), amount("net")), ("70.00".into(), "2.50".into(), "67.50".into()));
    assert_eq!((amount("average"), &revenue["paid"]), ("23.33".to_owned(), &json!("3")));
    let shares: Vec<_> =
        items(&told["by_product"]).iter().map(|it| (it["product_id"].clone(), it["share"].clone())).collect();
    assert_eq!(shares, [(json!(CARD), json!("0.2857")), (json!(DEAR), json!("0.7143"))]);
    let buyers = &told["buyers"];
    assert_eq!(
        (&buyers["buyers"], &buyers["repeated"], &buyers["repurchase_rate"]),
        (&json!(2), &json!(1), &json!("0.5000"))
    );
    assert_eq!((&told["keys"]["issued"], &told["keys"]["mean_use"]), (&json!(0), &json!("0.0000")));
    assert_eq!(told["packages"]["activated"], 3);

    // By day and by month it is the same money, and as a table the same days.
    let sold = |when: &str| {
        [
            [when, "101", "product 101", "CNY", "3", "2", "0", "2", "20.00", "1", "2.50"],
            [when, "102", "product 102", "CNY", "2", "1", "1", "1", "50.00", "0", "0.00"],
        ]
        .map(|row| row.map(str::to_owned))
    };
    let (day, month) = (day.to_string(), day.format("%Y-%m").to_string());
    assert_eq!(rows(&told["days"]), sold(&day));
    assert_eq!(rows(&told["months"]), sold(&month));
    let table = ledger.auditor().await.with("accept", "text/csv").get("/api/v1/admin/stats").await.expect(200).text();
    let header = "when,product,name,currency,placed,converted,expired,paid,revenue,refunds,refunded".to_owned();
    let expected: Vec<String> = std::iter::once(header).chain(sold(&day).map(|row| row.join(","))).collect();
    assert_eq!(table.lines().collect::<Vec<_>>(), expected);

    // Another range knows nothing of it.
    let today = Utc::now().with_timezone(&Shanghai).date_naive();
    let (from, to) = (today - TimeDelta::days(60), today - TimeDelta::days(30));
    let before = stats(&ledger, &format!("?from={from}&to={to}")).await;
    assert_eq!((&before["orders"]["placed"], &before["revenue"]), (&json!("0"), &json!([])), "{before}");
    ledger.command(&["rebuild", "--check"]).await;
}

/// As the columns of the table say it.
fn rows(list: &Value) -> Vec<[String; 11]> {
    let row = |it: &Value| {
        [
            &it["when"],
            &it["product_id"],
            &it["name"],
            &it["revenue"]["currency"],
            &it["placed"],
            &it["converted"],
            &it["expired"],
            &it["paid"],
            &it["revenue"]["amount"],
            &it["refunds"],
            &it["refunded"]["amount"],
        ]
        .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
    };
    items(list).iter().map(row).collect()
}

#[tokio::test]
async fn what_a_provider_renews_is_revenue_and_nobodys_order() {
    let ledger = Instance::start().await;
    put_on_sale(&ledger, PLAN, "20.00 CNY", monthly(100, UpgradePolicy::NextCycle)).await;
    let paid = bought(&ledger, "alice", PLAN).await;
    let list = ledger.user("alice").await.after(&paid).get("/api/v1/subscriptions").await.expect(200).json();
    let path = format!("/sandbox/renew/{}", items(&list)[0]["id"].as_str().expect("an id"));
    for renewal in ["first", "second"] {
        ledger.nobody().post(&path, json!({"transaction_id": renewal})).await.ok();
    }
    let told = eventually("the read models", async || {
        Some(stats(&ledger, "").await).filter(|told| told["revenue"][0]["paid"] == "3")
    })
    .await;
    let (orders, buyers, revenue) = (&told["orders"], &told["buyers"], &told["revenue"][0]);
    let counted = [&orders["placed"], &orders["converted"], &orders["conversion_rate"], &orders["per_day"]];
    assert_eq!(counted, ["1", "1", "1.0000", "0.0333"], "{told}");
    assert_eq!((&buyers["buyers"], &buyers["repeated"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!((&revenue["revenue"]["amount"], &revenue["average"]["amount"]), (&json!("60.00"), &json!("20.00")));
    ledger.command(&["rebuild", "--check"]).await;
}
