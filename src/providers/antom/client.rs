//! Calls of their API: signed with our key, and no answer counts that is not signed with theirs.

use chrono::Utc;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::signature::{self, CLIENT_ID, REQUEST_TIME, RESPONSE_TIME, SIGNATURE};
use crate::providers::ProviderError;
use crate::providers::http::{Answer, Http, send};
use crate::providers::rsa::{BadKey, PrivateKey, PublicKey};
use crate::providers::settings::{BadSetting, Values};

const SANDBOX: &str = "SANDBOX_";
const KEY_VERSION_DIGITS_MAX: usize = 9;

pub(super) struct Client {
    http: Http,
    api: String,
    pub(super) client_id: String,
    private_key: PrivateKey,
    key_version: String,
    pub(super) public_keys: Vec<PublicKey>,
}

impl Client {
    pub(super) fn try_new(values: &Values) -> Result<Self, BadSetting> {
        let bad_key = |error: BadKey| BadSetting::new("private_key", error.to_string());
        let key_version = values.optional("key_version").unwrap_or("1");
        let digits = (1..=KEY_VERSION_DIGITS_MAX).contains(&key_version.len());
        if !digits || !key_version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadSetting::new("key_version", "is a number such as 1"));
        }
        Ok(Self {
            http: Http::try_new().map_err(|_| BadSetting::new("api_url", "cannot be called from here"))?,
            api: values.url("api_url", super::API)?,
            client_id: values.required("client_id")?.to_owned(),
            private_key: PrivateKey::parse(values.required("private_key")?).map_err(bad_key)?,
            key_version: key_version.to_owned(),
            public_keys: values.rotated("public_key", PublicKey::parse)?,
        })
    }

    /// Both are on the same host.
    pub(super) fn path(&self, name: &str) -> String {
        let stage = if self.client_id.starts_with(SANDBOX) { "sandbox/" } else { "" };
        format!("/ams/{stage}api/v1/payments/{name}")
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        name: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ProviderError> {
        let body = serde_json::to_string(body);
        let body = body.map_err(|_| ProviderError::Refused("the request cannot be written as JSON".to_owned()))?;
        let (path, time) = (self.path(name), Utc::now().timestamp_millis().to_string());
        let signature = self.signature(&path, &time, &body);
        let signature = signature.ok_or_else(|| ProviderError::Unreachable("our key does not sign".to_owned()))?;
        let call = self
            .http
            .post(&format!("{}{path}", self.api))
            .header("content-type", "application/json; charset=UTF-8")
            .header(CLIENT_ID, &self.client_id)
            .header(REQUEST_TIME, time)
            .header(SIGNATURE, signature)
            .body(body);
        let answer = send(call).await?;
        if !self.has_signed(&path, &answer) {
            let status = answer.status.as_u16();
            let what =
                format!("its answer (HTTP {status}) is not signed by it, as where it does not take our signature");
            return Err(ProviderError::Unreachable(what));
        }
        if answer.status.is_success() { answer.json() } else { Err(answer.unexpected()) }
    }

    /// The header's value. `None`: the library refused to sign.
    pub(super) fn signature(&self, path: &str, time: &str, body: &str) -> Option<String> {
        let message = signature::message(path, &self.client_id, time, body.as_bytes());
        signature::sign(&self.private_key, &self.key_version, &message)
    }

    /// Whoever answers is not told apart by time: the connection does that, and the answer is about what was asked.
    fn has_signed(&self, path: &str, answer: &Answer) -> bool {
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(time), Some(signature)) = (header(RESPONSE_TIME), header(SIGNATURE)) else { return false };
        let is_to_us = header(CLIENT_ID).is_none_or(|client| client == self.client_id);
        let message = signature::message(path, &self.client_id, time, &answer.body);
        is_to_us && signature::is_by(&self.public_keys, signature, &[message])
    }
}
