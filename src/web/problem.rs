//! What the edge answers when it does not do what was asked: `application/problem+json` (RFC 9457).
//!
//! A code is stable; clients branch on it. Codes of the domain (`E4…`) are in `aggregates/refusal.rs`; these are the
//! edge's own. `E1…` is about the request, `E2…` about who asks, `E3…` about what it names, `E429…` about how often,
//! `E51…` about us.
//!
//! | code | status | means |
//! |---|---|---|
//! | E1001 | 400 | the body is not JSON |
//! | E1002 | 422 | a field is not known here |
//! | E1003 | 422 | a field is missing |
//! | E1004 | 422 | a field has the wrong type |
//! | E1005 | 422 | a field has a value that cannot be accepted: too many digits, too long, out of range |
//! | E1006 | 422 | a field is there twice |
//! | E1007 | 413 | the body is too large |
//! | E1008 | 400 | the body is nested too deep |
//! | E1009 | 400 | the body is not UTF-8 |
//! | E1010 | 415 | the body has another content type |
//! | E1011 | 400 | the path names nothing that could exist |
//! | E1012 | 400 | a query parameter is unknown, there twice, or malformed |
//! | E1013 | 400 | a header is malformed |
//! | E1014 | 408 | the body did not arrive in time |
//! | E1015 | 422 | too much for one request |
//! | E1016 | 422 | this cannot be recorded as it is |
//! | E1017 | 400 | the request is malformed |
//! | E2001 | 401 | no bearer token |
//! | E2002 | 401 | the token is not valid |
//! | E2003 | 401 | the token has expired |
//! | E2004 | 401 | the token is not valid yet |
//! | E2005 | 403 | the token's role may not do this |
//! | E2006 | 403 | the account belongs to somebody else |
//! | E2007 | 401 | the signature of a notice is not its provider's |
//! | E2008 | 403 | there is no license to use here |
//! | E3001 | 404 | there is nothing at this path |
//! | E3002 | 405 | the path knows other methods |
//! | E3003 | 404 | there is no such thing, or it is somebody else's |
//! | E3004 | 410 | it is gone |
//! | E3005 | 409 | the idempotency key was used for another request |
//! | E3006 | 409 | the name belongs to something else |
//! | E3007 | 409 | this conflicts with what is |
//! | E4281 | 402 | the card was declined; the order can be paid otherwise |
//! | E4282 | 402 | there is not enough money on the card; the order can be paid otherwise |
//! | E4290 | 429 | too many requests |
//! | E5100 | 500 | something went wrong; the request id finds it |
//! | E5101 | 503 | too much work is waiting |
//! | E5102 | 503 | not known whether it was recorded; the same idempotency key settles it |
//! | E5103 | 503 | not ready yet, or not any more |
//! | E5104 | 503 | the keys that check tokens cannot be fetched |
//! | E5105 | 503 | the database cannot be reached |
//! | E5106 | 503 | the read has not caught up with the write that it is to see |
//! | E5107 | 503 | the payment provider did not answer, or said no |

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use aggregates::Refusal;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// The edge's own reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    MalformedJson,
    UnknownField,
    MissingField,
    WrongType,
    BadValue,
    DuplicateField,
    BodyTooLarge,
    TooDeep,
    NotUtf8,
    ContentType,
    BadPath,
    BadQuery,
    BadHeader,
    BodyTooSlow,
    TooMuch,
    Unrecordable,
    BadRequest,
    NoToken,
    BadToken,
    ExpiredToken,
    EarlyToken,
    WrongRole,
    OthersAccount,
    BadSignature,
    NoLicense,
    NoSuchPath,
    NoSuchMethod,
    NotFound,
    Gone,
    KeyReused,
    NameTaken,
    Conflict,
    CardDeclined,
    InsufficientFunds,
    TooManyRequests,
    Internal,
    Busy,
    Unknown,
    NotReady,
    NoTokenKeys,
    NoDatabase,
    Behind,
    Provider,
}

