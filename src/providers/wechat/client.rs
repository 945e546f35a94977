//! Calls of their API: signed with our key, and no answer counts that is not signed with theirs.
//!
//! ```text
//!   signed: METHOD ⏎ path?query ⏎ timestamp ⏎ nonce ⏎ body ⏎
//! ```

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use chrono::Utc;
use serde::Serialize;

use super::keys::{PlatformKeys, SCHEME, SERIAL};
use super::wire::Trouble;
use crate::providers::ProviderError;
use crate::providers::http::{Answer, Http, send};
use crate::providers::rsa::PrivateKey;
use crate::providers::settings::{BadSetting, Values};

const JSON: &str = "application/json";
const CODE_CHARS_MAX: usize = 64;

pub(super) struct Client {
    http: Http,
    api: String,
    mch_id: String,
    serial_no: String,
    private_key: PrivateKey,
    platform: Arc<PlatformKeys>,
}

/// What was said, and signed.
#[derive(Debug)]
pub(super) enum Said {
    Yes(Answer),
    No { status: StatusCode, code: String },
}

impl Client {
    pub(super) fn try_new(values: &Values, platform: Arc<PlatformKeys>) -> Result<Self, BadSetting> {
        let bad_key = |error: crate::providers::rsa::BadKey| BadSetting::new("private_key", error.to_string());
        Ok(Self {
            http: Http::try_new().map_err(|_| BadSetting::new("api_url", "cannot be called from here"))?,
            api: values.url("api_url", super::API)?,
            mch_id: values.required("mch_id")?.to_owned(),
            serial_no: values.required("serial_no")?.to_owned(),
            private_key: PrivateKey::parse(values.required("private_key")?).map_err(bad_key)?,
            platform,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Said, ProviderError> {
        self.call("GET", self.http.get(&format!("{}{path}", self.api)), path, String::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<Said, ProviderError> {
        let body = serde_json::to_string(body);
        let body = body.map_err(|_| ProviderError::Refused("the request cannot be written as JSON".to_owned()))?;
        let call = self.http.post(&format!("{}{path}", self.api)).header(CONTENT_TYPE, JSON);
        self.call("POST", call.body(body.clone()), path, body).await
    }

    async fn call(
        &self,
        method: &str,
        call: reqwest::RequestBuilder,
        path: &str,
        body: String,
    ) -> Result<Said, ProviderError> {
        let (timestamp, nonce) = (Utc::now().timestamp(), hex::encode(rand::random::<[u8; 16]>()));
        let authorization = self.authorization(method, path, &timestamp.to_string(), &nonce, &body);
        let authorization =
            authorization.ok_or_else(|| ProviderError::Unreachable("our key does not sign".to_owned()))?;
        let mut call = call.header(ACCEPT, JSON).header(AUTHORIZATION, authorization);
        if let Some(id) = self.platform.named_in_requests() {
            call = call.header(SERIAL, id);
        }
        self.said(send(call).await?)
    }

    /// What says who we are. `None`: the library refused to sign.
    pub(super) fn authorization(
        &self,
        method: &str,
        path: &str,
        timestamp: &str,
        nonce: &str,
        body: &str,
    ) -> Option<String> {
        let message = format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n");
        let signature = self.private_key.sign(message.as_bytes())?;
        let Self { mch_id, serial_no, .. } = self;
        Some(format!(
            "{SCHEME} mchid=\"{mch_id}\",serial_no=\"{serial_no}\",timestamp=\"{timestamp}\",nonce_str=\"{nonce}\",\
             signature=\"{signature}\""
        ))
    }

    fn said(&self, answer: Answer) -> Result<Said, ProviderError> {
        if self.platform.verify(&answer.headers, &answer.body, Utc::now()).is_err() {
            return Err(ProviderError::Unreachable(unsigned(answer.status)));
        }
        match answer.status {
            status if status.is_success() => Ok(Said::Yes(answer)),
            // Too often is not never.
            StatusCode::TOO_MANY_REQUESTS => Err(answer.unexpected()),
            status if status.is_client_error() => {
                let Trouble { code } = answer.json()?;
                let is_of_a_code = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
                Ok(Said::No { status, code: code.chars().filter(is_of_a_code).take(CODE_CHARS_MAX).collect() })
            }
            _ => Err(answer.unexpected()),
        }
    }
}

/// They sign nothing for somebody whose own signature is wrong.
fn unsigned(status: StatusCode) -> String {
    if status == StatusCode::UNAUTHORIZED {
        return "it does not take our signature (HTTP 401): merchant number, certificate serial and private key belong \
                together"
            .to_owned();
    }
    format!("its answer (HTTP {}) is not signed by it", status.as_u16())
}
