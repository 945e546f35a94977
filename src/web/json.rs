//! Bodies: JSON and nothing but JSON, of the shape that was asked for.
//!
//! What is wrong is said by code and, where a field is to blame, by JSON pointer. What the field held is never said
//! back: it may be a secret in the wrong place.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::problem::{Problem, Reason};

/// Of one request.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Levels of arrays and objects.
pub const DEPTH_MAX: usize = 32;
/// A sender that takes longer holds a connection for nothing.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// A body that must be there.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// A body that may be left out; then it is as if `{}` had been sent.
#[derive(Clone, Copy, Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        parse(&read(request, state).await?).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = check_content_type(request.headers());
        let body = read(request, state).await?;
        if body.is_empty() {
            return parse(b"{}").map(Self);
        }
        content_type?;
        parse(&body).map(Self)
    }
}

/// The whole body, bounded in size and in time.
///
/// # Errors
/// When it is too large, too slow, or cut off.
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let too_slow = |_| Problem::new(Reason::BodyTooSlow, "the body did not arrive in time");
    let read = tokio::time::timeout(BODY_WAIT, Bytes::from_request(request, state)).await.map_err(too_slow)?;
    read.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::new(Reason::BodyTooLarge, format!("a body has at most {BODY_BYTES_MAX} bytes"))
        }
        _ => Problem::new(Reason::BadRequest, "the body could not be read to its end"),
    })
}

/// JSON of a known shape.
///
/// # Errors
/// A problem that names the place.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::new(Reason::NotUtf8, format!("byte {} of the body is not UTF-8", error.valid_up_to()))
    })?;
    check_depth(text)?;
    // A list would be read as the values of a struct's fields, in order and without their names.
    if text.trim_start().starts_with('[') {
        return Err(Problem::field(Reason::WrongType, "", "expected an object"));
    }
    // The path is worth its cost only to who has an error.
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => locate::<T>(text),
        // What is JSON is refused for what it says: serde_json calls it bad syntax where a word was expected and `true`
        // was found.
        _ if serde_json::from_str::<serde_json::Value>(text).is_ok() => locate::<T>(text),
        _ => {
            let (line, column) = (error.line(), error.column());
            Problem::new(Reason::MalformedJson, format!("the body is not JSON at line {line}, column {column}"))
        }
    })
}

fn locate<T: DeserializeOwned>(text: &str) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Problem::internal("a body was refused and then accepted"),
        Err(error) => {
            let pointer = pointer(error.path());
            field_problem(pointer, &error.into_inner().to_string())
        }
    }
}

/// What serde says, without what was sent: it writes `invalid type: string "…", expected …`.
pub(super) fn field_problem(mut pointer: String, message: &str) -> Problem {
    let message = message.rfind(" at line ").and_then(|end| message.get(..end)).unwrap_or(message);
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(field) = named("missing field `") {
        push(&mut pointer, field);
        return Problem::field(Reason::MissingField, pointer, "is missing");
    }
    if let Some(field) = named("duplicate field `") {
        // Depending on where it was noticed, the path is the object's or already the field's.
        if pointer.rsplit('/').next() != Some(field) {
            push(&mut pointer, field);
        }
        return Problem::field(Reason::DuplicateField, pointer, "is there twice");
    }
    if message.starts_with("unknown field `") {
        return Problem::field(Reason::UnknownField, pointer, "is not known here");
    }
    let shaped = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
    if shaped.iter().any(|prefix| message.starts_with(prefix)) {
        let expected = message.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
        let expected = if expected.starts_with("struct ") { "an object" } else { expected };
        return Problem::field(Reason::WrongType, pointer, format!("expected {expected}"));
    }
    if message == "expected value" {
        return Problem::field(Reason::WrongType, pointer, "expected a word");
    }
    Problem::field(Reason::BadValue, pointer, message)
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            // How serde_json passes a raw value through; nobody sent it.
            Segment::Map { key } if key.starts_with("$serde_json::") => (),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => (),
        }
    }
    pointer
}

/// RFC 6901. A name that is no name of ours is cut short.
fn push(pointer: &mut String, name: &str) {
    const NAME_CHARS_MAX: usize = 64;
    pointer.push('/');
    for character in name.chars().take(NAME_CHARS_MAX) {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Counts brackets outside strings; whether they match is for the parser to say.
fn check_depth(text: &str) -> Result<(), Problem> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => (),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth > DEPTH_MAX {
            return Err(Problem::new(Reason::TooDeep, format!("a body is nested at most {DEPTH_MAX} levels deep")));
        }
    }
    Ok(())
}

