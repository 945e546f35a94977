//! Authority as a type: a handler that forgets to ask for it has nobody to act for.
//!
//! | extractor | who passes | acts for |
//! |---|---|---|
//! | `User` | every role; an auditor only to read | itself; a service for the account in `X-Account-Id` |
//! | `Reader` | every role, to read | itself; a service, an admin or an auditor for the account in `X-Account-Id` |
//! | `Payer` | as `User` | itself; a service or an admin for the account in the body or in `X-Account-Id` |
//! | `Service` | services | whoever it names |
//! | `Auditor` | auditors and admins, to read | nobody |
//! | `Admin` | admins | nobody |

use std::sync::Arc;

use aggregates::{AccountId, Party};
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;

use super::super::problem::{Problem, Reason};
use super::{Caller, Identity, Role};

const ACCOUNT_HEADER: &str = "x-account-id";

/// Somebody with an account of their own, or a service on behalf of one.
#[derive(Clone, Debug)]
pub struct User {
    /// Whom this is about.
    pub account: AccountId,
    pub caller: Arc<Caller>,
}

/// Whose things are looked at.
#[derive(Clone, Debug)]
pub struct Reader {
    pub account: AccountId,
    pub caller: Arc<Caller>,
}

/// Whose quota and credits a use is paid from.
#[derive(Clone, Debug)]
pub struct Payer {
    pub caller: Arc<Caller>,
    header: Option<AccountId>,
}

/// A trusted back end.
#[derive(Clone, Debug)]
pub struct Service(pub Arc<Caller>);

/// Somebody who may read everything.
#[derive(Clone, Debug)]
pub struct Auditor(pub Arc<Caller>);

/// Somebody who may change everything.
#[derive(Clone, Debug)]
pub struct Admin(pub Arc<Caller>);

impl Reader {
    /// Somebody else looks, who may see everything but what is its owner's alone: keys in clear, and notes.
    #[must_use]
    pub fn oversees(&self) -> bool {
        matches!(self.caller.role, Role::Admin | Role::Auditor) && self.account != self.caller.account
    }
}

impl Payer {
    /// The account, given what the body says about it.
    ///
    /// # Errors
    /// When a user names somebody else, or a service nobody.
    pub fn account(&self, named: Option<&AccountId>) -> Result<AccountId, Problem> {
        if named.is_some_and(|named| named.is_system()) {
            return Err(Problem::field(Reason::BadValue, "/account", "this account is reserved"));
        }
        let named = match (named, &self.header) {
            (Some(body), Some(header)) if body != header => {
                return Err(Problem::field(Reason::BadValue, "/account", "is not the account in X-Account-Id"));
            }
            (Some(named), _) | (None, Some(named)) => Some(named),
            (None, None) => None,
        };
        match (self.caller.role, named) {
            (Role::Service | Role::Admin, Some(named)) => Ok(named.clone()),
            (Role::Service, None) => {
                Err(Problem::field(Reason::MissingField, "/account", "a service says whose account it acts for"))
            }
            (_, Some(named)) if *named != self.caller.account => Err(others_account()),
            _ => Ok(self.caller.account.clone()),
        }
    }

    /// On whose word: a customer's own, or that of whoever does the work.
    #[must_use]
    pub fn party(&self) -> Party {
        match self.caller.role {
            Role::Service | Role::Admin => Party::BackEnd,
            Role::User | Role::Auditor => Party::Account,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = writer(parts)?;
        let account = match (account_header(parts)?, caller.role) {
            (None, _) => caller.account.clone(),
            (Some(named), Role::Service) => named,
            (Some(named), _) if named == caller.account => named,
            (Some(_), _) => return Err(others_account()),
        };
        Ok(Self { account, caller })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = caller(parts)?;
        if !reads(parts) {
            return Err(wrong_role());
        }
        let account = match (account_header(parts)?, caller.role) {
            (None, _) => caller.account.clone(),
            (Some(named), Role::Service | Role::Admin | Role::Auditor) => named,
            (Some(named), Role::User) if named == caller.account => named,
            (Some(_), Role::User) => return Err(others_account()),
        };
        Ok(Self { account, caller })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Payer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self { caller: writer(parts)?, header: account_header(parts)? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Service {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        one_of(parts, &[Role::Service]).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Auditor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = one_of(parts, &[Role::Auditor, Role::Admin])?;
        if reads(parts) { Ok(Self(caller)) } else { Err(wrong_role()) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        one_of(parts, &[Role::Admin]).map(Self)
    }
}

/// Anybody, except that an auditor writes nothing, not even to an account of their own.
fn writer(parts: &Parts) -> Result<Arc<Caller>, Problem> {
    let caller = caller(parts)?;
    if caller.role == Role::Auditor && !reads(parts) { Err(wrong_role()) } else { Ok(caller) }
}

fn one_of(parts: &Parts, roles: &[Role]) -> Result<Arc<Caller>, Problem> {
    let caller = caller(parts)?;
    if roles.contains(&caller.role) { Ok(caller) } else { Err(wrong_role()) }
}

fn caller(parts: &Parts) -> Result<Arc<Caller>, Problem> {
    let found = parts.extensions.get::<Identity>().cloned();
    found.unwrap_or_else(|| Err(Problem::internal("a handler outside the layer that identifies callers")))
}

fn reads(parts: &Parts) -> bool {
    parts.method == Method::GET || parts.method == Method::HEAD
}

fn account_header(parts: &Parts) -> Result<Option<AccountId>, Problem> {
    let bad = |why: &str| Problem::parameter(Reason::BadHeader, "X-Account-Id", why);
    let mut values = parts.headers.get_all(ACCOUNT_HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad("is there twice"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad("is not UTF-8"))?;
    AccountId::of_customer(text).map(Some).map_err(|error| bad(&error.to_string()))
}

fn wrong_role() -> Problem {
    Problem::new(Reason::WrongRole, "the token's role may not do this")
}

fn others_account() -> Problem {
    Problem::new(Reason::OthersAccount, "this account belongs to somebody else")
}
