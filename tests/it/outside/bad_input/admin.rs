//! Credits by hand, deliveries, the clock.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Scene, Who, case};

const ADJUST: &str = "/api/v1/admin/accounts/alice/credits/adjust";
const CLOCK: &str = "/api/v1/sandbox/clock";

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = credits();
    cases.extend(deliveries(scene));
    cases.extend(clock());
    cases.extend(accounts());
    cases.extend(stats());
    cases
}

fn adjust(name: &str, refused: (u16, &'static str), body: Value) -> Case {
    case(name, Who::Admin, Method::POST, ADJUST, refused).body(body.to_string())
}

fn credits() -> Vec<Case> {
    let good = json!({"amount": "1", "reason": "because"});
    let of = |name: &str, account: &str, refused| {
        let path = format!("/api/v1/admin/accounts/{account}/credits/adjust");
        case(name, Who::Admin, Method::POST, path, refused).body(good.to_string())
    };
    let by = |name: &str, who| case(name, who, Method::POST, ADJUST, (403, "E2005")).body(good.to_string());
    vec![
        adjust("credits of nothing", (422, "E4002"), json!({"amount": "0", "reason": "r"})),
        adjust("credits of minus nothing", (422, "E4002"), json!({"amount": "-0", "reason": "r"})),
        adjust("credits of a ten millionth", (422, "E1005"), json!({"amount": "0.0000001", "reason": "r"})),
        adjust("credits beyond counting", (422, "E1005"), json!({"amount": "9223372036855", "reason": "r"})),
        adjust(
            "credits that no longer add up",
            (422, "E4003"),
            json!({"amount": "9223372036854.775807", "reason": "r"}),
        ),
        adjust("credits with two signs", (422, "E1005"), json!({"amount": "--1", "reason": "r"})),
        adjust("credits taken that are not there", (402, "E4001"), json!({"amount": "-1000000", "reason": "r"})),
        adjust("credits without a reason", (422, "E1003"), json!({"amount": "1"})),
        adjust("credits for an empty reason", (422, "E4005"), json!({"amount": "1", "reason": ""})),
        adjust("credits for an endless reason", (422, "E4005"), json!({"amount": "1", "reason": "r".repeat(5_000)})),
        adjust("credits for a NUL", (422, "E4005"), json!({"amount": "1", "reason": "r\0"})),
        adjust("credits without an amount", (422, "E1003"), json!({"reason": "r"})),
        adjust(
            "credits that have expired",
            (422, "E4011"),
            json!({"amount": "1", "reason": "r", "expires_at": "2001-01-01T00:00:00Z"}),
        ),
        adjust(
            "credits until tomorrow",
            (422, "E1005"),
            json!({"amount": "1", "reason": "r", "expires_at": "tomorrow"}),
        ),
        adjust(
            "credits until the end of time",
            (422, "E4012"),
            json!({"amount": "1", "reason": "r", "expires_at": "+262142-12-31T23:59:59Z"}),
        ),
        adjust(
            "credits taken until a day",
            (422, "E1005"),
            json!({"amount": "-1", "reason": "r", "expires_at": "2099-01-01T00:00:00Z"}),
        ),
        of("credits for the system", "system", (400, "E1011")),
        of("credits for a NUL account", "%00", (400, "E1011")),
        of("credits for bytes that are no text", "%ff", (400, "E1011")),
        of("credits for an endless account", &"a".repeat(1_000), (400, "E1011")),
        by("credits by a customer", Who::Alice),
        by("credits by a service", Who::Service),
        by("credits by an auditor", Who::Auditor),
    ]
}

fn deliveries(scene: &Scene) -> Vec<Case> {
    let retry = |name: &str, who, id: &str, refused| {
        case(name, who, Method::POST, format!("/api/v1/admin/deliveries/{id}/retry"), refused)
    };
    let nobodys = "00000000-0000-0000-0000-000000000000";
    vec![
        retry("a retry of no delivery", Who::Admin, nobodys, (404, "E3003")),
        retry("a retry of nonsense", Who::Admin, "nonsense", (400, "E1011")),
        retry("a retry of what is done", Who::Admin, &scene.delivery, (409, "E4074")),
        retry("a retry by a customer", Who::Alice, &scene.delivery, (403, "E2005")),
        retry("a retry by an auditor", Who::Auditor, &scene.delivery, (403, "E2005")),
        case(
            "a look at no delivery",
            Who::Admin,
            Method::GET,
            format!("/api/v1/admin/deliveries/{nobodys}"),
            (404, "E3003"),
        ),
        case("deliveries for a customer", Who::Alice, Method::GET, "/api/v1/admin/deliveries", (403, "E2005")),
        case("all orders for a customer", Who::Alice, Method::GET, "/api/v1/admin/orders", (403, "E2005")),
        case("mismatches for a service", Who::Service, Method::GET, "/api/v1/admin/orders/mismatches", (403, "E2005")),
    ]
}

fn clock() -> Vec<Case> {
    let set =
        |name: &str, refused, body: Value| case(name, Who::Admin, Method::PUT, CLOCK, refused).body(body.to_string());
    vec![
        set("a clock without a time", (422, "E1003"), json!({})),
        set("a clock at nonsense", (422, "E1005"), json!({"now": "soon"})),
        set("a clock at a number", (422, "E1004"), json!({"now": 1_767_225_600})),
        set("a clock without a time zone", (422, "E1005"), json!({"now": "2026-01-01T00:00:00"})),
        set("a clock before the calendar", (422, "E1005"), json!({"now": "-200000-01-01T00:00:00Z"})),
        set("a clock at the end of the calendar", (422, "E1005"), json!({"now": "9999-01-01T00:00:00Z"})),
        case("a clock set by a customer", Who::Alice, Method::PUT, CLOCK, (403, "E2005"))
            .body(r#"{"now": "2099-01-01T00:00:00Z"}"#),
    ]
}

fn accounts() -> Vec<Case> {
    let erase = |name: &str, who, account: &str, refused, body: &str| {
        let path = format!("/api/v1/admin/accounts/{account}/erase");
        case(name, who, Method::POST, path, refused).body(body)
    };
    let look = |name: &str, who, account: &str, refused| {
        case(name, who, Method::GET, format!("/api/v1/admin/accounts/{account}"), refused)
    };
    let good = r#"{"reason": "r"}"#;
    vec![
        erase("an erasure without a reason", Who::Admin, "bob", (422, "E1003"), "{}"),
        erase("an erasure for an empty reason", Who::Admin, "bob", (422, "E4005"), r#"{"reason": " "}"#),
        erase("an erasure with a field more", Who::Admin, "bob", (422, "E1002"), r#"{"reason": "r", "force": true}"#),
        erase("an erasure of nobody", Who::Admin, "nobody-here", (404, "E3003"), good),
        erase("an erasure of the system", Who::Admin, "system", (400, "E1011"), good),
        erase("an erasure by a customer", Who::Alice, "alice", (403, "E2005"), good),
        erase("an erasure by an auditor", Who::Auditor, "bob", (403, "E2005"), good),
        erase("an erasure by a service", Who::Service, "bob", (403, "E2005"), good),
        look("a look at nobody", Who::Admin, "nobody-here", (404, "E3003")),
        look("a look at a NUL account", Who::Admin, "%00", (400, "E1011")),
        look("a look at oneself as an admin would", Who::Alice, "alice", (403, "E2005")),
    ]
}

fn stats() -> Vec<Case> {
    let of = |name: &str, who, query: &str, refused| {
        case(name, who, Method::GET, format!("/api/v1/admin/stats{query}"), refused)
    };
    vec![
        of("numbers from no day", Who::Admin, "?from=soon", (400, "E1012")),
        of("numbers of a day that is none", Who::Admin, "?from=2026-02-30", (400, "E1012")),
        of("numbers of a year without end", Who::Admin, "?to=20260-01-01", (400, "E1012")),
        of("numbers backwards", Who::Admin, "?from=2026-01-02&to=2026-01-01", (400, "E1012")),
        of("numbers of a century", Who::Auditor, "?from=1926-01-01&to=2026-01-01", (400, "E1012")),
        of("numbers by the hour", Who::Admin, "?hour=1", (400, "E1012")),
        of("numbers for a customer", Who::Alice, "", (403, "E2005")),
        of("numbers for a service", Who::Service, "", (403, "E2005")),
    ]
}
