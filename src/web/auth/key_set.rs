//! Published keys (JWKS): fetched, kept for a bounded time, asked for again when an unknown one appears.
//!
//! Anybody can make up key ids, so what makes us fetch is bounded in time, not in how often it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect::Policy;
use tokio::time::Instant;
use url::Url;

/// Keys older than this are fetched again…
const FRESH: Duration = Duration::from_secs(600);
/// …and older than this no longer used, even if their issuer cannot be reached.
const KEPT: Duration = Duration::from_secs(6 * 3_600);
/// Between two fetches.
const BETWEEN_FETCHES: Duration = Duration::from_secs(15);
const FETCH_WAIT: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 256 << 10;
const KEYS_MAX: usize = 100;

#[derive(Clone)]
pub(super) struct PublishedKey {
    pub(super) decoding: Arc<DecodingKey>,
    pub(super) algorithm: Algorithm,
}

#[derive(Debug)]
pub(super) enum NoKey {
    /// Nobody published it.
    Unknown,
    /// Nobody knows: there are no keys, or none recent enough.
    Unreachable(String),
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, PublishedKey>,
    fetched: Option<Instant>,
}

#[derive(Default)]
struct Attempts {
    last: Option<Instant>,
    failure: Option<String>,
}

pub(super) struct KeySet {
    url: Url,
    between_fetches: Duration,
    known: RwLock<Known>,
    /// Held while fetching: one at a time.
    attempts: tokio::sync::Mutex<Attempts>,
}

impl KeySet {
    pub(super) fn new(url: Url) -> Self {
        Self::fetched_after(url, BETWEEN_FETCHES)
    }

    fn fetched_after(url: Url, between_fetches: Duration) -> Self {
        Self { url, between_fetches, known: RwLock::default(), attempts: tokio::sync::Mutex::default() }
    }

    /// The key with this id; the only key there is, where the token names none.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<PublishedKey, NoKey> {
        match self.look(id) {
            (Some(key), true) => return Ok(key),
            // A known key of an old set will do while somebody else fetches a new one.
            (Some(key), false) => match self.attempts.try_lock() {
                Ok(mut attempts) => self.fetch(&mut attempts).await,
                Err(_) => return Ok(key),
            },
            (None, _) => {
                let mut attempts = self.attempts.lock().await;
                // Somebody may have fetched it while we waited.
                if let (Some(key), _) = self.look(id) {
                    return Ok(key);
                }
                self.fetch(&mut attempts).await;
            }
        }
        self.look(id).0.ok_or_else(|| self.why_not())
    }

    /// The key, and whether the set it is from is fresh.
    fn look(&self, id: Option<&str>) -> (Option<PublishedKey>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(age) = known.fetched.map(|fetched| fetched.elapsed()).filter(|age| *age < KEPT) else {
            return (None, false);
        };
        let key = match id {
            Some(id) => known.keys.get(id),
            None => known.keys.values().next().filter(|_| known.keys.len() == 1),
        };
        (key.cloned(), age < FRESH)
    }

    fn why_not(&self) -> NoKey {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.fetched {
            Some(fetched) if fetched.elapsed() < KEPT => NoKey::Unknown,
            _ => NoKey::Unreachable(format!("no keys from {}", self.url)),
        }
    }

    async fn fetch(&self, attempts: &mut Attempts) {
        if attempts.last.is_some_and(|last| last.elapsed() < self.between_fetches) {
            return;
        }
        attempts.last = Some(Instant::now());
        match download(&self.url).await {
            Ok(keys) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Known { keys, fetched: Some(Instant::now()) };
                attempts.failure = None;
            }
            Err(failure) => {
                // Once per reason, or an issuer that is down for an hour fills the log.
                if attempts.failure.as_ref() != Some(&failure) {
                    tracing::warn!(url = %self.url, %failure, "the keys that check tokens cannot be fetched");
                }
                attempts.failure = Some(failure);
            }
        }
    }
}

