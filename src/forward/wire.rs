//! The forward service's JSON (seed 000), and what of its answers we believe.

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{ForwardError, IssuedKey, KeyRequest};

const KEY_NAME: &str = "Auto-generated on package purchase";
/// Long enough that the four characters shown later say nothing of the rest.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=512;
const KEY_ID_BYTES: std::ops::RangeInclusive<usize> = 1..=128;
/// What is longer without a break is taken for a secret in what the service says…
const RUN_MAX: usize = 23;
/// …and what has digits in it, from the shortest key on.
const RUN_WITH_DIGITS_MAX: usize = 15;
/// Of what the service says about a failure.
const SAID_CHARS_MAX: usize = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateApiKey<'a> {
    user_id: &'a str,
    username: &'a str,
    email: &'a str,
    name: &'static str,
    initial_balance: InitialBalance,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitialBalance {
    package_tokens: u8,
    independent_tokens: u8,
}

impl<'a> CreateApiKey<'a> {
    pub(super) fn of(request: &KeyRequest<'a>) -> Self {
        let initial_balance = InitialBalance { package_tokens: 0, independent_tokens: 0 };
        let KeyRequest { user_id, username, email, .. } = *request;
        Self { user_id, username, email, name: KEY_NAME, initial_balance }
    }

    pub(super) fn to_json(&self) -> Result<String, ForwardError> {
        serde_json::to_string(self).map_err(|_| ForwardError::Request)
    }
}

/// Everything optional: what is missing is said by name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    success: Option<bool>,
    #[serde(default, deserialize_with = "leniently")]
    api_key: Option<Scalar>,
    #[serde(default, deserialize_with = "leniently")]
    key_id: Option<Scalar>,
    #[serde(default, deserialize_with = "leniently")]
    error: Option<Scalar>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Other(serde::de::IgnoredAny),
}

impl Scalar {
    fn into_string(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.to_string()),
            Self::Other(_) => None,
        }
    }
}

fn leniently<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar>, D::Error> {
    Option::<Scalar>::deserialize(deserializer)
}

pub(super) fn read(status: StatusCode, body: &[u8], request: &KeyRequest<'_>) -> Result<IssuedKey, ForwardError> {
    let answer = serde_json::from_slice::<Answer>(body);
    if !status.is_success() {
        let said = answer.ok().and_then(|answer| said(answer, request));
        return Err(ForwardError::Status { status, said });
    }
    let answer = answer.map_err(|_| ForwardError::NotJson { what: looks_like(body) })?;
    if answer.success != Some(true) {
        return Err(ForwardError::Refused { said: said(answer, request) });
    }
    let key = answer.api_key.and_then(Scalar::into_string).filter(|key| is_plausible(key, &KEY_BYTES));
    let key = key.ok_or(ForwardError::Implausible { field: "apiKey" })?;
    let key_id = answer.key_id.and_then(Scalar::into_string).filter(|id| is_plausible(id, &KEY_ID_BYTES));
    let key_id = key_id.ok_or(ForwardError::Implausible { field: "keyId" })?;
    Ok(IssuedKey { key_id, key: SecretString::from(key) })
}

fn is_plausible(text: &str, bytes: &std::ops::RangeInclusive<usize>) -> bool {
    bytes.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn looks_like(body: &[u8]) -> &'static str {
    match body.trim_ascii_start().first() {
        None => "nothing",
        Some(b'<') => "HTML",
        Some(_) => "something else",
    }
}

/// What the service says may quote the customer's name and address, or a key: those stay out of the log.
fn said(answer: Answer, request: &KeyRequest<'_>) -> Option<String> {
    let key = answer.api_key.and_then(Scalar::into_string).unwrap_or_default();
    let mut text = answer.error?.into_string()?;
    for secret in [key.as_str(), request.email, request.username] {
        if !secret.trim().is_empty() {
            text = text.replace(secret, "…");
        }
    }
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if is_telling(word) { "…" } else { word }).collect();
    let text: String = words.join(" ").chars().take(SAID_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn is_telling(word: &str) -> bool {
    word.contains('@') || word.contains("sk-") || word.split(|c| !is_of_a_token(c)).any(is_like_a_token)
}

fn is_of_a_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=')
}

