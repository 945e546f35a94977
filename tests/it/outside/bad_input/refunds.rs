//! Money back, payments to decide about, confirmation, and the sandbox's faults.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Scene, Who, case};

const CONFIRM: &str = "/api/payments/confirm";
const FAULTS: &str = "/sandbox/faults";
const NO_ORDER: &str = "ORD20200101000000deadbeef";
const NOBODY: &str = "00000000-0000-0000-0000-00000000beef";

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    [refunds(scene), reviews(), confirmation(scene), sandbox(scene)].concat()
}

fn path(order: &str) -> String {
    format!("/api/v1/admin/orders/{order}/refund")
}

fn refunds(scene: &Scene) -> Vec<Case> {
    let good = json!({"amount": "1.00", "reason": "r"}).to_string();
    let refund = |name: &str, refused, body: Value| {
        case(name, Who::Admin, Method::POST, path(&scene.paid), refused).body(body.to_string())
    };
    let of = |name: &str, order: &str, refused| {
        case(name, Who::Admin, Method::POST, path(order), refused).body(good.clone())
    };
    let by = |name: &str, who| case(name, who, Method::POST, path(&scene.paid), (403, "E2005")).body(good.clone());
    let get = |name: &str, path: &str, refused| case(name, Who::Admin, Method::GET, path, refused);
    let retry = |id: &str| format!("/api/v1/admin/refunds/{id}/retry");
    let reconcile = |order: &str| format!("/api/v1/admin/orders/{order}/reconcile");
    vec![
        refund("a refund of nothing", (422, "E4002"), json!({"amount": "0", "reason": "r"})),
        refund("a refund of less than nothing", (422, "E1005"), json!({"amount": "-1", "reason": "r"})),
        refund("a refund of a tenth of a cent", (422, "E1005"), json!({"amount": "0.001", "reason": "r"})),
        refund("a refund of too much", (422, "E4065"), json!({"amount": "30.01", "reason": "r"})),
        refund("a refund beyond counting", (422, "E1005"), json!({"amount": "92233720368547758.08", "reason": "r"})),
        refund("a refund in words", (422, "E1005"), json!({"amount": "all", "reason": "r"})),
        refund("a refund of true", (422, "E1004"), json!({"amount": true, "reason": "r"})),
        refund("a refund without a reason", (422, "E1003"), json!({"amount": "1"})),
        refund("a refund for an empty reason", (422, "E4005"), json!({"reason": " "})),
        refund("a refund for a NUL", (422, "E4005"), json!({"reason": "r\0"})),
        refund("a refund for an endless reason", (422, "E4005"), json!({"reason": "r".repeat(5_000)})),
        refund("a refund that maybe revokes", (422, "E1004"), json!({"reason": "r", "revoke": "maybe"})),
        refund("a refund to somebody else", (422, "E1002"), json!({"reason": "r", "account": "bob"})),
        of("a refund of no order", NO_ORDER, (404, "E3003")),
        of("a refund of nonsense", "x", (404, "E3003")),
        of("a refund of what was not paid", &scene.order, (409, "E4063")),
        by("a refund by a customer", Who::Alice),
        by("a refund by a service", Who::Service),
        by("a refund by an auditor", Who::Auditor),
        case("a refund without a body", Who::Admin, Method::POST, path(&scene.paid), (415, "E1010")),
        get("no refund", &format!("/api/v1/admin/refunds/{NOBODY}"), (404, "E3003")),
        get("a refund called x", "/api/v1/admin/refunds/x", (400, "E1011")),
        get("refunds in no state", "/api/v1/admin/refunds?state=lost", (400, "E1012")),
        get("refunds of no such field", "/api/v1/admin/refunds?who=alice", (400, "E1012")),
        get("refunds after nonsense", "/api/v1/admin/refunds?cursor=x", (400, "E1012")),
        case("a retry of no refund", Who::Admin, Method::POST, retry(NOBODY), (404, "E3003")),
        case("a retry of refund x", Who::Admin, Method::POST, retry("x"), (400, "E1011")),
        case("a refund tried again by a customer", Who::Alice, Method::POST, retry(NOBODY), (403, "E2005")),
        case("refunds for a customer", Who::Alice, Method::GET, "/api/v1/admin/refunds", (403, "E2005")),
        case("no order asked about", Who::Admin, Method::POST, reconcile(NO_ORDER), (404, "E3003")),
        case("an order asked about by a customer", Who::Alice, Method::POST, reconcile(&scene.order), (403, "E2005")),
        case("an order asked about by an auditor", Who::Auditor, Method::POST, reconcile(&scene.order), (403, "E2005")),
    ]
}

fn reviews() -> Vec<Case> {
    let path = |id: &str| format!("/api/v1/admin/orders/mismatches/{id}/resolve");
    let good = json!({"action": "refund", "reason": "r"}).to_string();
    let resolve = |name: &str, refused, body: Value| {
        case(name, Who::Admin, Method::POST, path(NOBODY), refused).body(body.to_string())
    };
    vec![
        resolve("a decision about no payment", (404, "E3003"), json!({"action": "accept", "reason": "r"})),
        resolve("a decision to wait", (422, "E1004"), json!({"action": "wait", "reason": "r"})),
        resolve("a decision without a reason", (422, "E1003"), json!({"action": "accept"})),
        resolve("no decision", (422, "E1003"), json!({"reason": "r"})),
        resolve(
            "a decision about somebody",
            (422, "E1002"),
            json!({"action": "accept", "reason": "r", "account": "a"}),
        ),
        case("a decision about x", Who::Admin, Method::POST, path("x"), (400, "E1011")).body(good.clone()),
        case("a decision by a customer", Who::Alice, Method::POST, path(NOBODY), (403, "E2005")).body(good.clone()),
        case("a decision by an auditor", Who::Auditor, Method::POST, path(NOBODY), (403, "E2005")).body(good),
        case(
            "mismatches in no state",
            Who::Admin,
            Method::GET,
            "/api/v1/admin/orders/mismatches?state=odd",
            (400, "E1012"),
        ),
        case("mismatches for a customer", Who::Alice, Method::GET, "/api/v1/admin/orders/mismatches", (403, "E2005")),
    ]
}

