//! What is told to the ledger without HTTP: products of every kind, and what has no route of its own.

use aggregates::{
    AccountId, Again, Command, Credits, DayRule, Feature, LicenseTerms, Money, PackageTerms, Period, PlanTerms,
    ProductCommand, ProductContent, ProductId, ProductKind, UpgradePolicy,
};
use billing_ledger::store::UnitOfWork;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::harness::{Instance, order_no};
use super::http::Answer;
use crate::support::open_store;
use crate::support::units::{command_id, insist};

/// Records commands beside the servers, as one more of them would.
pub(super) async fn tell(ledger: &Instance, account: &AccountId, at: DateTime<Utc>, commands: Vec<Command>) {
    let store = open_store(ledger.database.connect_options()).await;
    let unit = UnitOfWork::new(account.clone(), command_id(), at, commands).expect("commands are JSON");
    insist(&store, &unit).await.expect("recorded");
    store.close().await;
}

pub(super) async fn put_on_sale(ledger: &Instance, number: u32, price: &str, kind: ProductKind) {
    let (amount, currency) = price.split_once(' ').expect("an amount and a currency");
    let content = ProductContent {
        code: None,
        name: format!("product {number}"),
        description: String::new(),
        prices: vec![Money::parse(amount, currency.parse().expect("a currency")).expect("a price")],
        sort_order: 0,
        kind,
    };
    let create = Command::Product(ProductId::numbered(number), ProductCommand::Create(content));
    tell(ledger, &AccountId::system(), Utc::now(), vec![create]).await;
}

/// By the month, with three days of grace; credits that never expire.
pub(super) fn monthly(credits: u32, upgrade_policy: UpgradePolicy) -> ProductKind {
    let (period, credits, valid_days) = (Period::Months(1), Credits::whole(credits), None);
    ProductKind::Subscription(PlanTerms { period, credits, valid_days, upgrade_policy, grace_days: 3 })
}

pub(super) fn one_day() -> ProductKind {
    let (duration_days, daily_limit) = (1, Credits::whole(5));
    ProductKind::Package(PackageTerms { duration_days, daily_limit, day: DayRule::Calendar, again: Again::Parallel })
}

/// Of ten uses.
pub(super) fn license() -> ProductKind {
    ProductKind::License(LicenseTerms { uses: 10, features: [Feature::EmailVerify].into_iter().collect() })
}

/// The number of the order.
pub(super) async fn ordered(ledger: &Instance, sub: &str, product: u32) -> String {
    let order = json!({"product_id": product});
    order_no(&ledger.user(sub).await.post("/api/v1/payments/orders", order).await.expect(201))
}

/// What the provider's notice was answered.
pub(super) async fn bought(ledger: &Instance, sub: &str, product: u32) -> Answer {
    let order = ordered(ledger, sub, product).await;
    ledger.pay(&order, &format!("txn-{order}")).await.ok()
}

pub(super) fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("text").parse().expect("a time")
}
