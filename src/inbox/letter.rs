//! A notification as it arrived: what its signature is over, and nothing but that is needed to read it again.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use aggregates::AccountKey;

use crate::providers::Arrived;
use crate::vault::{Vault, VaultError};

const PURPOSE: &str = "inbox";
/// Of one notification, all of them together.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Of a field of a form.
const NAME_BYTES_MAX: usize = 64;
const HIDDEN: &str = "[hidden]";
/// Whatever is called so is shown to nobody: signatures could be sent again, secrets used, people recognised.
const HIDDEN_NAMES: &[&str] = &[
    "sign",
    "signature",
    "secret",
    "key",
    "token",
    "authorization",
    "cookie",
    "mail",
    "phone",
    "name",
    "buyer",
    "payer",
    "openid",
    "address",
    "ciphertext",
    "card",
    "country",
    "custom_fields",
];

/// Clones copy it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// For an admin's eyes: what says who somebody is, and what would let somebody else speak for the provider, is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub method: String,
    pub path: String,
    pub query: Value,
    pub headers: Value,
    pub body: Value,
}

impl Letter {
    /// `None`: its headers are longer than any provider's.
    #[must_use]
    pub fn of(arrived: &Arrived<'_>) -> Option<Self> {
        let headers: Vec<(String, String)> = arrived
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (bytes <= HEADER_BYTES_MAX).then(|| Self {
            method: arrived.method.as_str().to_owned(),
            path: arrived.path.to_owned(),
            query: arrived.query.map(str::to_owned),
            headers,
            body: STANDARD.encode(arrived.body),
        })
    }

    /// `None`: it is no letter that was kept by [`Letter::of`].
    #[must_use]
    pub fn open(&self) -> Option<Open> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?);
        }
        Some(Open {
            method: self.method.parse().ok()?,
            path: self.path.clone(),
            query: self.query.clone(),
            headers,
            body: STANDARD.decode(&self.body).ok()?,
        })
    }

    pub(super) async fn seal(&self, vault: &Vault) -> Result<String, VaultError> {
        let text = serde_json::to_string(self).map_err(|_| VaultError::NotSealed)?;
        vault.seal(AccountKey::SYSTEM, PURPOSE, &text).await
    }

    pub(super) async fn unseal(vault: &Vault, sealed: &str) -> Result<Self, VaultError> {
        let text = vault.open(AccountKey::SYSTEM, PURPOSE, sealed).await?;
        serde_json::from_str(text.expose_secret()).map_err(|_| VaultError::NotSealed)
    }

    #[must_use]
    pub fn shown(&self) -> Shown {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), shown(name, value)));
        let body = STANDARD.decode(&self.body).unwrap_or_default();
        Shown {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.as_deref().map_or(Value::Null, |query| pairs(query.as_bytes())),
            headers: Value::Object(headers.collect()),
            body: body_shown(&body),
        }
    }
}

/// The parts of a letter, to be lent out.
pub struct Open {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Open {
    #[must_use]
    pub fn arrived(&self) -> Arrived<'_> {
        let Self { method, path, query, headers, body } = self;
        Arrived { method, path, query: query.as_deref(), headers, body }
    }
}

fn is_hidden(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HIDDEN_NAMES.iter().any(|hidden| name.contains(hidden))
}

fn shown(name: &str, value: &str) -> Value {
    Value::String(if is_hidden(name) { HIDDEN.to_owned() } else { value.to_owned() })
}

/// JSON, else a form; what is neither is not shown. Of what is no form everything up to the first `=` would be a name.
fn body_shown(body: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => value_shown(value),
        Err(_) if body.is_empty() => Value::Null,
        Err(_) if is_form(body) => pairs(body),
        Err(_) => Value::String(format!("{} bytes that are neither JSON nor a form", body.len())),
    }
}

fn is_form(body: &[u8]) -> bool {
    let is_name = |name: &str| {
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte))
    };
    body.contains(&b'=') && url::form_urlencoded::parse(body).all(|(name, _)| is_name(&name))
}

fn pairs(form: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(form).map(|(name, value)| (name.to_string(), shown(&name, &value)));
    Value::Object(pairs.collect())
}

fn value_shown(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    // What an object is about may be shown although somebody is named in it; where they live may not.
                    let whole = ["address", "card", "custom_fields"].iter().any(|part| name.contains(part));
                    let value = if is_hidden(&name) && (whole || !value.is_object()) {
                        Value::String(HIDDEN.to_owned())
                    } else {
                        value_shown(value)
                    };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(value_shown).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &[u8]) -> Letter {
        let mut headers = HeaderMap::new();
        headers.insert("svix-signature", HeaderValue::from_static("v1,abc"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let method = Method::POST;
        let arrived =
            Arrived { method: &method, path: "/webhooks/x", query: Some("pid=1&sign=s"), headers: &headers, body };
        Letter::of(&arrived).unwrap()
    }

    #[test]
    fn a_letter_opens_to_the_bytes_that_arrived() {
        for body in [&b"{\"a\": 1}"[..], &[0xff, 0, 1], b""] {
            let letter = letter(body);
            let open = letter.open().unwrap();
            let arrived = open.arrived();
            assert_eq!((arrived.body, arrived.path, arrived.query), (body, "/webhooks/x", Some("pid=1&sign=s")));
            assert_eq!(arrived.header("svix-signature"), Some("v1,abc"));
        }
    }

    #[test]
    fn signatures_and_people_are_shown_to_nobody() {
        let body = br#"{"id":"evt_1","object":{"amount":1000,"customer":{"email":"a@example.org","id":"c"},"list":[{"clientSecret":"s"}]}}"#;
        let shown = letter(body).shown();
        assert_eq!(shown.headers, serde_json::json!({"svix-signature": HIDDEN, "content-type": "application/json"}));
        assert_eq!(shown.query, serde_json::json!({"pid": "1", "sign": HIDDEN}));
        let expected = serde_json::json!({
            "id": "evt_1",
            "object": {
                "amount": 1000, "customer": {"email": HIDDEN, "id": "c"}, "list": [{"clientSecret": HIDDEN}],
            },
        });
        assert_eq!(shown.body, expected);
        assert_eq!(letter(b"buyer_logon_id=a%40b&total_amount=1.00").shown().body["total_amount"], "1.00");
        assert_eq!(letter(b"buyer_logon_id=a%40b&total_amount=1.00").shown().body["buyer_logon_id"], HIDDEN);
    }

    #[test]
    fn what_is_no_form_is_not_shown_as_one() {
        for body in [&b"{\"email\":\"a@example.org\",\"url\":\"https://x?a=b"[..], b"a@example.org=1", b"=1", b"\xff=1"]
        {
            let shown = letter(body).shown().body;
            assert_eq!(shown, format!("{} bytes that are neither JSON nor a form", body.len()));
        }
    }

    #[test]
    fn headers_are_bounded() {
        let mut headers = HeaderMap::new();
        headers.insert("x", HeaderValue::from_str(&"v".repeat(HEADER_BYTES_MAX)).unwrap());
        let method = Method::POST;
        assert_eq!(
            Letter::of(&Arrived { method: &method, path: "/", query: None, headers: &headers, body: b"" }),
            None
        );
    }
}
