//! Keys, entitlements, addresses.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Scene, Who, case};

const KEYS: &str = "/api/v1/keys";
const ACTIVATE: &str = "/api/v1/keys/activate";
const CHECK: &str = "/api/v1/keys/check";
const ENTITLED: &str = "/api/v1/entitlements/check";
const CONSUME: &str = "/api/v1/entitlements/consume";
const GIVE_BACK: &str = "/api/v1/entitlements/give-back";
const VERIFY: &str = "/api/v1/emails/verify";
const ADMIN: &str = "/api/v1/admin/licenses";
const NOBODYS: &str = "00000000-0000-0000-0000-000000000000";
/// Not too many of these: who tries keys is locked out.
const NO_KEY: &str = "0000-0000-0000-0000";

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = keys();
    cases.extend(own(&scene.license));
    cases.extend(entitlements());
    cases.extend(addresses());
    cases.extend(admins(&scene.license));
    cases
}

fn keys() -> Vec<Case> {
    let activate = |name: &str, refused, body: &str| case(name, Who::Alice, Method::POST, ACTIVATE, refused).body(body);
    let check = |name: &str, refused, body: &str| case(name, Who::Alice, Method::POST, CHECK, refused).body(body);
    let unknown = json!({ "key_code": NO_KEY }).to_string();
    vec![
        activate("an activation of nothing", (422, "E1003"), "{}"),
        activate("an activation of 7", (422, "E1004"), r#"{"key_code": 7}"#),
        activate("an activation of no key", (422, "E1005"), r#"{"key_code": ""}"#),
        activate("an activation of a placeholder", (422, "E1005"), r#"{"key_code": "XXXX-XXXX-XXXX-XXXX"}"#),
        activate("an activation of a key and more", (422, "E1005"), r#"{"key_code": "0000-0000-0000-0000-0000"}"#),
        activate("an activation of a NUL", (422, "E1005"), r#"{"key_code": "0000-0000-0000-000\u0000"}"#),
        activate(
            "an activation for somebody else",
            (422, "E1002"),
            r#"{"key_code": "0000-0000-0000-0000", "account": "bob"}"#,
        ),
        activate("an activation cut off", (400, "E1001"), r#"{"key_code": "#),
        activate("an activation of an unknown key", (404, "E3003"), &unknown),
        case("an activation by nobody", Who::Nobody, Method::POST, ACTIVATE, (401, "E2001")).body(unknown.clone()),
        case("an activation by an auditor", Who::Auditor, Method::POST, ACTIVATE, (403, "E2005")).body(unknown.clone()),
        check("a check of nothing", (422, "E1003"), "{}"),
        check("a check of a list", (422, "E1004"), r#"{"key_code": ["0000-0000-0000-0000"]}"#),
        check("a check of an unknown key", (404, "E3003"), &unknown),
        case("a check without a body", Who::Alice, Method::POST, CHECK, (415, "E1010")),
    ]
}

fn own(license: &str) -> Vec<Case> {
    let get = |name: &str, path: String, refused| case(name, Who::Alice, Method::GET, path, refused);
    let current = |name: &str, id: &str, refused| {
        case(name, Who::Alice, Method::PUT, format!("{KEYS}/{id}/current"), refused).body("{}")
    };
    let note = |name: &str, id: &str, refused, body: Value| {
        case(name, Who::Alice, Method::PUT, format!("{KEYS}/{id}/note"), refused).body(body.to_string())
    };
    vec![
        get("keys of a lost state", format!("{KEYS}?status=lost"), (400, "E1012")),
        get("keys from a cursor that is none", format!("{KEYS}?cursor=x"), (400, "E1012")),
        get("no keys at all", format!("{KEYS}?limit=0"), (400, "E1012")),
        get("the history of no key", format!("{KEYS}/{NOBODYS}/usage"), (404, "E3003")),
        get("the history of x", format!("{KEYS}/x/usage"), (400, "E1011")),
        get("a history from no time", format!("{KEYS}/{license}/usage?from=noon"), (400, "E1012")),
        get(
            "a history of a key before the calendar",
            format!("{KEYS}/{license}/usage?to=-200000-01-01T00:00:00Z"),
            (400, "E1012"),
        ),
        get("a history by feature", format!("{KEYS}/{license}/usage?feature=x"), (400, "E1012")),
        current("a choice of no key", NOBODYS, (404, "E3003")),
        current("a choice of x", "x", (400, "E1011")),
        note("a note of no key", NOBODYS, (404, "E3003"), json!({"note": "n"})),
        note("a note without a note", license, (422, "E1003"), json!({})),
        note("a note that is 7", license, (422, "E1004"), json!({"note": 7})),
        note("a note that is null", license, (422, "E1004"), json!({"note": null})),
        note("an endless note", license, (422, "E1005"), json!({"note": "n".repeat(1_001)})),
        note("a note with NUL", license, (422, "E1005"), json!({"note": "\0"})),
        case("a note by nobody", Who::Nobody, Method::PUT, format!("{KEYS}/{license}/note"), (401, "E2001"))
            .body(r#"{"note": "n"}"#),
    ]
}

/// A good request of Alice's with one field replaced; `null` leaves it out.
fn consume(name: &str, refused: (u16, &'static str), field: &str, value: Value) -> Case {
    let mut body = json!({"feature": "email_verify", "units": 1, "reference": "r"});
    match value {
        Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
        value => body[field] = value,
    }
    case(name, Who::Alice, Method::POST, CONSUME, refused).body(body.to_string())
}

fn entitlements() -> Vec<Case> {
    let ask =
        |name: &str, who, refused, body: Value| case(name, who, Method::POST, ENTITLED, refused).body(body.to_string());
    let back = |name: &str, who, refused, body: Value| {
        case(name, who, Method::POST, GIVE_BACK, refused).body(body.to_string())
    };
    vec![
        ask("whether somebody else may", Who::Alice, (403, "E2006"), json!({"account": "bob"})),
        ask("whether nobody may", Who::Service, (422, "E1003"), json!({})),
        ask("whether the system may", Who::Service, (422, "E1005"), json!({"account": "system"})),
        ask("whether one may fly", Who::Alice, (422, "E1004"), json!({"feature": "fly"})),
        ask("whether less than none", Who::Alice, (422, "E1004"), json!({"units": -1})),
        ask("whether with an unknown key", Who::Alice, (404, "E3003"), json!({ "key_code": NO_KEY })),
        ask("whether with a malformed key", Who::Alice, (422, "E1005"), json!({"key_code": "key"})),
        consume("uses without a reference", (422, "E1003"), "reference", Value::Null),
        consume("uses of no reference", (422, "E1005"), "reference", json!("")),
        consume("uses of a reference with NUL", (422, "E1005"), "reference", json!("r\0")),
        consume("uses of an endless reference", (422, "E1005"), "reference", json!("r".repeat(129))),
        consume("no uses", (422, "E4002"), "units", json!(0)),
        consume("half a use", (422, "E1004"), "units", json!(0.5)),
        consume("uses beyond counting", (422, "E1004"), "units", json!(4_294_967_296_i64)),
        consume("more uses than there are", (402, "E4095"), "units", json!(101)),
        consume("uses of another feature", (403, "E4096"), "feature", json!("api_access")),
        consume("uses for somebody else", (403, "E2006"), "account", json!("bob")),
        consume("uses by the light of day", (422, "E1002"), "at", json!("noon")),
        consume("uses of an unknown key", (404, "E3003"), "key_code", json!(NO_KEY)),
        back("uses given back by a customer", Who::Alice, (403, "E2005"), json!({"reference": "r"})),
        back(
            "uses given back that were never taken",
            Who::Service,
            (404, "E3003"),
            json!({"account": "alice", "reference": "r"}),
        ),
        back(
            "less than none kept",
            Who::Service,
            (422, "E1004"),
            json!({"account": "alice", "reference": "r", "keep": -1}),
        ),
        back("uses given back for nobody", Who::Service, (422, "E1003"), json!({"reference": "r"})),
    ]
}

fn addresses() -> Vec<Case> {
    let good = json!({"mail": ["test@gmail.com"], "method": "smtp"});
    let verify = |name: &str, refused, field: &str, value: Value| {
        let mut body = good.clone();
        match value {
            Value::Null => drop(body.as_object_mut().expect("an object").remove(field)),
            value => body[field] = value,
        }
        case(name, Who::Alice, Method::POST, VERIFY, refused).body(body.to_string())
    };
    let keyed = |name: &str, refused, key: &[u8]| {
        case(name, Who::Alice, Method::POST, VERIFY, refused).header("x-license-key", key).body(good.to_string())
    };
    vec![
        verify("no addresses", (422, "E1005"), "mail", json!([])),
        verify("too many addresses", (422, "E1005"), "mail", json!(vec!["a@b.de"; 1_001])),
        verify("an address that is no list", (422, "E1004"), "mail", json!("test@gmail.com")),
        verify("an address that is 7", (422, "E1004"), "mail", json!([7])),
        verify("addresses and no method", (422, "E1003"), "method", Value::Null),
        verify("addresses by pigeon", (422, "E1004"), "method", json!("pigeon")),
        verify("addresses by a service without its key", (422, "E1003"), "method", json!("api")),
        verify("addresses with a field nobody knows", (422, "E1002"), "mails", json!([])),
        keyed("addresses with a malformed key", (400, "E1013"), b"key"),
        keyed("addresses with a key that is no text", (400, "E1013"), b"\xff\xfe"),
        keyed("addresses with two keys", (400, "E1013"), NO_KEY.as_bytes()).header("x-license-key", NO_KEY),
        keyed("addresses with an unknown key", (404, "E3003"), NO_KEY.as_bytes()),
        case("addresses of nobody", Who::Nobody, Method::POST, VERIFY, (401, "E2001")).body(good.to_string()),
        case("addresses of who has no license", Who::Service, Method::POST, VERIFY, (403, "E2008"))
            .header("x-account-id", "bob")
            .body(good.to_string()),
    ]
}

fn admins(license: &str) -> Vec<Case> {
    let revoke = |name: &str, who, id: &str, refused, body: Value| {
        case(name, who, Method::POST, format!("{ADMIN}/{id}/revoke"), refused).body(body.to_string())
    };
    let list =
        |name: &str, query: &str, refused| case(name, Who::Auditor, Method::GET, format!("{ADMIN}?{query}"), refused);
    let reason = || json!({"reason": "r"});
    vec![
        revoke("no license revoked", Who::Admin, NOBODYS, (404, "E3003"), reason()),
        revoke("license x revoked", Who::Admin, "x", (400, "E1011"), reason()),
        revoke("a license revoked for no reason", Who::Admin, license, (422, "E1003"), json!({})),
        revoke("a license revoked for an empty reason", Who::Admin, license, (422, "E4005"), json!({"reason": " "})),
        revoke("a license revoked for a NUL", Who::Admin, license, (422, "E4005"), json!({"reason": "\0"})),
        revoke("a license revoked by its owner", Who::Alice, license, (403, "E2005"), reason()),
        revoke("a license revoked by an auditor", Who::Auditor, license, (403, "E2005"), reason()),
        list("licenses of a lost state", "status=lost", (400, "E1012")),
        list("licenses of an order that is none", "order=7", (400, "E1012")),
        list("licenses of no account", "account=", (400, "E1012")),
        list("licenses by key", "key_code=0000-0000-0000-0000", (400, "E1012")),
        case("licenses seen by a customer", Who::Alice, Method::GET, ADMIN, (403, "E2005")),
        case(
            "lock-outs from a cursor that is none",
            Who::Auditor,
            Method::GET,
            format!("{ADMIN}/lockouts?cursor=x"),
            (400, "E1012"),
        ),
    ]
}
