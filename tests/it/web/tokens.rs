//! Who is let in, by secret and by published keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use billing_ledger::web::auth::Role;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::{SECRET, Server, refusal, token};

async fn answer(server: &Server, token: &str) -> (u64, String) {
    let request = server.get("/test/whoami").bearer_auth(token);
    let response = request.try_clone().unwrap().send().await.unwrap();
    if response.status() == 200 { (200, String::new()) } else { refusal(request).await }
}

fn claims(role: &str) -> Value {
    json!({"sub": "alice", "role": role, "exp": get_current_timestamp() + 60})
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_forged_token_opens_nothing() {
    let server = Server::start().await;
    let bad = (401, "E2002".to_owned());
    let hs256 = |claims: &Value, secret: &str| {
        encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    assert_eq!(answer(&server, &hs256(&claims("user"), SECRET)).await, (200, String::new()));
    assert_eq!(answer(&server, &hs256(&claims("user"), "another secret")).await, bad);
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims("admin")));
    assert_eq!(answer(&server, &none).await, bad);
    // The signature of one token under the claims of another.
    let good = hs256(&claims("user"), SECRET);
    let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    assert_eq!(answer(&server, &format!("{header}.{}.{signature}", part(&claims("admin")))).await, bad);
    let expired = json!({"sub": "alice", "exp": get_current_timestamp() - 60});
    assert_eq!(answer(&server, &hs256(&expired, SECRET)).await, (401, "E2003".to_owned()));
    assert_eq!(refusal(server.get("/test/whoami")).await, (401, "E2001".to_owned()));
}

#[tokio::test]
async fn a_role_opens_its_own_doors_only() {
    let server = Server::start().await;
    let wrong = (403, "E2005".to_owned());
    for (role, path) in [
        (Role::User, "/test/admin"),
        (Role::Auditor, "/test/admin"),
        (Role::Service, "/test/admin"),
        (Role::Admin, "/test/service"),
    ] {
        assert_eq!(refusal(server.post(path).bearer_auth(token(role))).await, wrong, "{role:?} {path}");
    }
    assert_eq!(refusal(server.get("/test/audit").bearer_auth(token(Role::User))).await, wrong);
    let written = server.charge().bearer_auth(token(Role::Auditor)).json(&json!({"amount": 1}));
    // Two Authorization headers: neither counts.
    assert_eq!(refusal(written).await, (401, "E2002".to_owned()));
    let written = server.post("/test/charges").bearer_auth(token(Role::Auditor)).json(&json!({"amount": 1}));
    assert_eq!(refusal(written).await, wrong);
    let others = server.get("/test/whoami").bearer_auth(token(Role::User)).header("x-account-id", "bob");
    assert_eq!(refusal(others).await, (403, "E2006".to_owned()));
}

/// An issuer who counts how often it is asked.
struct Issuer {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let serve = move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(axum::Json(json!({ "keys": keys })))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/keys", get(serve));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    async fn server(&self) -> Server {
        Server::with(&[("JWT_SECRET", ""), ("JWT_JWKS_URL", &self.url)]).await
    }
}

struct Key {
    id: &'static str,
    signing: EncodingKey,
    algorithm: Algorithm,
}

impl Key {
    fn rsa(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let pem = STANDARD.encode(pkcs8.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        Self { id, signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), algorithm: Algorithm::RS256 }
    }

    fn ec(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        Self { id, signing: EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm: Algorithm::ES256 }
    }

    fn ed(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        Self { id, signing: EncodingKey::from_ed_der(pkcs8.as_ref()), algorithm: Algorithm::EdDSA }
    }

    fn published(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.signing, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn token(&self) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        encode(&header, &claims("user"), &self.signing).unwrap()
    }
}

#[tokio::test]
async fn published_keys_let_their_tokens_in() {
    let keys = [Key::rsa("rsa"), Key::ec("ec"), Key::ed("ed")];
    let issuer = Issuer::start(keys.iter().map(Key::published).collect()).await;
    let server = issuer.server().await;
    for key in &keys {
        assert_eq!(answer(&server, &key.token()).await, (200, String::new()), "{}", key.id);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "the keys are kept");
    // Ours, by name; signed by somebody else.
    assert_eq!(answer(&server, &Key::ed("ed").token()).await, (401, "E2002".to_owned()));
    assert_eq!(answer(&server, &token(Role::Admin)).await, (401, "E2002".to_owned()));
}

/// The public key is public: whoever takes it for an HMAC secret can sign with it.
#[tokio::test]
async fn a_published_key_is_no_hmac_secret() {
    let key = Key::rsa("rsa");
    let issuer = Issuer::start(vec![key.published()]).await;
    let server = issuer.server().await;
    let jwk = key.published();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [jwk.to_string().into_bytes(), jwk["n"].as_str().unwrap().as_bytes().to_vec(), modulus] {
        let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) };
        let confused = encode(&header, &claims("admin"), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(answer(&server, &confused).await, (401, "E2002".to_owned()));
    }
    // Nor does a published secret count.
    let secret = json!({"kty": "oct", "kid": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "alg": "HS256"});
    let issuer = Issuer::start(vec![secret, key.published()]).await;
    let server = issuer.server().await;
    let header = Header { kid: Some("oct".to_owned()), ..Header::new(Algorithm::HS256) };
    let forged = encode(&header, &claims("admin"), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    assert_eq!(answer(&server, &forged).await, (401, "E2002".to_owned()));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_our_trouble_and_not_the_callers() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", closed.local_addr().unwrap());
    drop(closed);
    let server = Server::with(&[("JWT_SECRET", ""), ("JWT_JWKS_URL", &url)]).await;
    assert_eq!(answer(&server, &Key::ed("any").token()).await, (503, "E5104".to_owned()));
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
}
