//! Calls to the gateway: signed with our key, and only an answer that Alipay signed is one.

use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;
use serde::Deserialize;

use super::map::code;
use super::wire::{self, Content, Envelope, Head};
use crate::providers::ProviderError;
use crate::providers::form::{self, Form};
use crate::providers::http::{Http, send};
use crate::providers::rsa::{PrivateKey, PublicKey};

pub(super) struct Client {
    pub(super) http: Http,
    /// With its path.
    pub(super) gateway: String,
    pub(super) app_id: String,
    pub(super) key: PrivateKey,
    /// Any of them may have signed.
    pub(super) theirs: Vec<PublicKey>,
    /// Names and serial numbers that go with every call where keys are in certificates.
    pub(super) certificates: Vec<(&'static str, String)>,
}

/// A yes with what was asked for, or a plain no with its code.
#[derive(Debug)]
pub(super) enum Said<T> {
    Yes(T),
    No(String),
}

/// As Alipay writes it: Beijing's.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.with_timezone(&Shanghai).format(wire::TIME).to_string()
}

impl Client {
    /// Whether one of Alipay's keys signed this.
    pub(super) fn is_theirs(&self, text: &[u8], sign: &str) -> bool {
        self.theirs.iter().any(|key| key.verifies(text, sign))
    }

    /// All that a call consists of.
    pub(super) fn signed(
        &self,
        method: &str,
        notify_url: Option<&str>,
        content: &Content<'_>,
        at: DateTime<Utc>,
    ) -> Result<Form, ProviderError> {
        let unsaid = |_| ProviderError::Refused("it cannot be put into the provider's words".to_owned());
        let mut form: Form = [
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            (wire::SIGN_TYPE, wire::RSA2.to_owned()),
            ("timestamp", time(at)),
            ("version", "1.0".to_owned()),
            ("biz_content", serde_json::to_string(content).map_err(unsaid)?),
        ]
        .into_iter()
        .chain(self.certificates.iter().cloned())
        .chain(notify_url.map(|url| ("notify_url", url.to_owned())))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        form.insert(wire::SIGN.to_owned(), self.sign(&form)?);
        Ok(form)
    }

    pub(super) fn sign(&self, form: &Form) -> Result<String, ProviderError> {
        let signature = self.key.sign(wire::asked(form).as_bytes());
        signature.ok_or_else(|| ProviderError::Unreachable("the call could not be signed".to_owned()))
    }

    /// Where a browser goes with it.
    pub(super) fn page(
        &self,
        method: &str,
        notify_url: Option<&str>,
        content: &Content<'_>,
        at: DateTime<Utc>,
    ) -> Result<String, ProviderError> {
        let form = self.signed(method, notify_url, content, at)?;
        Ok(format!("{}?{}", self.gateway, form::encoded(form::pairs(&form))))
    }

    /// # Errors
    /// Anything but a plain yes or no that Alipay signed: what happened there is not known then.
    pub(super) async fn call<T: for<'a> Deserialize<'a>>(
        &self,
        method: &str,
        notify_url: Option<&str>,
        content: &Content<'_>,
    ) -> Result<Said<T>, ProviderError> {
        let mut form = self.signed(method, notify_url, content, Utc::now())?;
        // As the SDKs do: the gateway wants to know the charset before it reads the body.
        let content = form.remove("biz_content").unwrap_or_default();
        let url = format!("{}?{}", self.gateway, form::encoded(form::pairs(&form)));
        let answer = send(self.http.post(&url).form(&[("biz_content", content)])).await?;
        if !answer.status.is_success() {
            return Err(answer.unexpected());
        }
        self.answered(method, &answer.body)
    }

    /// What a body says, once its signature has been checked.
    pub(super) fn answered<T: for<'a> Deserialize<'a>>(
        &self,
        method: &str,
        body: &[u8],
    ) -> Result<Said<T>, ProviderError> {
        let bad = |why: &str| ProviderError::Unreachable(why.to_owned());
        let (content, sign) = serde_json::from_slice::<Envelope<'_>>(body)
            .ok()
            .and_then(|envelope| envelope.signed(method))
            .ok_or_else(|| bad("its answer is not signed, or cannot be understood"))?;
        if !self.is_theirs(content.as_bytes(), &sign) {
            return Err(bad("its answer is not signed by it"));
        }
        let not_understood = |_| bad("its answer cannot be understood");
        let Head { code: told, sub_code } = serde_json::from_str(content).map_err(not_understood)?;
        let sub_code = sub_code.unwrap_or_default();
        match told.as_str() {
            wire::OK => serde_json::from_str(content).map(Said::Yes).map_err(not_understood),
            // Their own trouble is no answer, whatever it is filed under.
            wire::BUSINESS_FAILED if !sub_code.ends_with("SYSTEM_ERROR") => Ok(Said::No(code(&sub_code))),
            other => Err(bad(&format!("it answered {} {}", code(other), code(&sub_code)))),
        }
    }
}