/// `application/json`, or something that says it is JSON.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = sent.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next().unwrap_or_default();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let is_utf8 = parts
        .all(|parameter| parameter.strip_prefix("charset=").is_none_or(|charset| charset.trim_matches('"') == "utf-8"));
    if is_json && is_utf8 {
        return Ok(());
    }
    Err(Problem::new(Reason::ContentType, "send application/json in UTF-8"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::decimal::CreditsIn;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Charge {
        amount: CreditsIn,
        #[serde(default)]
        tags: Vec<Tag>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Tag {
        name: String,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Big,
    }

    fn refused(body: &str) -> (&'static str, String, String) {
        let problem = parse::<Charge>(body.as_bytes()).unwrap_err();
        let code = ["E1001", "E1002", "E1003", "E1004", "E1005", "E1006", "E1008"];
        let code = code.into_iter().find(|code| *code == problem.code()).expect("one of these codes");
        let pointer = problem.errors().first().and_then(|error| error.pointer.clone()).unwrap_or_default();
        (code, pointer, problem.detail().to_owned())
    }

    #[test]
    fn what_is_wrong_is_named_by_code_and_pointer() {
        for (body, code, pointer) in [
            (r#"{"amount": 1, "tags": [}"#, "E1001", ""),
            (r#"{"amount": 1"#, "E1001", ""),
            (r#"{"amount": 1} {}"#, "E1001", ""),
            ("", "E1001", ""),
            (r#"{"amount": 01}"#, "E1001", ""),
            (r#"{"amount": NaN}"#, "E1001", ""),
            (r#"{"amount": 1, "hunter2": 2}"#, "E1002", "/hunter2"),
            (r#"{"amount": 1, "tags": [{"name": "a", "a/b~c": 2}]}"#, "E1002", "/tags/0/a~1b~0c"),
            (r#"{"tags": []}"#, "E1003", "/amount"),
            (r#"{"amount": 1, "tags": [{"name": "a"}, {}]}"#, "E1003", "/tags/1/name"),
            (r#"{"amount": 1, "tags": [{"name": 7}]}"#, "E1004", "/tags/0/name"),
            (r#"{"amount": {}}"#, "E1004", "/amount"),
            (r#"{"amount": 1, "tags": [{"name": "a", "kind": "small"}]}"#, "E1004", "/tags/0/kind"),
            (r#"{"amount": 1, "tags": [{"name": "a", "kind": true}]}"#, "E1004", "/tags/0/kind"),
            (r#" [1, []]"#, "E1004", ""),
            (r#"7"#, "E1004", ""),
            (r#"{"amount": 0.0000001}"#, "E1005", "/amount"),
            (r#"{"amount": 1e3}"#, "E1005", "/amount"),
            (r#"{"amount": 1, "amount": 2}"#, "E1006", "/amount"),
        ] {
            let (found, at, detail) = refused(body);
            assert_eq!((found, at.as_str()), (code, pointer), "{body}: {detail}");
        }
    }

    #[test]
    fn what_was_sent_is_not_said_back() {
        for body in [
            r#"{"amount": "hunter2"}"#,
            r#"{"amount": 1, "tags": "hunter2"}"#,
            r#"{"amount": 1, "tags": [{"name": "a", "kind": "hunter2"}]}"#,
            r#""hunter2, expected hunter2""#,
        ] {
            let (_, _, detail) = refused(body);
            assert!(!detail.contains("hunter2"), "{detail}");
        }
    }

    #[test]
    fn depth_is_bounded_before_anything_is_parsed() {
        let bomb = "[".repeat(500_000);
        assert_eq!(refused(&bomb).0, "E1008");
        let fine = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(check_depth(&fine).is_ok());
        assert!(check_depth(&format!("[{fine}]")).is_err());
        assert!(check_depth(&format!(r#""\"{}""#, "[".repeat(100))).is_ok(), "brackets in a string are text");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let problem = parse::<Charge>(b"{\"amount\": \"\xff\"}").unwrap_err();
        assert_eq!((problem.code(), problem.status().as_u16()), ("E1009", 400));
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            check_content_type(&headers).is_ok()
        };
        for fine in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
            assert!(check(fine), "{fine}");
        }
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk", ""] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