async fn download(url: &Url) -> Result<HashMap<String, PublishedKey>, String> {
    let client = reqwest::Client::builder().redirect(Policy::none()).timeout(FETCH_WAIT).build();
    let said = |error: reqwest::Error| error.without_url().to_string();
    let response = client.map_err(said)?.get(url.clone()).send().await.map_err(said)?;
    if !response.status().is_success() {
        return Err(format!("answered {}", response.status()));
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(said)?);
        if body.len() > BYTES_MAX {
            return Err(format!("answered more than {BYTES_MAX} bytes"));
        }
    }
    parse(&body)
}

/// Keys of other kinds are passed over: an issuer may publish more than we understand.
fn parse(body: &[u8]) -> Result<HashMap<String, PublishedKey>, String> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| "answered no set of keys".to_owned())?;
    let jwks = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let keys: HashMap<_, _> = jwks.filter_map(|jwk| usable(&jwk)).collect();
    if keys.is_empty() { Err("answered no key for RS256, ES256 or EdDSA".to_owned()) } else { Ok(keys) }
}

/// A secret (`oct`) is never taken from a published set, and a key is used with one algorithm only.
fn usable(jwk: &Jwk) -> Option<(String, PublishedKey)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, said) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|it| it != said) {
        return None;
    }
    let decoding = Arc::new(DecodingKey::from_jwk(jwk).ok()?);
    Some((jwk.common.key_id.clone().unwrap_or_default(), PublishedKey { decoding, algorithm }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;

    fn ed25519(id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    /// An issuer that publishes what is in the list at the time, or nothing sensible.
    async fn issuer(keys: Arc<Mutex<Vec<Value>>>) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let publish = move || std::future::ready(axum::Json(json!({"keys": *keys.lock().unwrap()})));
        let router = axum::Router::new().route("/keys", axum::routing::get(publish));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn an_unknown_key_is_asked_for_and_a_withdrawn_one_is_forgotten() {
        let keys = Arc::new(Mutex::new(vec![ed25519("old")]));
        let set = KeySet::fetched_after(issuer(keys.clone()).await, Duration::ZERO);
        assert!(set.find(Some("old")).await.is_ok());
        assert!(set.find(None).await.is_ok(), "the only one there is");
        assert!(matches!(set.find(Some("new")).await, Err(NoKey::Unknown)));
        *keys.lock().unwrap() = vec![ed25519("new"), ed25519("newer")];
        assert!(set.find(Some("new")).await.is_ok());
        assert!(matches!(set.find(Some("old")).await, Err(NoKey::Unknown)));
        assert!(matches!(set.find(None).await, Err(NoKey::Unknown)), "one of two is no answer");
    }

    #[tokio::test]
    async fn an_issuer_that_talks_nonsense_does_not_take_the_keys_we_have() {
        let keys = Arc::new(Mutex::new(vec![ed25519("a")]));
        let set = KeySet::fetched_after(issuer(keys.clone()).await, Duration::ZERO);
        assert!(set.find(Some("a")).await.is_ok());
        keys.lock().unwrap().clear();
        assert!(matches!(set.find(Some("b")).await, Err(NoKey::Unknown)));
        assert!(set.find(Some("a")).await.is_ok());
    }

    #[tokio::test]
    async fn a_new_set_is_not_asked_for_again_at_once() {
        let keys = Arc::new(Mutex::new(vec![ed25519("a")]));
        let set = KeySet::fetched_after(issuer(keys.clone()).await, Duration::MAX);
        assert!(set.find(Some("a")).await.is_ok());
        *keys.lock().unwrap() = vec![ed25519("b")];
        assert!(matches!(set.find(Some("b")).await, Err(NoKey::Unknown)));
    }

    #[test]
    fn only_public_keys_for_signatures_are_taken() {
        let set = |keys: Value| parse(json!({ "keys": keys }).to_string().as_bytes()).map(|keys| keys.len());
        let mut encrypting = ed25519("a");
        encrypting["use"] = json!("enc");
        let secret = json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"});
        assert!(set(json!([encrypting, secret, 7, {"kty": "unheard of"}])).is_err());
        assert_eq!(set(json!([secret, ed25519("b")])), Ok(1));
        assert!(parse(b"<html>").is_err());
    }
}
