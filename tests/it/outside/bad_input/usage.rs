//! Charges.

use reqwest::Method;
use serde_json::json;

use super::{Case, Who, case};

const PATH: &str = "/api/v1/usage";
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
    let mut cases: Vec<Case> = AMOUNTS
        .into_iter()
        .map(|(amount, status, code)| {
            charge(format!("amount {amount}"), (status, code), format!(r#"{{"account": "alice", "amount": {amount}}}"#))
        })
        .collect();
    cases.extend(fields());
    cases.extend(bodies());
    cases.extend(batches());
    cases
}

fn charge(name: impl Into<String>, refused: (u16, &'static str), body: impl Into<Vec<u8>>) -> Case {
    case(name, Who::Service, Method::POST, PATH, refused).body(body)
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