impl Reason {
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedJson => ("E1001", S::BAD_REQUEST, "The body is not JSON"),
            Self::UnknownField => ("E1002", S::UNPROCESSABLE_ENTITY, "Unknown field"),
            Self::MissingField => ("E1003", S::UNPROCESSABLE_ENTITY, "Missing field"),
            Self::WrongType => ("E1004", S::UNPROCESSABLE_ENTITY, "Wrong type"),
            Self::BadValue => ("E1005", S::UNPROCESSABLE_ENTITY, "Value cannot be accepted"),
            Self::DuplicateField => ("E1006", S::UNPROCESSABLE_ENTITY, "Duplicate field"),
            Self::BodyTooLarge => ("E1007", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::TooDeep => ("E1008", S::BAD_REQUEST, "The body is nested too deep"),
            Self::NotUtf8 => ("E1009", S::BAD_REQUEST, "The body is not UTF-8"),
            Self::ContentType => ("E1010", S::UNSUPPORTED_MEDIA_TYPE, "Unsupported content type"),
            Self::BadPath => ("E1011", S::BAD_REQUEST, "Malformed path"),
            Self::BadQuery => ("E1012", S::BAD_REQUEST, "Malformed query"),
            Self::BadHeader => ("E1013", S::BAD_REQUEST, "Malformed header"),
            Self::BodyTooSlow => ("E1014", S::REQUEST_TIMEOUT, "The body did not arrive"),
            Self::TooMuch => ("E1015", S::UNPROCESSABLE_ENTITY, "Too much for one request"),
            Self::Unrecordable => ("E1016", S::UNPROCESSABLE_ENTITY, "This cannot be recorded"),
            Self::BadRequest => ("E1017", S::BAD_REQUEST, "Malformed request"),
            Self::NoToken => ("E2001", S::UNAUTHORIZED, "No token"),
            Self::BadToken => ("E2002", S::UNAUTHORIZED, "Bad token"),
            Self::ExpiredToken => ("E2003", S::UNAUTHORIZED, "Expired token"),
            Self::EarlyToken => ("E2004", S::UNAUTHORIZED, "Token not valid yet"),
            Self::WrongRole => ("E2005", S::FORBIDDEN, "Not allowed"),
            Self::OthersAccount => ("E2006", S::FORBIDDEN, "Somebody else's account"),
            Self::BadSignature => ("E2007", S::UNAUTHORIZED, "Bad signature"),
            Self::NoLicense => ("E2008", S::FORBIDDEN, "No license"),
            Self::NoSuchPath => ("E3001", S::NOT_FOUND, "No such path"),
            Self::NoSuchMethod => ("E3002", S::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::NotFound => ("E3003", S::NOT_FOUND, "Not found"),
            Self::Gone => ("E3004", S::GONE, "Gone"),
            Self::KeyReused => ("E3005", S::CONFLICT, "Idempotency key reused"),
            Self::NameTaken => ("E3006", S::CONFLICT, "Name taken"),
            Self::Conflict => ("E3007", S::CONFLICT, "Conflict"),
            Self::CardDeclined => ("E4281", S::PAYMENT_REQUIRED, "Card declined"),
            Self::InsufficientFunds => ("E4282", S::PAYMENT_REQUIRED, "Insufficient funds"),
            Self::TooManyRequests => ("E4290", S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::Internal => ("E5100", S::INTERNAL_SERVER_ERROR, "Something went wrong"),
            Self::Busy => ("E5101", S::SERVICE_UNAVAILABLE, "Busy"),
            Self::Unknown => ("E5102", S::SERVICE_UNAVAILABLE, "Outcome unknown"),
            Self::NotReady => ("E5103", S::SERVICE_UNAVAILABLE, "Not ready"),
            Self::NoTokenKeys => ("E5104", S::SERVICE_UNAVAILABLE, "Tokens cannot be checked"),
            Self::NoDatabase => ("E5105", S::SERVICE_UNAVAILABLE, "Database unreachable"),
            Self::Behind => ("E5106", S::SERVICE_UNAVAILABLE, "Not caught up"),
            Self::Provider => ("E5107", S::SERVICE_UNAVAILABLE, "Payment provider"),
        }
    }
}

/// One thing wrong with one part of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where in the body, as a JSON pointer (RFC 6901); empty for the body itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/daily_limit")]
    pub pointer: Option<String>,
    /// Which parameter of the path or query, or which header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    pub detail: String,
}

