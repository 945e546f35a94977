//! Packages, orders, payments.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Scene, Who, case};

const PACKAGES: &str = "/api/admin/packages";
const PRODUCTS: &str = "/api/v1/admin/products";
const BUY: &str = "/api/packages/1/purchase";
const ORDERS: &str = "/api/v1/payments/orders";
const NOTIFY: &str = "/api/v1/payments/notify";

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = packages();
    cases.extend(products());
    cases.extend(orders());
    cases.extend(payments(scene));
    cases
}

/// A good package with one field replaced; `null` leaves it out.
fn package(name: &str, refused: (u16, &'static str), field: &str, value: Value) -> Case {
    let mut body = json!({"name": "n", "price": "30.00", "duration_days": 30, "daily_limit": "5.00"});
    match value {
        Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
        value => body[field] = value,
    }
    case(name, Who::Admin, Method::POST, PACKAGES, refused).body(body.to_string())
}

/// A number as it stands here: through a `Value` it would become another one.
const RAW: &str = "\"raw\"";

fn raw(mut case: Case, number: &str) -> Case {
    case.body = case.body.map(|body| String::from_utf8(body).expect("text").replace(RAW, number).into_bytes());
    case
}

fn packages() -> Vec<Case> {
    let good = json!({"name": "n", "price": "30.00", "duration_days": 30, "daily_limit": "5.00"}).to_string();
    let by = |name: &str, who| case(name, who, Method::POST, PACKAGES, (403, "E2005")).body(good.clone());
    vec![
        package("a package without a name", (422, "E1003"), "name", Value::Null),
        package("a package named nothing", (422, "E4044"), "name", json!("")),
        package("a package named with NUL", (422, "E4044"), "name", json!("n\0")),
        package("a package named at length", (422, "E4044"), "name", json!("n".repeat(1_000))),
        package("a package named 7", (422, "E1004"), "name", json!(7)),
        package("a description too long", (422, "E4045"), "description", json!("d".repeat(100_000))),
        package("a description with NUL", (422, "E4045"), "description", json!("\0")),
        package("a package without a price", (422, "E1003"), "price", Value::Null),
        package("a price of 0", (422, "E4046"), "price", json!(0)),
        package("a negative price", (422, "E1005"), "price", json!(-30)),
        package("a price of a tenth of a cent", (422, "E1005"), "price", json!("30.001")),
        raw(package("a price with an exponent", (422, "E1005"), "price", json!("raw")), "3e1"),
        package("a price in words", (422, "E1005"), "price", json!("thirty")),
        package("a price beyond counting", (422, "E1005"), "price", json!("92233720368547758.08")),
        package("price and prices", (422, "E1005"), "prices", json!([{"amount": "1", "currency": "CNY"}])),
        package("no days", (422, "E4021"), "duration_days", json!(0)),
        package("minus one day", (422, "E1004"), "duration_days", json!(-1)),
        package("half a day", (422, "E1004"), "duration_days", json!(0.5)),
        package("days beyond counting", (422, "E1004"), "duration_days", json!(4_294_967_296_i64)),
        package("days beyond the calendar", (422, "E4021"), "duration_days", json!(4_294_967_295_i64)),
        package("days as text", (422, "E1004"), "duration_days", json!("30")),
        package("a quota of 0", (422, "E4020"), "daily_limit", json!(0)),
        package("a negative quota", (422, "E1005"), "daily_limit", json!("-5")),
        package("a quota of a ten millionth", (422, "E1005"), "daily_limit", json!("0.0000001")),
        package("an order beyond counting", (422, "E1004"), "sort_order", json!(2_147_483_648_i64)),
        package("a day of another kind", (422, "E1004"), "day", json!("weekly")),
        package("a package again and again", (422, "E1004"), "again", json!("forever")),
        package("a package with a code in capitals", (422, "E1005"), "code", json!("GOLD")),
        package("a package with a code of nothing", (422, "E1005"), "code", json!("")),
        package("a package with a code of 7", (422, "E1004"), "code", json!(7)),
        package("a package born off sale", (422, "E1005"), "on_sale", json!(false)),
        package("a package with a field nobody knows", (422, "E1002"), "discount", json!(1)),
        by("a package by a customer", Who::Alice),
        by("a package by a service", Who::Service),
        by("a package by an auditor", Who::Auditor),
        case("a change of no package", Who::Admin, Method::PUT, format!("{PACKAGES}/999"), (404, "E4040"))
            .body(good.clone()),
        case("a change of package 0", Who::Admin, Method::PUT, format!("{PACKAGES}/0"), (404, "E4040"))
            .body(good.clone()),
        case("a change of package x", Who::Admin, Method::PUT, format!("{PACKAGES}/x"), (400, "E1011")).body(good),
        case("the end of no package", Who::Admin, Method::DELETE, format!("{PACKAGES}/999"), (404, "E4040")),
        case("the end of package -1", Who::Admin, Method::DELETE, format!("{PACKAGES}/-1"), (400, "E1011")),
        case("the end of package 2^32", Who::Admin, Method::DELETE, format!("{PACKAGES}/4294967296"), (400, "E1011")),
        case("a look at no package", Who::Admin, Method::GET, format!("{PACKAGES}/999"), (404, "E3003")),
    ]
}

/// A good product of a type, with one field replaced; `null` leaves it out.
fn product(name: &str, refused: (u16, &'static str), kind: &str, field: &str, value: Value) -> Case {
    let mut body = match kind {
        "license" => json!({"uses": 1, "features": ["email_verify"]}),
        "credit_pack" => json!({"credits": "1"}),
        "subscription" => json!({"credits": "1", "period": {"months": 1}}),
        _ => json!({"duration_days": 30, "daily_limit": "5.00"}),
    };
    body["type"] = json!(kind);
    body["name"] = json!("n");
    body["price"] = json!("30.00");
    match value {
        Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
        value => body[field] = value,
    }
    case(name, Who::Admin, Method::POST, PRODUCTS, refused).body(body.to_string())
}

fn products() -> Vec<Case> {
    let good = json!({"type": "credit_pack", "name": "n", "price": "30.00", "credits": "1"}).to_string();
    let by = |name: &str, who| case(name, who, Method::POST, PRODUCTS, (403, "E2005")).body(good.clone());
    let change = |name: &str, number: &str, refused| {
        case(name, Who::Admin, Method::PUT, format!("{PRODUCTS}/{number}"), refused).body(good.clone())
    };
    vec![
        product("a product of no type", (422, "E1003"), "license", "type", Value::Null),
        product("a product of another type", (422, "E1004"), "license", "type", json!("plan_change")),
        product("a product with a code in capitals", (422, "E1005"), "license", "code", json!("GOLD")),
        product("a product with an endless code", (422, "E1005"), "license", "code", json!("g".repeat(33))),
        product("a product without a price", (422, "E1003"), "license", "price", Value::Null),
        product("a product born off sale", (422, "E1005"), "license", "on_sale", json!(false)),
        product("a product with a field nobody knows", (422, "E1002"), "license", "discount", json!(1)),
        product("a package without days", (422, "E1003"), "package", "duration_days", Value::Null),
        product("a package without a quota", (422, "E1003"), "package", "daily_limit", Value::Null),
        product("a package with uses", (422, "E1002"), "package", "uses", json!(1)),
        product("a license without uses", (422, "E1003"), "license", "uses", Value::Null),
        product("a license of no use", (422, "E4048"), "license", "uses", json!(0)),
        product("a license without features", (422, "E1003"), "license", "features", Value::Null),
        product("a license of no feature", (422, "E4048"), "license", "features", json!([])),
        product("a license of an unknown feature", (422, "E1004"), "license", "features", json!(["fly"])),
        product("a license with credits", (422, "E1002"), "license", "credits", json!("1")),
        product("a pack without credits", (422, "E1003"), "credit_pack", "credits", Value::Null),
        product("a pack of no credits", (422, "E4049"), "credit_pack", "credits", json!(0)),
        product("a pack of a ten millionth", (422, "E1005"), "credit_pack", "credits", json!("0.0000001")),
        product("a pack for no days", (422, "E4049"), "credit_pack", "valid_days", json!(0)),
        product("a pack with a period", (422, "E1002"), "credit_pack", "period", json!({"months": 1})),
        product("a plan without a period", (422, "E1003"), "subscription", "period", Value::Null),
        product("a plan by the week", (422, "E1004"), "subscription", "period", json!({"weeks": 1})),
        product("a plan of no months", (422, "E4049"), "subscription", "period", json!({"months": 0})),
        product("a plan with a year of grace too many", (422, "E4049"), "subscription", "grace_days", json!(366)),
        product("a plan with another policy", (422, "E1004"), "subscription", "upgrade_policy", json!("never")),
        by("a product by a customer", Who::Alice),
        by("a product by a service", Who::Service),
        by("a product by an auditor", Who::Auditor),
        change("a change of no product", "999", (404, "E4040")),
        change("a change of product x", "x", (400, "E1011")),
        change("a package made into credits", "1", (422, "E4042")),
        case("the end of no product", Who::Admin, Method::DELETE, format!("{PRODUCTS}/999"), (404, "E4040")),
        case("a look at no product", Who::Admin, Method::GET, format!("{PRODUCTS}/999"), (404, "E3003")),
        case("a look at products by a customer", Who::Alice, Method::GET, PRODUCTS, (403, "E2005")),
    ]
}

fn orders() -> Vec<Case> {
    let buy = |name: &str, refused, body: &str| case(name, Who::Alice, Method::POST, BUY, refused).body(body);
    let order = |name: &str, refused, body: &str| case(name, Who::Alice, Method::POST, ORDERS, refused).body(body);
    vec![
        buy("a purchase through nobody", (422, "E1005"), r#"{"provider": "nobody"}"#),
        buy("a purchase through 7", (422, "E1004"), r#"{"provider": 7}"#),
        buy("a purchase with a price", (422, "E1002"), r#"{"price": "0.01"}"#),
        buy("a purchase as a list", (422, "E1004"), "[]"),
        buy("a purchase cut off", (400, "E1001"), "{"),
        case("a purchase of no package", Who::Alice, Method::POST, "/api/packages/999/purchase", (404, "E3003")),
        case("a purchase of package 0", Who::Alice, Method::POST, "/api/packages/0/purchase", (404, "E3003")),
        case("a purchase of package 1.5", Who::Alice, Method::POST, "/api/packages/1.5/purchase", (400, "E1011")),
        case("a purchase of a NUL", Who::Alice, Method::POST, "/api/packages/%00/purchase", (400, "E1011")),
        case("a purchase by an auditor", Who::Auditor, Method::POST, BUY, (403, "E2005")),
        order("an order of nothing", (422, "E1003"), "{}"),
        order("an order of two things", (422, "E1005"), r#"{"product_id": 1, "product_type": "basic"}"#),
        order("an order of no code", (404, "E3003"), r#"{"product_type": "gold"}"#),
        order("an order of what is no code", (404, "E3003"), r#"{"product_type": "Not a code"}"#),
        order("an order of a NUL", (404, "E3003"), r#"{"product_type": "\u0000"}"#),
        order("an order of 7 as a code", (422, "E1004"), r#"{"product_type": 7}"#),
        order("an order with a coupon", (422, "E1005"), r#"{"product_id": 1, "coupon": "HALF"}"#),
        order("an order with an empty coupon", (422, "E1005"), r#"{"product_id": 1, "coupon": ""}"#),
        order("an order of minus one", (422, "E1004"), r#"{"product_id": -1}"#),
        order("an order of one as text", (422, "E1004"), r#"{"product_id": "1"}"#),
        order("an order of what is not there", (404, "E3003"), r#"{"product_id": 4294967295}"#),
        order("an order twice in one", (422, "E1006"), r#"{"product_id": 1, "product_id": 1}"#),
        order("an order for somebody else", (422, "E1002"), r#"{"product_id": 1, "account": "bob"}"#),
        order("an order at a price", (422, "E1002"), r#"{"product_id": 1, "amount": "0.01"}"#),
    ]
}

/// A good notice with one field replaced; `null` leaves it out.
fn payments(scene: &Scene) -> Vec<Case> {
    let notice = |name: &str, refused, field: &str, value: Value| {
        let mut body = json!({"order_no": scene.order, "transaction_id": "t", "payment_method": "alipay"});
        match value {
            Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
            value => body[field] = value,
        }
        case(name, Who::Nobody, Method::POST, NOTIFY, refused).body(body.to_string())
    };
    vec![
        notice("a payment of nothing", (422, "E1003"), "order_no", Value::Null),
        notice("a payment of no order", (404, "E3003"), "order_no", json!("ORD20200101000000deadbeef")),
        notice("a payment of nonsense", (422, "E1005"), "order_no", json!("ORD1")),
        notice("a payment of a NUL", (422, "E1005"), "order_no", json!("\0")),
        notice("a payment of 7", (422, "E1004"), "order_no", json!(7)),
        notice("a payment without a name", (422, "E1003"), "transaction_id", Value::Null),
        notice("a payment with an empty name", (422, "E1005"), "transaction_id", json!("")),
        notice("a payment with a NUL in its name", (422, "E1005"), "transaction_id", json!("t\0")),
        notice("a payment with an endless name", (422, "E1005"), "transaction_id", json!("t".repeat(10_000))),
        notice("a payment by NUL", (422, "E1005"), "payment_method", json!("\0")),
        notice("a payment by something endless", (422, "E1005"), "payment_method", json!("m".repeat(10_000))),
        notice("a payment by 7", (422, "E1004"), "payment_method", json!(7)),
        notice("a payment of a tenth of a cent", (422, "E1005"), "amount", json!("30.001")),
        notice("a negative payment", (422, "E1005"), "amount", json!("-30.00")),
        notice("a payment in words", (422, "E1005"), "amount", json!("thirty")),
        raw(notice("a payment with an exponent", (422, "E1005"), "amount", json!("raw")), "3e1"),
        raw(notice("a payment beyond counting", (422, "E1005"), "amount", json!("raw")), "99999999999999999999"),
        notice("a payment of true", (422, "E1004"), "amount", json!(true)),
        notice("a payment with a field nobody knows", (422, "E1002"), "status", json!("SUCCESS")),
        case("a payment as a form", Who::Nobody, Method::POST, NOTIFY, (415, "E1010"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("order_no={}", scene.order)),
    ]
}
