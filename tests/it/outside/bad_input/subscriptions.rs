//! Subscriptions: looked at, canceled, resumed, changed, renewed.

use reqwest::Method;

use super::{Case, Who, case};

/// Nobody's.
const ID: &str = "00000000-0000-0000-0000-000000000007";

fn post(name: &str, who: Who, path: &str, refused: (u16, &'static str)) -> Case {
    case(name, who, Method::POST, path.replace("{id}", ID), refused)
}

pub(super) fn cases() -> Vec<Case> {
    const CANCEL: &str = "/api/v1/subscriptions/{id}/cancel";
    const RESUME: &str = "/api/v1/subscriptions/{id}/resume";
    const CHANGE: &str = "/api/v1/subscriptions/{id}/change-plan";
    const RENEW: &str = "/sandbox/renew/{id}";
    let get = |name: &str, who, path: &str, refused| case(name, who, Method::GET, path, refused);
    vec![
        post("no subscription canceled", Who::Alice, CANCEL, (404, "E4100")),
        post("a subscription canceled by nobody", Who::Nobody, CANCEL, (401, "E2001")),
        post("a subscription canceled by an auditor", Who::Auditor, CANCEL, (403, "E2005")),
        post("a subscription canceled some day", Who::Alice, CANCEL, (422, "E1004")).body(r#"{"now": "soon"}"#),
        post("a subscription canceled for nothing", Who::Alice, CANCEL, (422, "E4005")).body(r#"{"reason": ""}"#),
        post("a subscription canceled with a field more", Who::Alice, CANCEL, (422, "E1002"))
            .body(r#"{"later": true}"#),
        post("nonsense canceled", Who::Alice, "/api/v1/subscriptions/nonsense/cancel", (400, "E1011")),
        post("no subscription resumed", Who::Alice, RESUME, (404, "E4100")),
        post("a plan changed to nothing", Who::Alice, CHANGE, (422, "E1003")).body("{}"),
        post("a plan changed to a word", Who::Alice, CHANGE, (422, "E1004")).body(r#"{"product_id": "pro"}"#),
        post("a plan changed to minus one", Who::Alice, CHANGE, (422, "E1004")).body(r#"{"product_id": -1}"#),
        post("a plan changed to no code", Who::Alice, CHANGE, (404, "E3003")).body(r#"{"product_type": "\u0000"}"#),
        post("a plan changed to two", Who::Alice, CHANGE, (422, "E1005"))
            .body(r#"{"product_type": "basic", "product_id": 1}"#),
        post("no subscription changed", Who::Alice, CHANGE, (404, "E4100")).body(r#"{"product_id": 1}"#),
        post("no subscription renewed", Who::Nobody, RENEW, (404, "E3003")),
        post("a renewal with a NUL", Who::Nobody, RENEW, (422, "E1005")).body(r#"{"transaction_id": "\u0000"}"#),
        post("a renewal of no name", Who::Nobody, RENEW, (422, "E1005")).body(r#"{"transaction_id": ""}"#),
        get("subscriptions for nobody", Who::Nobody, "/api/v1/subscriptions", (401, "E2001")),
        get("subscriptions from another list", Who::Alice, "/api/v1/subscriptions?cursor=MQ", (400, "E1012")),
        get("no subscriptions at all", Who::Alice, "/api/v1/subscriptions?limit=0", (400, "E1012")),
        get("subscriptions in a state nobody knows", Who::Alice, "/api/v1/subscriptions?status=paused", (400, "E1012")),
        get("all subscriptions for a customer", Who::Alice, "/api/v1/admin/subscriptions", (403, "E2005")),
    ]
}
