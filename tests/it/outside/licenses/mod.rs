//! Licenses from the outside.
//!
//! ```text
//! story.rs     bought, given to a friend, used up, given back, revoked; chosen, annotated
//! races.rs     two processes and the last use, a hundred accounts and the first one, one payment many times
//! emails.rs    addresses verified, one use each
//! guessing.rs  keys that are tried: locked out, on all servers
//! seed.rs      every curl of seed 002, as it stands there
//! taken.rs     a new key that something else has already
//! ```

mod emails;
mod guessing;
mod races;
mod seed;
mod story;
mod taken;

use serde_json::{Value, json};

use super::harness::{Instance, order_no};
use super::http::{Answer, Caller};
use super::journey::items;

const CHECK: &str = "/api/v1/keys/check";
const ACTIVATE: &str = "/api/v1/keys/activate";
const CONSUME: &str = "/api/v1/entitlements/consume";
const GIVE_BACK: &str = "/api/v1/entitlements/give-back";
const ENTITLED: &str = "/api/v1/entitlements/check";
const VERIFY: &str = "/api/v1/emails/verify";
/// Nothing has it.
const NO_KEY: &str = "0000-0000-0000-0000";

/// A license on sale.
#[derive(Clone, Copy)]
struct OnSale {
    code: &'static str,
    uses: u32,
    features: &'static [&'static str],
}

const BASIC: OnSale = OnSale { code: "license_basic", uses: 100, features: &["email_verify"] };
const SINGLE: OnSale = OnSale { code: "license_single", uses: 1, features: &["email_verify"] };
const THREE: OnSale = OnSale { code: "license_three", uses: 3, features: &["email_verify", "api_access"] };
const IMPORT: OnSale = OnSale { code: "license_import", uses: 10, features: &["email_import"] };

/// With all of these on sale.
async fn shop() -> Instance {
    let ledger = Instance::start().await;
    for license in [BASIC, SINGLE, THREE, IMPORT] {
        put_on_sale(&ledger, license).await;
    }
    ledger
}

async fn put_on_sale(ledger: &Instance, OnSale { code, uses, features }: OnSale) {
    let license = json!({
        "type": "license", "code": code, "name": code, "price": "10.00", "uses": uses, "features": features,
    });
    ledger.admin().await.post("/api/v1/admin/products", license).await.expect(201);
}

/// A license of a customer's, with uses to verify addresses, where none is on sale yet: its id.
pub(super) async fn bought(ledger: &Instance, sub: &str) -> String {
    put_on_sale(ledger, BASIC).await;
    buy(ledger, sub, BASIC).await.id
}

/// A key, and what it was bought with.
struct Bought {
    id: String,
    key: String,
    order: String,
    /// Of the payment.
    paid: Answer,
}

async fn buy(ledger: &Instance, sub: &str, license: OnSale) -> Bought {
    let buyer = ledger.user(sub).await;
    let ordered = buyer.post("/api/v1/payments/orders", json!({"product_type": license.code})).await.expect(201);
    let order = order_no(&ordered);
    let paid = ledger.pay(&order, &format!("txn-{order}")).await.ok();
    let newest = keys_of(&buyer.after(&paid)).await.into_iter().find(|key| key["order_no"] == order.as_str());
    let newest = newest.unwrap_or_else(|| panic!("{sub} has no key of {order}"));
    Bought { id: text(&newest, "id"), key: text(&newest, "key_code"), order, paid }
}

async fn keys_of(caller: &Caller) -> Vec<Value> {
    items(&caller.get("/api/v1/keys").await.expect(200).json())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned()
}

fn key_code(key: &str) -> Value {
    json!({ "key_code": key })
}

async fn activate(caller: &Caller, bought: &Bought) -> Answer {
    caller.post(ACTIVATE, key_code(&bought.key)).await.expect(200)
}