/// As a service, which may ask as often as it likes.
fn confirmation(scene: &Scene) -> Vec<Case> {
    let confirm = |name: &str, refused, body: String| {
        let asked = case(name, Who::Service, Method::POST, CONFIRM, refused).body(body);
        asked.header("x-account-id", "alice")
    };
    let of = |order: &str| json!({"orderId": order}).to_string();
    vec![
        confirm("a confirmation of nothing", (422, "E1003"), "{}".to_owned()),
        confirm("a confirmation of 7", (422, "E1004"), json!({"orderId": 7}).to_string()),
        confirm("a confirmation of null", (422, "E1004"), json!({"orderId": null}).to_string()),
        confirm("a confirmation cut off", (400, "E1001"), "{".to_owned()),
        confirm("a confirmation with credits", (422, "E1002"), json!({"orderId": "x", "credits": 1}).to_string()),
        confirm("a confirmation of no order", (404, "E3003"), of(NO_ORDER)),
        confirm("a confirmation of nonsense", (404, "E3003"), of("'; DROP TABLE orders")),
        confirm("a confirmation of a NUL", (404, "E3003"), of("\0")),
        confirm("a confirmation of Bob's order", (403, "E2006"), of(&scene.order)),
        case("a confirmation by nobody", Who::Nobody, Method::POST, CONFIRM, (401, "E2001")).body(of(&scene.order)),
        case("a confirmation by an auditor", Who::Auditor, Method::POST, CONFIRM, (403, "E2005"))
            .body(of(&scene.order)),
        case("a confirmation that is read", Who::Alice, Method::GET, CONFIRM, (405, "E3002")),
    ]
}

fn sandbox(scene: &Scene) -> Vec<Case> {
    let faults =
        |name: &str, refused, body: Value| case(name, Who::Admin, Method::PUT, FAULTS, refused).body(body.to_string());
    let pay = |name: &str, order: &str, refused, body: Value| {
        case(name, Who::Nobody, Method::POST, format!("/sandbox/pay/{order}"), refused).body(body.to_string())
    };
    let back = |name: &str, order: &str, refused, body: Value| {
        case(name, Who::Admin, Method::POST, format!("/sandbox/refund/{order}"), refused).body(body.to_string())
    };
    let notice = |name: &str, refused, field: &str, value: Value| {
        let mut body = json!({"order_no": scene.order, "transaction_id": "t"});
        body[field] = value;
        case(name, Who::Nobody, Method::POST, "/api/v1/payments/notify", refused).body(body.to_string())
    };
    vec![
        faults("faults for ever", (422, "E1005"), json!({"delay_seconds": 3_601})),
        faults("faults again and again", (422, "E1005"), json!({"repeat": 101})),
        faults("refunds that never work", (422, "E1005"), json!({"refunds_fail_first": 101})),
        faults("a delay into the past", (422, "E1004"), json!({"delay_seconds": -1})),
        faults("a wrong amount of less than nothing", (422, "E1005"), json!({"wrong_amount": "-1"})),
        faults("a fault nobody knows", (422, "E1002"), json!({"explode": true})),
        case("faults by a customer", Who::Alice, Method::PUT, FAULTS, (403, "E2005")).body("{}"),
        case("faults for an auditor", Who::Auditor, Method::GET, FAULTS, (403, "E2005")),
        pay("no order paid at the checkout", NO_ORDER, (404, "E3003"), json!({})),
        pay("an order paid by a card of 7", &scene.order, (422, "E1004"), json!({"card_number": 7})),
        pay("an order paid by no card", &scene.order, (422, "E1005"), json!({"card_number": ""})),
        pay(
            "an order paid by somebody's card",
            &scene.order,
            (422, "E1005"),
            json!({"card_number": "4111111111111111"}),
        ),
        pay(
            "an order paid by a declined card",
            &scene.order,
            (402, "E4281"),
            json!({"card_number": "4000000000000002"}),
        ),
        pay("an order paid at a price", &scene.order, (422, "E1002"), json!({"amount": "0.01"})),
        back("nothing given back", NO_ORDER, (409, "E3007"), json!({})),
        back("too much given back", &scene.paid, (409, "E3007"), json!({"amount": "30.01"})),
        back("zero given back", &scene.paid, (409, "E3007"), json!({"amount": "0"})),
        back("another payment given back", &scene.paid, (409, "E3007"), json!({"transaction_id": "other"})),
        back("a NUL given back", &scene.paid, (422, "E1005"), json!({"transaction_id": "\0"})),
        case(
            "money given back by nobody",
            Who::Nobody,
            Method::POST,
            format!("/sandbox/refund/{}", scene.paid),
            (401, "E2001"),
        ),
        notice("a payment by a card of 7", (422, "E1004"), "card_number", json!(7)),
        notice("a payment by a card of letters", (422, "E1005"), "card_number", json!("visa")),
        notice("a payment by a declined card", (402, "E4281"), "card_number", json!("4000 0000 0000 0002")),
        notice("a payment by an empty card", (402, "E4282"), "card_number", json!("4000 0000 0000 9995")),
        notice("a refund that nobody made", (422, "E1005"), "refund_no", json!("RF1")),
        notice("a refund of a NUL", (422, "E1005"), "refund_no", json!("\0")),
    ]
}
