//! Is this token ours?
//!
//! The algorithm follows from the key we hold and never from the token: `none` is no algorithm, and a published RSA key
//! is no HMAC secret.

use aggregates::AccountId;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::super::problem::{Problem, Reason};
use super::key_set::{KeySet, NoKey};
use super::{Caller, Role, locale_of};
use crate::config::{TokenKey, Tokens};
use crate::dispatch::Actor;

/// For clocks that are a little apart.
const LEEWAY_SECONDS: u64 = 10;
/// Of an e-mail address or a name.
const TEXT_BYTES_MAX: usize = 320;

pub(super) fn now() -> u64 {
    get_current_timestamp()
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: serde_json::Number,
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    role: Option<Role>,
}

enum Keys {
    Secret(DecodingKey),
    Published(Box<KeySet>),
}

pub(super) struct Verifier {
    keys: Keys,
    /// Everything but the algorithm.
    rules: Validation,
}

impl Verifier {
    pub(super) fn new(tokens: &Tokens) -> Self {
        let keys = match &tokens.key {
            TokenKey::Secret(secret) => Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            TokenKey::KeySet(url) => Keys::Published(Box::new(KeySet::new(url.clone()))),
        };
        let mut rules = Validation::new(Algorithm::HS256);
        let mut required = vec!["exp", "sub"];
        rules.leeway = LEEWAY_SECONDS;
        rules.validate_nbf = true;
        rules.validate_aud = tokens.audience.is_some();
        // The library looks at what is there; that it is there has to be asked for.
        if let Some(audience) = &tokens.audience {
            rules.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &tokens.issuer {
            rules.set_issuer(&[issuer]);
            required.push("iss");
        }
        rules.set_required_spec_claims(&required);
        Self { keys, rules }
    }

    /// The caller, and the second at which the token ends.
    pub(super) async fn verify(&self, token: &str) -> Result<(Caller, u64), Problem> {
        let claims = match &self.keys {
            Keys::Secret(key) => self.check(token, key, Algorithm::HS256),
            Keys::Published(keys) => {
                let header = decode_header(token).map_err(|error| refused(&error))?;
                let key = keys.find(header.kid.as_deref()).await.map_err(no_key)?;
                self.check(token, &key.decoding, key.algorithm)
            }
        }?;
        caller(claims)
    }

    fn check(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, Problem> {
        let rules = Validation { algorithms: vec![algorithm], ..self.rules.clone() };
        decode(token, key, &rules).map(|token| token.claims).map_err(|error| refused(&error))
    }
}

fn caller(claims: Claims) -> Result<(Caller, u64), Problem> {
    let account = AccountId::of_customer(&claims.sub).map_err(|error| bad(&error.to_string()))?;
    for text in [&claims.email, &claims.name].into_iter().flatten() {
        if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(bad("its e-mail or name is too long or has control characters"));
        }
    }
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let role = claims.role.unwrap_or_default();
    let caller = Caller {
        actor: Actor::new(account.as_str(), role.as_str()),
        account,
        role,
        locale: locale_of(claims.locale.as_deref()),
        email: filled(claims.email),
        name: filled(claims.name),
    };
    Ok((caller, whole_seconds(&claims.exp)))
}

/// A time may have a fraction (RFC 7519); rounded down it ends no later than it says.
fn whole_seconds(time: &serde_json::Number) -> u64 {
    time.as_u64().or_else(|| time.to_string().split('.').next()?.parse().ok()).unwrap_or(0)
}

fn refused(error: &Error) -> Problem {
    match error.kind() {
        ErrorKind::ExpiredSignature => Problem::new(Reason::ExpiredToken, "the token has expired; get a new one"),
        ErrorKind::ImmatureSignature => Problem::new(Reason::EarlyToken, "the token is not valid yet"),
        ErrorKind::InvalidSignature => bad("its signature is not ours"),
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => {
            bad("its algorithm is not the one in use here")
        }
        ErrorKind::MissingRequiredClaim(claim) => bad(&format!("it has no {claim}")),
        ErrorKind::InvalidIssuer => bad("it comes from another issuer"),
        ErrorKind::InvalidAudience => bad("it is meant for somebody else"),
        // What is wrong inside is not quoted: the token is a secret, and its claims are personal.
        _ => bad("it is malformed, or its claims are"),
    }
}

fn no_key(trouble: NoKey) -> Problem {
    match trouble {
        NoKey::Unknown => bad("the key that signed it is not published"),
        NoKey::Unreachable(cause) => {
            Problem::new(Reason::NoTokenKeys, "the keys that check tokens cannot be fetched at the moment")
                .retry_after(5)
                .because(cause)
        }
    }
}

fn bad(what: &str) -> Problem {
    Problem::new(Reason::BadToken, format!("the token is not valid: {what}"))
}