/// Every answer that is not a success. Boxed: it travels in results whose other side is what usually happens.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Content>);

/// As RFC 9457 has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Content {
    #[serde(rename = "type")]
    #[schema(example = "urn:billing-ledger:problem:E4001")]
    kind: String,
    title: String,
    #[schema(example = 402)]
    status: u16,
    /// For people; may be reworded.
    detail: String,
    /// For programs; stable.
    #[schema(example = "E4001")]
    code: String,
    /// Also in the header `X-Request-Id`, and in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Members beside those of RFC 9457, where a route has a shape of its own.
    #[serde(flatten)]
    #[schema(ignore)]
    extra: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
    /// For the log alone.
    #[serde(skip)]
    cause: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self::build(reason.status(), reason.code(), reason.title(), detail.into())
    }

    /// A field of the body.
    #[must_use]
    pub fn field(reason: Reason, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: Some(pointer.into()), parameter: None, detail: detail.into() };
        let at = error.pointer.as_deref().filter(|pointer| !pointer.is_empty()).unwrap_or("the body");
        let detail = format!("{at}: {}", error.detail);
        Self::new(reason, detail).with_error(error)
    }

    /// A parameter of the path or query, or a header.
    #[must_use]
    pub fn parameter(reason: Reason, name: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: None, parameter: Some(name.into()), detail: detail.into() };
        let detail = format!("{}: {}", error.parameter.as_deref().unwrap_or_default(), error.detail);
        Self::new(reason, detail).with_error(error)
    }

    /// There is no such thing, or it is somebody else's: the two must look the same.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Reason::NotFound, format!("there is no such {what}"))
    }

    /// Trouble of ours: the caller gets a reference, the log gets the cause.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(Reason::Internal, "this failed on our side; nothing more is known here").because(cause.to_string())
    }

    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    /// A member beside those that every problem has.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Puts a `Retry-After` on the answer.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds.max(1));
        self
    }

    /// What the log says about it, and the answer does not.
    #[must_use]
    pub fn because(mut self, cause: String) -> Self {
        self.0.cause = Some(cause);
        self
    }

    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    pub(super) fn set_request_id(&mut self, id: &str) {
        self.0.request_id = Some(id.to_owned());
    }

    fn build(status: StatusCode, code: &str, title: &str, detail: String) -> Self {
        Self(Box::new(Content {
            kind: format!("urn:billing-ledger:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
            code: code.to_owned(),
            request_id: None,
            errors: Vec::new(),
            extra: serde_json::Map::new(),
            retry_after_seconds: None,
            cause: None,
        }))
    }
}

/// A problem stays with its answer, so that the outermost layer can add the request's id and log the cause.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.0.status == StatusCode::UNAUTHORIZED.as_u16() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, title) = status_of(refusal.code());
        Self::build(status, refusal.code(), title, refusal.to_string())
    }
}

/// Most refusals are 422. These say more by their status.
fn status_of(code: &str) -> (StatusCode, &'static str) {
    match code {
        "E4001" | "E4095" => (StatusCode::PAYMENT_REQUIRED, "Not enough"),
        // A license that is another account's, was revoked, or does not go so far; a hold that a back end reserved.
        "E4088" | "E4093" | "E4094" | "E4096" => (StatusCode::FORBIDDEN, "Not allowed"),
        "E4040" | "E4050" | "E4064" | "E4070" | "E4080" | "E4090" | "E4100" => (StatusCode::NOT_FOUND, "Not found"),
        // An account that was erased, a hold whose time has passed.
        "E4076" | "E4085" => (StatusCode::GONE, "Gone"),
        // It exists with other content, or is past the point where this was possible.
        "E4010" | "E4022" | "E4041" | "E4043" | "E4051" | "E4055" | "E4057" | "E4063" | "E4067" | "E4069" | "E4071"
        | "E4072" | "E4074" | "E4077" | "E4081" | "E4083" | "E4084" | "E4091" | "E4097" | "E4101" | "E4111" => {
            (StatusCode::CONFLICT, "Conflict")
        }
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "Refused"),
    }
}

