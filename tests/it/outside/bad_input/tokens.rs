//! Who asks: each of these tries to take a credit of Alice's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::harness::JWT_SECRET;
use super::{Case, Who, case};

const HOUR: i64 = 3_600;

pub(super) fn cases() -> Vec<Case> {
    let now = Utc::now().timestamp();
    let good = json!({"sub": "alice", "role": "user", "exp": now + HOUR});
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(field)),
            value => claims[field] = value,
        }
        signed(Algorithm::HS256, JWT_SECRET, &claims)
    };
    let honest = signed(Algorithm::HS256, JWT_SECRET, &good);
    let (head, rest) = honest.split_once('.').expect("three parts");
    let (claims, signature) = rest.split_once('.').expect("three parts");
    let admin = part(&json!({"sub": "alice", "role": "admin", "exp": now + HOUR}));
    let none = |algorithm: &str| part(&json!({"alg": algorithm, "typ": "JWT"}));
    vec![
        case("no token", Who::Nobody, Method::POST, PATH, (401, "E2001")).body(CHARGE),
        whole("an empty header", "", "E2001"),
        whole("another scheme", "Basic YWxpY2U6YWxpY2U=", "E2001"),
        whole("a scheme without a token", "Bearer ", "E2001"),
        bearer("a token of nonsense", "nonsense", "E2002"),
        bearer("a token of dots", "..", "E2002"),
        bearer("a token without a signature", &format!("{head}.{claims}."), "E2002"),
        bearer("a token with another's claims", &format!("{head}.{admin}.{signature}"), "E2002"),
        bearer("alg none", &format!("{}.{claims}.", none("none")), "E2002"),
        bearer("alg None", &format!("{}.{claims}.", none("None")), "E2002"),
        bearer("alg none with a signature", &format!("{}.{claims}.{signature}", none("none")), "E2002"),
        bearer("alg RS256 over our secret", &format!("{}.{claims}.{signature}", none("RS256")), "E2002"),
        bearer(
            "a token signed by somebody else",
            &signed(Algorithm::HS256, "another-secret-0123456789-0123456789", &good),
            "E2002",
        ),
        bearer("a token signed otherwise", &signed(Algorithm::HS512, JWT_SECRET, &good), "E2002"),
        bearer("an expired token", &with("exp", json!(now - HOUR)), "E2003"),
        bearer("a token that expired in 1970", &with("exp", json!(0)), "E2003"),
        bearer("a token that never expires", &with("exp", Value::Null), "E2002"),
        bearer("a token that expires in words", &with("exp", json!("tomorrow")), "E2002"),
        bearer("a token of the future", &with("nbf", json!(now + HOUR)), "E2004"),
        bearer("a token of nobody", &with("sub", Value::Null), "E2002"),
        bearer("a token of an empty name", &with("sub", json!("")), "E2002"),
        bearer("a token of the system", &with("sub", json!("system")), "E2002"),
        bearer("a token of a NUL", &with("sub", json!("al\0ice")), "E2002"),
        bearer("a token of a number", &with("sub", json!(7)), "E2002"),
        bearer("a token of an endless name", &with("sub", json!("a".repeat(2_000))), "E2002"),
        bearer("a token with a role nobody knows", &with("role", json!("root")), "E2002"),
        bearer("a token with an endless address", &with("email", json!("a".repeat(2_000))), "E2002"),
        bearer("a token with a header in its name", &with("name", json!("a\r\nBcc: b")), "E2002"),
        bearer("two tokens", &honest, "E2002").header("authorization", format!("Bearer {honest}")),
    ]
}

const PATH: &str = "/api/v1/usage";
const CHARGE: &str = r#"{"amount": 1}"#;

fn bearer(name: &str, token: &str, code: &'static str) -> Case {
    whole(name, &format!("Bearer {token}"), code)
}

fn whole(name: &str, header: &str, code: &'static str) -> Case {
    case(name, Who::Bearing(header.to_owned()), Method::POST, PATH, (401, code)).body(CHARGE)
}

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token")
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