fn is_like_a_token(run: &str) -> bool {
    run.len() > RUN_MAX || (run.len() > RUN_WITH_DIGITS_MAX && run.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    const REQUEST: KeyRequest<'static> =
        KeyRequest { delivery: Uuid::nil(), user_id: "user-uuid", username: "user-name", email: "user@example.com" };

    fn answered(status: u16, body: &str) -> Result<(String, String), ForwardError> {
        let issued = read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &REQUEST)?;
        Ok((issued.key_id.clone(), issued.key.expose_secret().to_owned()))
    }

    #[test]
    fn the_request_is_the_json_of_the_contract() {
        let expected = r#"{"userId":"user-uuid","username":"user-name","email":"user@example.com","name":"Auto-generated on package purchase","initialBalance":{"packageTokens":0,"independentTokens":0}}"#;
        assert_eq!(CreateApiKey::of(&REQUEST).to_json().unwrap(), expected);
    }

    #[test]
    fn a_key_id_may_be_a_text_or_a_number() {
        let key = "sk-0123456789abcdef";
        for (id, expected) in [(r#""key-id""#, "key-id"), ("17", "17")] {
            let body = format!(r#"{{"success":true,"apiKey":"{key}","keyId":{id},"extra":[1]}}"#);
            assert_eq!(answered(200, &body), Ok((expected.to_owned(), key.to_owned())));
        }
    }

    #[test]
    fn only_plain_success_is_success() {
        let refused = |said: &str| Err(ForwardError::Refused { said: Some(said.to_owned()) });
        assert_eq!(answered(200, r#"{"success":false,"error":"额度 不足"}"#), refused("额度 不足"));
        let key = r#""apiKey":"sk-0123456789abcdef","keyId":"k""#;
        for body in
            [format!("{{{key}}}"), format!(r#"{{"success":null,{key}}}"#), format!(r#"{{"success":false,{key}}}"#)]
        {
            assert_eq!(answered(200, &body), Err(ForwardError::Refused { said: None }), "{body}");
        }
        for body in ["", "<html>", "[]", r#"{"success":"true"}"#, "{\"success\":true", "\u{0}", "true", "null"] {
            assert!(matches!(answered(200, body), Err(ForwardError::NotJson { .. })), "{body}");
        }
    }

    #[test]
    fn a_key_must_look_like_one() {
        let long = format!("\"{}\"", "k".repeat(513));
        for key in [
            "\"\"",
            "\"short\"",
            "\"fifteen-letters\"",
            "null",
            "{}",
            "\"with a space\"",
            "\"line\\nbreak\"",
            "\"schlüssel-ä\"",
            &long,
        ] {
            let body = format!(r#"{{"success":true,"apiKey":{key},"keyId":"k"}}"#);
            assert_eq!(answered(200, &body), Err(ForwardError::Implausible { field: "apiKey" }), "{key}");
        }
        for id in ["\"\"", "null", "[]", "{\"a\":1}", "true", "\"a b\""] {
            let body = format!(r#"{{"success":true,"apiKey":"sk-0123456789abcdef","keyId":{id}}}"#);
            assert_eq!(answered(200, &body), Err(ForwardError::Implausible { field: "keyId" }), "{id}");
        }
    }

    #[test]
    fn a_status_is_told_with_what_was_said() {
        let error = answered(500, r#"{"success":false,"error":"database\u0007 down"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the forward service answered HTTP 500: database down");
        let error = answered(502, "<html>Bad gateway</html>").unwrap_err();
        assert_eq!(error.to_string(), "the forward service answered HTTP 502");
        assert!(answered(302, "").is_err());
    }

    #[test]
    fn what_is_said_is_short_and_quotes_nobody() {
        let body = r#"{"success":false,"error":"user-name <other@example.com> user@example.com has sk-abc\r\nSet: x"}"#;
        let error = answered(200, body).unwrap_err().to_string();
        assert_eq!(error, "the forward service refused: … … … has … Set: x");
        // Also a key without any mark of one, and the one that came with the refusal.
        for token in ["0f3c9a77d1e84b52", "AbCdEfGhIjKlMnOpQrStUvWxYz", "key=0f3c9a77d1e84b52,", "(0f3c9a77-d1e84b52)"]
        {
            let body = format!(r#"{{"success":false,"error":"exists: {token} 已存在"}}"#);
            assert_eq!(
                answered(409, &body).unwrap_err().to_string(),
                "the forward service answered HTTP 409: exists: … 已存在"
            );
        }
        let body = r#"{"success":false,"apiKey":"hunter2 hunter","error":"has hunter2 hunter"}"#;
        assert_eq!(answered(200, body).unwrap_err().to_string(), "the forward service refused: has …");
        let body = format!(r#"{{"success":false,"error":"{}"}}"#, "long ".repeat(1_000));
        assert!(answered(200, &body).unwrap_err().to_string().chars().count() < 250);
    }
}
