//! From what went wrong inside to what is said outside. The cause goes to the log, never to the caller.

use super::problem::{Problem, Reason};
use crate::dispatch::{DispatchError, KEY_CLAIM};
use crate::providers::{Decline, NoticeError, ProviderError};
use crate::store::{ExecuteError, StoreError};
use crate::vault::VaultError;
use crate::workers::read_gate::Lagging;

const RETRY_SOON_SECONDS: u32 = 1;
const RETRY_PROVIDER_SECONDS: u32 = 5;

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        let detail = error.to_string();
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::KeyTaken { kind: KEY_CLAIM, .. } => key_reused(),
            ExecuteError::KeyTaken { kind, .. } => Self::new(
                Reason::NameTaken,
                format!("this {} already belongs to something else", kind.replace('_', " ")),
            ),
            ExecuteError::CommandReused(_) => key_reused(),
            ExecuteError::Busy | ExecuteError::Contended => {
                Self::new(Reason::Busy, detail).retry_after(RETRY_SOON_SECONDS)
            }
            ExecuteError::Unknown => Self::new(
                Reason::Unknown,
                "it is not known whether this was recorded; ask again with the same idempotency key",
            )
            .retry_after(RETRY_SOON_SECONDS)
            .because(detail),
            ExecuteError::Closed => Self::new(Reason::NotReady, detail).retry_after(RETRY_SOON_SECONDS),
            ExecuteError::NewerRelease { .. } => {
                Self::new(Reason::NotReady, "a newer release of this server has to answer this")
                    .retry_after(RETRY_SOON_SECONDS)
                    .because(detail)
            }
            ExecuteError::Trouble(_) => Self::new(Reason::NoDatabase, "the database could not be reached")
                .retry_after(RETRY_SOON_SECONDS)
                .because(detail),
            ExecuteError::TooLarge { .. } => Self::new(Reason::TooMuch, detail),
            ExecuteError::Unrecordable(_) => {
                Self::new(Reason::Unrecordable, "this cannot be recorded as it is").because(detail)
            }
            ExecuteError::Panicked => Self::internal(detail),
        }
    }
}

fn key_reused() -> Problem {
    Problem::new(Reason::KeyReused, "this idempotency key was used before for another request")
}

impl From<DispatchError> for Problem {
    fn from(error: DispatchError) -> Self {
        let detail = error.to_string();
        match error {
            DispatchError::Execute(error) => error.into(),
            DispatchError::NotFound(what) => Self::not_found(what),
            DispatchError::NoProvider(_) => Self::field(
                Reason::BadValue,
                "/provider",
                "there is no such provider here; leave it out for the usual one",
            ),
            DispatchError::NoPrice { .. } => Self::field(Reason::BadValue, "/provider", detail),
            DispatchError::Provider { source, .. } => {
                Self::new(Reason::Provider, detail).retry_after(RETRY_PROVIDER_SECONDS).because(source.to_string())
            }
            DispatchError::Vault(error) => error.into(),
            DispatchError::Database(error) => error.into(),
            DispatchError::Store(error) => error.into(),
            DispatchError::Json(_) => Self::internal(detail),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased => aggregates::Refusal::from(aggregates::customer::CustomerError::Erased).into(),
            VaultError::Database(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

/// What a retry may cure is told apart from what it will not.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        let passes = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // Connection, resources, operator, contention.
            sqlx::Error::Database(database) => {
                database.code().is_some_and(|code| ["08", "53", "57", "40", "55"].iter().any(|it| code.starts_with(it)))
            }
            _ => false,
        };
        if !passes {
            return match &error {
                // Data exception: a value that was asked about has no place in its column.
                sqlx::Error::Database(database) if database.code().is_some_and(|code| code.starts_with("22")) => {
                    Self::new(Reason::BadQuery, "a value is out of the range of what it is compared with")
                        .because(error.to_string())
                }
                _ => Self::internal(error),
            };
        }
        Self::new(Reason::NoDatabase, "the database could not be reached")
            .retry_after(RETRY_SOON_SECONDS)
            .because(error.to_string())
    }
}

impl From<Lagging> for Problem {
    fn from(lagging: Lagging) -> Self {
        let problem = Self::new(Reason::Behind, "this has not caught up with the write that it is to see; try again");
        let problem = problem.retry_after(RETRY_SOON_SECONDS);
        match &lagging.trouble {
            Some(trouble) => problem.because(trouble.to_string()),
            None => problem,
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Refused(why) => Self::new(Reason::Conflict, why),
            ProviderError::Unreachable(cause) => Self::new(Reason::Provider, "the payment provider did not answer")
                .retry_after(RETRY_PROVIDER_SECONDS)
                .because(cause),
        }
    }
}

impl From<NoticeError> for Problem {
    fn from(error: NoticeError) -> Self {
        let said = error.to_string();
        match error {
            NoticeError::BadSignature | NoticeError::OtherTime => Self::new(Reason::BadSignature, said),
            NoticeError::Malformed { pointer, detail } => {
                Self::field(Reason::BadValue, pointer.unwrap_or_default(), detail)
            }
            NoticeError::Declined(Decline::Card) => Self::new(Reason::CardDeclined, said),
            NoticeError::Declined(Decline::InsufficientFunds) => Self::new(Reason::InsufficientFunds, said),
            NoticeError::UnknownOrder => Self::not_found("order"),
            NoticeError::Unavailable(cause) => {
                Self::new(Reason::Provider, "the notice cannot be checked at the moment")
                    .retry_after(RETRY_PROVIDER_SECONDS)
                    .because(cause)
            }
        }
    }
}
