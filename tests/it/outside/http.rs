//! HTTP as a client speaks it: who asks, what is asked, what came back.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::TIMEOUT;

/// Somebody with a token, at one server.
#[derive(Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, Vec<u8>)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

impl Caller {
    pub(crate) fn new(http: &reqwest::Client, base: &str, token: Option<&str>) -> Self {
        let caller = Self { http: http.clone(), base: base.to_owned(), headers: Vec::new() };
        match token {
            Some(token) => caller.with("authorization", format!("Bearer {token}")),
            None => caller,
        }
    }

    /// The same, with one header more.
    pub(crate) fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.as_ref().to_vec()));
        caller
    }

    /// The same, once this write can be seen.
    pub(crate) fn after(&self, write: &Answer) -> Self {
        self.with("ledger-position", write.position())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string().into())).await
    }

    /// As `curl -X POST` without `-d`.
    pub(crate) async fn post_nothing(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string().into())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A body is sent as JSON unless a header of ours says otherwise.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Answer {
        self.try_send(method, path, body).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// An error where the server has gone.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let asked = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { asked, status, headers, body: response.bytes().await?.into() })
    }
}

impl Answer {
    /// Fails unless it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self
    }

    /// Fails unless it is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{}: {} {}", self.asked, self.status, self.text());
        self
    }

    /// Fails unless it is this problem: status, code, and everything else that a problem has to say.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let problem = answer.problem();
        assert_eq!(problem["code"], code, "{}: {problem}", answer.asked);
        answer
    }

    /// What RFC 9457 and the contract ask of a problem.
    #[track_caller]
    pub(crate) fn problem(&self) -> Value {
        let about = || format!("{}: {} {}", self.asked, self.status, self.text());
        assert_eq!(self.header("content-type").as_deref(), Some("application/problem+json"), "{}", about());
        let problem = self.json();
        for member in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {}", about());
        }
        assert_eq!(problem["status"], self.status.as_u16(), "{}", about());
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id").as_deref(), "{}", about());
        problem
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Where a write was recorded.
    #[track_caller]
    pub(crate) fn position(&self) -> String {
        self.header("ledger-position")
            .unwrap_or_else(|| panic!("{} says no Ledger-Position: {}", self.asked, self.text()))
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.header("idempotent-replayed").as_deref() == Some("true")
    }
}
