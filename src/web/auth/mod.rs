//! Who asks: bearer tokens, checked once per request by the outermost layer, and turned into somebody to act for by an
//! extractor in a handler's signature.
//!
//! ```text
//! mod.rs       a caller and their role
//! verify.rs    is this token ours: algorithm fixed by configuration, signature, times, claims
//! key_set.rs   published keys: fetched, kept for a bounded time, asked for again when an unknown one appears
//! cache.rs     claims of tokens that were checked a moment ago
//! extract.rs   User, Reader, Payer, Service, Auditor, Admin: authority as a type
//! mint.rs      a token for development
//! ```
//!
//! Tokens live by the wall clock: the business clock of a sandbox can be moved, and must move nobody's session.

mod cache;
mod extract;
mod key_set;
mod mint;
#[cfg(test)]
pub(in crate::web) mod tests;
mod verify;

use std::fmt;
use std::sync::Arc;

use aggregates::AccountId;
pub use aggregates::Locale;
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

pub use extract::{Admin, Auditor, Payer, Reader, Service, User};
pub use mint::{Claims, mint};

use super::problem::{Problem, Reason};
use crate::config::Tokens;
use crate::dispatch::Actor;
use cache::Cache;
use verify::Verifier;

/// A token of a few thousand bytes is a mistake or an attack.
const TOKEN_BYTES_MAX: usize = 8 << 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    User,
    Admin,
    /// Reads everything, writes nothing.
    Auditor,
    /// A trusted back end, which names the account it acts for.
    Service,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Service => "service",
        }
    }
}

/// A language we do not speak is no reason to turn a customer away.
fn locale_of(claim: Option<&str>) -> Locale {
    let english = claim.is_some_and(|claim| claim == "en" || claim.starts_with("en-"));
    if english { Locale::En } else { Locale::ZhCn }
}

/// Who a valid token speaks for. `Debug` shows no personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub account: AccountId,
    pub role: Role,
    pub email: Option<String>,
    pub name: Option<String>,
    pub locale: Locale,
    /// As the log will know them.
    pub actor: Actor,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("role", &self.role).field("locale", &self.locale).finish_non_exhaustive()
    }
}

/// What the outermost layer found out; extractors read it from the request.
pub(super) type Identity = Result<Arc<Caller>, Problem>;

/// On a request whose token was not checked a moment ago: what it says about its customer may be news.
#[derive(Clone)]
pub(super) struct FirstSeen(pub(super) Arc<Caller>);

/// Checks tokens.
pub struct Authenticator {
    verifier: Verifier,
    cache: Cache,
}

impl Authenticator {
    #[must_use]
    pub fn new(tokens: &Tokens) -> Self {
        Self { verifier: Verifier::new(tokens), cache: Cache::new() }
    }

    /// Who asks, and whether their token had to be checked for it.
    pub(super) async fn identify(&self, headers: &HeaderMap) -> (Identity, bool) {
        match self.find(headers).await {
            Ok((caller, first_seen)) => (Ok(caller), first_seen),
            Err(problem) => (Err(problem), false),
        }
    }

    async fn find(&self, headers: &HeaderMap) -> Result<(Arc<Caller>, bool), Problem> {
        let token = bearer(headers)?;
        let digest = cache::digest(token);
        let now = verify::now();
        if let Some(caller) = self.cache.get(&digest, now) {
            return Ok((caller, false));
        }
        let (caller, expires) = self.verifier.verify(token).await?;
        let caller = Arc::new(caller);
        self.cache.put(digest, caller.clone(), now, expires);
        Ok((caller, true))
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = sent.next() else {
        return Err(Problem::new(Reason::NoToken, "send Authorization: Bearer with a token"));
    };
    if sent.next().is_some() {
        return Err(Problem::new(Reason::BadToken, "there is more than one Authorization header"));
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Problem::new(Reason::NoToken, "send Authorization: Bearer with a token"));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Problem::new(Reason::BadToken, "the token is too long"));
    }
    Ok(token)
}