#[cfg(test)]
mod tests {
    use aggregates::{CommandId, CreditAccountError, Credits};

    use crate::store::ExecuteError;

    use super::*;

    const ALL: &[Reason] = &[
        Reason::MalformedJson,
        Reason::UnknownField,
        Reason::MissingField,
        Reason::WrongType,
        Reason::BadValue,
        Reason::DuplicateField,
        Reason::BodyTooLarge,
        Reason::TooDeep,
        Reason::NotUtf8,
        Reason::ContentType,
        Reason::BadPath,
        Reason::BadQuery,
        Reason::BadHeader,
        Reason::BodyTooSlow,
        Reason::TooMuch,
        Reason::Unrecordable,
        Reason::BadRequest,
        Reason::NoToken,
        Reason::BadToken,
        Reason::ExpiredToken,
        Reason::EarlyToken,
        Reason::WrongRole,
        Reason::OthersAccount,
        Reason::BadSignature,
        Reason::NoLicense,
        Reason::NoSuchPath,
        Reason::NoSuchMethod,
        Reason::NotFound,
        Reason::Gone,
        Reason::KeyReused,
        Reason::NameTaken,
        Reason::Conflict,
        Reason::CardDeclined,
        Reason::InsufficientFunds,
        Reason::TooManyRequests,
        Reason::Internal,
        Reason::Busy,
        Reason::Unknown,
        Reason::NotReady,
        Reason::NoTokenKeys,
        Reason::NoDatabase,
        Reason::Behind,
        Reason::Provider,
    ];

    fn json(problem: Problem) -> serde_json::Value {
        serde_json::to_value(problem).unwrap()
    }

    #[test]
    fn every_code_is_in_the_table_and_every_row_is_used() {
        let table = include_str!("problem.rs").lines().filter_map(|line| line.strip_prefix("//! | E"));
        let documented: Vec<_> = table.map(|row| (format!("E{}", &row[..4]), row[7..10].to_owned())).collect();
        let used: Vec<_> =
            ALL.iter().map(|reason| (reason.code().to_owned(), reason.status().as_u16().to_string())).collect();
        assert_eq!(documented, used);
    }

    #[test]
    fn not_enough_is_402_and_says_so_by_code() {
        let refusal = CreditAccountError::NotEnough { needed: Credits::whole(5), available: Credits::ZERO };
        let problem = Problem::from(ExecuteError::Refused(refusal.into()));
        assert_eq!((problem.status(), problem.code()), (StatusCode::PAYMENT_REQUIRED, "E4001"));
        assert!(problem.detail().contains("5.00"));
        let problem = Problem::from(Refusal::from(CreditAccountError::AmountIsZero));
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        for error in [ExecuteError::Busy, ExecuteError::Contended, ExecuteError::Closed, ExecuteError::Unknown] {
            assert!(error.is_transient());
            let response = Problem::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn a_name_that_is_taken_is_not_repeated() {
        let taken = ExecuteError::KeyTaken { kind: "license_digest", key: "hunter2".to_owned() };
        let problem = json(taken.into());
        assert_eq!(problem["status"], 409);
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
        let reused = ExecuteError::CommandReused(CommandId::from_uuid(uuid::Uuid::nil()));
        assert_eq!(json(reused.into())["code"], "E3005");
    }

    #[test]
    fn the_cause_is_for_the_log() {
        let problem = Problem::internal("relation \"hunter2\" does not exist");
        assert_eq!(problem.cause(), Some("relation \"hunter2\" does not exist"));
        assert!(!json(problem).to_string().contains("hunter2"));
    }
}
