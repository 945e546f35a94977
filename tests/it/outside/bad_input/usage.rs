//! Charges.

use reqwest::Method;
use serde_json::json;

use super::{Case, Who, case};

const PATH: &str = "/api/v1/usage";
const RESERVE: &str = "/api/v1/usage/reserve";
const NO_HOLD: &str = "/api/v1/usage/00000000-0000-0000-0000-000000000001";
const BATCH: &str = "/api/v1/usage/batch";
const MEBIBYTE: usize = 1 << 20;

/// As it stands in the body, and what it is refused as.
const AMOUNTS: [(&str, u16, &str); 34] = [
    ("0", 422, "E4002"),
    ("0.00", 422, "E4002"),
    (r#""0""#, 422, "E4002"),
    ("-1", 422, "E1005"),
    ("-0.01", 422, "E1005"),
    (r#""-0.01""#, 422, "E1005"),
    ("0.0000001", 422, "E1005"),
    ("0.30000000000000004", 422, "E1005"),
    (r#""1.0000001""#, 422, "E1005"),
    ("1e3", 422, "E1005"),
    ("1E-2", 422, "E1005"),
    ("1e400", 422, "E1005"),
    (r#""1e3""#, 422, "E1005"),
    ("9223372036854.775808", 422, "E1005"),
    ("99999999999999999999999999", 422, "E1005"),
    ("18446744073709551616", 422, "E1005"),
    (r#""""#, 422, "E1005"),
    (r#"" 1""#, 422, "E1005"),
    (r#""1,5""#, 422, "E1005"),
    (r#""1_000""#, 422, "E1005"),
    (r#""NaN""#, 422, "E1005"),
    (r#""Infinity""#, 422, "E1005"),
    (r#""0x10""#, 422, "E1005"),
    (r#""１""#, 422, "E1005"),
    (r#""1\u0000""#, 422, "E1005"),
    (r#""1; DROP TABLE ledger.events""#, 422, "E1005"),
    ("true", 422, "E1004"),
    ("null", 422, "E1004"),
    ("[1]", 422, "E1004"),
    (r#"{"amount": 1}"#, 422, "E1004"),
    ("NaN", 400, "E1001"),
    ("01", 400, "E1001"),
    (".5", 400, "E1001"),
    // More than anybody has, and still a number.
    ("9223372036854.775807", 402, "E4001"),
];

pub(super) fn cases() -> Vec<Case> {
    let overdraft = r#"{"amount": 1, "overdraft": "allow"}"#;
    let owed = case("an overdraft by a customer", Who::Alice, Method::POST, PATH, (403, "E2005")).body(overdraft);
    let mut cases: Vec<Case> = AMOUNTS
        .into_iter()
        .map(|(amount, status, code)| {
            charge(format!("amount {amount}"), (status, code), format!(r#"{{"account": "alice", "amount": {amount}}}"#))
        })
        .collect();
    cases.push(owed);
    cases.extend(AMOUNTS.into_iter().map(|(amount, status, code)| {
        let body = format!(r#"{{"account": "alice", "amount": {amount}}}"#);
        reserve(format!("reserved amount {amount}"), (status, code), body)
    }));
    cases.extend(fields());
    cases.extend(reservations());
    cases.extend(ends_of_holds());
    cases.extend(lists_of_holds());
    cases.extend(bodies());
    cases.extend(batches());
    cases
}

fn charge(name: impl Into<String>, refused: (u16, &'static str), body: impl Into<Vec<u8>>) -> Case {
    case(name, Who::Service, Method::POST, PATH, refused).body(body)
}

fn reserve(name: impl Into<String>, refused: (u16, &'static str), body: impl Into<Vec<u8>>) -> Case {
    case(name, Who::Service, Method::POST, RESERVE, refused).body(body)
}

/// One field of a good charge replaced or added.
fn field(name: &str, refused: (u16, &'static str), field: &str, value: serde_json::Value) -> Case {
    let mut body = json!({"account": "alice", "amount": "0.25"});
    body[field] = value;
    charge(name, refused, body.to_string())
}

fn fields() -> Vec<Case> {
    vec![
        charge("no amount", (422, "E1003"), r#"{"account": "alice"}"#),
        charge("a service that names nobody", (422, "E1003"), r#"{"amount": 1}"#),
        charge("amount twice", (422, "E1006"), r#"{"account": "alice", "amount": 1, "amount": 2}"#),
        charge("account twice", (422, "E1006"), r#"{"account": "alice", "account": "bob", "amount": 1}"#),
        field("a field nobody knows", (422, "E1002"), "price", json!(1)),
        field("a field of the prototype", (422, "E1002"), "__proto__", json!({})),
        field("account 7", (422, "E1004"), "account", json!(7)),
        field("account empty", (422, "E1005"), "account", json!("")),
        field("account system", (422, "E1005"), "account", json!("system")),
        field("account with NUL", (422, "E1005"), "account", json!("al\0ice")),
        field("account too long", (422, "E1005"), "account", json!("a".repeat(1_000))),
        field("reference empty", (422, "E4004"), "reference", json!("")),
        field("reference too long", (422, "E4004"), "reference", json!("r".repeat(129))),
        field("reference with NUL", (422, "E4004"), "reference", json!("r\0")),
        field("reference 7", (422, "E1004"), "reference", json!(7)),
        field("meter empty", (422, "E4004"), "meter", json!("")),
        field("meter with a line break", (422, "E4004"), "meter", json!("a\nb")),
        field("meter with a list", (422, "E1004"), "meter", json!(["a"])),
        field("metadata a list", (422, "E1004"), "metadata", json!([1])),
        charge(
            "metadata with a number beyond all",
            (422, "E1004"),
            r#"{"account": "alice", "amount": 1, "metadata": {"a": 1e400}}"#,
        ),
        field("metadata too large", (422, "E1005"), "metadata", json!({"a": "m".repeat(5_000)})),
        field("overdraft maybe", (422, "E1004"), "overdraft", json!("maybe")),
        field("overdraft true", (422, "E1004"), "overdraft", json!(true)),
    ]
}

fn reservations() -> Vec<Case> {
    let field = |name: &str, refused, field: &str, value: serde_json::Value| {
        let mut body = json!({"account": "alice", "amount": "0.25"});
        body[field] = value;
        reserve(format!("reserved: {name}"), refused, body.to_string())
    };
    vec![
        reserve("reserved: no amount", (422, "E1003"), r#"{"account": "alice"}"#),
        reserve("reserved: a service that names nobody", (422, "E1003"), r#"{"amount": 1}"#),
        reserve("reserved: cut off", (400, "E1001"), r#"{"account": "al"#),
        field("an overdraft", (422, "E1002"), "overdraft", json!("allow")),
        field("a moment", (422, "E1002"), "expires_at", json!("2030-01-01T00:00:00Z")),
        field("for no time", (422, "E1005"), "expires_in_seconds", json!(0)),
        field("for more than a year", (422, "E1005"), "expires_in_seconds", json!(31_536_001)),
        field("for less than no time", (422, "E1004"), "expires_in_seconds", json!(-1)),
        field("for a time beyond counting", (422, "E1004"), "expires_in_seconds", json!(4_294_967_296_i64)),
        field("for half a second", (422, "E1004"), "expires_in_seconds", json!(0.5)),
        field("for a word", (422, "E1004"), "expires_in_seconds", json!("3600")),
        field("reference empty", (422, "E4004"), "reference", json!("")),
        field("reference with NUL", (422, "E4004"), "reference", json!("r\0")),
        field("meter too long", (422, "E4004"), "meter", json!("m".repeat(129))),
        field("metadata a text", (422, "E1004"), "metadata", json!("m")),
        field("metadata too large", (422, "E1005"), "metadata", json!({"a": "m".repeat(5_000)})),
        field("account system", (422, "E1005"), "account", json!("system")),
        case("reserved by an auditor", Who::Auditor, Method::POST, RESERVE, (403, "E2005")).body(r#"{"amount": 1}"#),
        case("reserved by nobody", Who::Nobody, Method::POST, RESERVE, (401, "E2001")).body(r#"{"amount": 1}"#),
        case("reserved from somebody else", Who::Alice, Method::POST, RESERVE, (403, "E2006"))
            .body(r#"{"account": "bob", "amount": 1}"#),
    ]
}

fn ends_of_holds() -> Vec<Case> {
    let alice = |name: &str, path: String, refused, body: &str| {
        case(name, Who::Alice, Method::POST, path, refused).body(body.as_bytes().to_vec())
    };
    let settle = || format!("{NO_HOLD}/settle");
    let release = || format!("{NO_HOLD}/release");
    vec![
        alice("settling no hold", settle(), (404, "E4080"), r#"{"amount": 1}"#),
        alice("settling what is no id", "/api/v1/usage/one/settle".to_owned(), (404, "E3003"), r#"{"amount": 1}"#),
        alice("settling the list", "/api/v1/usage/holds/settle".to_owned(), (405, "E3002"), r#"{"amount": 1}"#),
        alice("settling without an amount", settle(), (422, "E1003"), "{}"),
        alice("settling less than nothing", settle(), (422, "E1005"), r#"{"amount": -1}"#),
        alice("settling a seventh decimal", settle(), (422, "E1005"), r#"{"amount": 0.0000001}"#),
        alice("settling with a field nobody knows", settle(), (422, "E1002"), r#"{"amount": 1, "final": true}"#),
        alice("settling somebody else's", settle(), (403, "E2006"), r#"{"account": "bob", "amount": 1}"#),
        alice("settling without a body", settle(), (400, "E1001"), ""),
        alice("releasing no hold", release(), (404, "E4080"), ""),
        alice("releasing with an amount", release(), (422, "E1002"), r#"{"amount": 1}"#),
        alice("releasing what is no id", "/api/v1/usage/%00/release".to_owned(), (404, "E3003"), ""),
        case("releasing for nobody", Who::Service, Method::POST, release(), (422, "E1003")),
        case("releasing as an auditor", Who::Auditor, Method::POST, release(), (403, "E2005")),
    ]
}

fn lists_of_holds() -> Vec<Case> {
    let look = |name: &str, query: &str, refused| {
        case(name, Who::Alice, Method::GET, format!("/api/v1/usage/holds{query}"), refused)
    };
    vec![
        look("holds in no state", "?state=frozen", (400, "E1012")),
        look("holds of a page of none", "?limit=0", (400, "E1012")),
        look("holds after no cursor", "?cursor=none", (400, "E1012")),
        look("holds by a word nobody knows", "?meter=video", (400, "E1012")),
        look("a hold that is none", "/00000000-0000-0000-0000-000000000001", (404, "E3003")),
        look("a hold that is no id", "/one", (404, "E3003")),
    ]
}

fn bodies() -> Vec<Case> {
    let good = r#"{"account": "alice", "amount": 1}"#;
    let mut huge = good.as_bytes().to_vec();
    huge.resize(MEBIBYTE + 1, b' ');
    let deep = |levels: usize| {
        format!(
            r#"{{"account": "alice", "amount": 1, "metadata": {{"a": {}{}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let kind = |name: &str, kind: &str| charge(name, (415, "E1010"), good).header("content-type", kind);
    vec![
        charge("no body", (400, "E1001"), ""),
        charge("white space", (400, "E1001"), "  "),
        charge("cut off", (400, "E1001"), &good[..20]),
        charge("two documents", (400, "E1001"), format!("{good}{good}")),
        charge("a comma too many", (400, "E1001"), r#"{"account": "alice", "amount": 1,}"#),
        charge("single quotes", (400, "E1001"), "{'account': 'alice', 'amount': 1}"),
        charge("a byte order mark", (400, "E1001"), format!("\u{feff}{good}")),
        charge("half a surrogate pair", (400, "E1001"), r#"{"account": "\ud800", "amount": 1}"#),
        charge("XML", (400, "E1001"), "<charge/>"),
        charge("a list", (422, "E1004"), format!("[{good}]")),
        charge("a text", (422, "E1004"), r#""alice""#),
        charge("null", (422, "E1004"), "null"),
        charge("bytes that are no text", (400, "E1009"), b"{\"account\": \"\xff\xfe\", \"amount\": 1}".as_slice()),
        charge(
            "text longer than UTF-8 allows",
            (400, "E1009"),
            b"{\"account\": \"\xc0\xaf\", \"amount\": 1}".as_slice(),
        ),
        charge("UTF-16", (400, "E1009"), b"\xff\xfe{\0}\0".as_slice()),
        charge("more than a mebibyte", (413, "E1007"), huge),
        charge("nested too deep", (400, "E1008"), deep(40)),
        charge("a depth bomb", (400, "E1008"), deep(100_000)),
        charge("a depth bomb that never closes", (400, "E1008"), "[".repeat(500_000)),
        kind("plain text", "text/plain"),
        kind("a form", "application/x-www-form-urlencoded"),
        kind("another character set", "application/json; charset=gbk"),
        kind("no kind at all", ""),
    ]
}

fn batches() -> Vec<Case> {
    let batch = |name: &str, refused, body: String| case(name, Who::Service, Method::POST, BATCH, refused).body(body);
    let item = r#"{"account": "alice", "amount": "0.01"}"#;
    let many = format!(r#"{{"items": [{}]}}"#, vec![item; 1_001].join(","));
    vec![
        batch("a batch without items", (422, "E1003"), "{}".to_owned()),
        batch("a batch of none", (422, "E1005"), r#"{"items": []}"#.to_owned()),
        batch("a batch of 1001", (422, "E1005"), many),
        batch("a batch that is no list", (422, "E1004"), format!(r#"{{"items": {item}}}"#)),
        batch("a batch with a field nobody knows", (422, "E1002"), format!(r#"{{"items": [{item}], "atomic": true}}"#)),
        batch(
            "an item with a field nobody knows",
            (422, "E1002"),
            r#"{"items": [{"account": "alice", "amount": 1, "x": 1}]}"#.to_owned(),
        ),
        batch(
            "an item with a bad amount",
            (422, "E1005"),
            format!(r#"{{"items": [{item}, {{"account": "alice", "amount": -1}}]}}"#),
        ),
        case("a batch of a customer", Who::Alice, Method::POST, BATCH, (403, "E2005"))
            .body(format!(r#"{{"items": [{item}]}}"#)),
    ]
}
