//! Reads that see what was written before.
//!
//! Who sends a `Ledger-Position` back waits for it, and is told when that takes too long. Who does not waits a little for
//! what this process has written for the same account, because a customer who has just paid looks at once; and is shown
//! what there is if that takes longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aggregates::{AccountId, LogPart};
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::super::auth::{FirstSeen, Reader, Role, User};
use super::super::idempotency::{After, LedgerPosition};
use super::super::problem::{Problem, Reason};
use super::{actor, profile, whole};
use crate::app::App;
use crate::workers::read_gate::ReadGate;

const WAIT: Duration = Duration::from_secs(5);
const WAIT_UNASKED: Duration = Duration::from_millis(300);

/// How far this process has written, by partition.
#[derive(Clone)]
pub(super) struct Written {
    positions: Arc<[AtomicI64]>,
}

impl Written {
    pub(super) fn new() -> Self {
        Self { positions: LogPart::all().map(|_| AtomicI64::new(0)).collect() }
    }

    pub(super) fn note(&self, at: LedgerPosition) {
        if let Some(position) = self.positions.get(usize::from(at.log_part.number())) {
            position.fetch_max(at.position, Ordering::Relaxed);
        }
    }

    fn reached(&self, log_part: LogPart) -> i64 {
        self.positions.get(usize::from(log_part.number())).map_or(0, |position| position.load(Ordering::Relaxed))
    }
}

/// What routes share.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) app: App,
    pub(super) written: Written,
}

impl FromRef<Api> for App {
    fn from_ref(api: &Api) -> Self {
        api.app.clone()
    }
}

impl FromRef<Api> for Written {
    fn from_ref(api: &Api) -> Self {
        api.written.clone()
    }
}

/// Around every route: a token that is new here may say something new about its customer, and every answer that names
/// a position moves what has been written.
pub(super) async fn around(State(Api { app, written }): State<Api>, mut request: Request, next: Next) -> Response {
    if let Some(first_seen) = request.extensions_mut().remove::<FirstSeen>() {
        correct(app, first_seen).await;
    }
    let response = next.run(request).await;
    if let Some(position) = LedgerPosition::said_in(&response) {
        written.note(position);
    }
    response
}

/// In the signature of a handler outside that layer: what a new token says has been noted.
pub(super) struct Noted;

impl FromRequestParts<Api> for Noted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        if let Some(first_seen) = parts.extensions.remove::<FirstSeen>() {
            correct(api.app.clone(), first_seen).await;
        }
        Ok(Self)
    }
}

/// The next mail goes to where the token says. Trouble with that is no reason to refuse the request.
async fn correct(app: App, FirstSeen(caller): FirstSeen) {
    if caller.role != Role::User {
        return;
    }
    let corrected = async move {
        let said = profile(&caller, &caller.account);
        app.dispatch.correct(&caller.account, &actor(&caller), &said).await
    };
    if let Err(problem) = whole(corrected).await {
        tracing::warn!(
            code = problem.code(),
            cause = problem.cause(),
            "what a token says of its customer was not noted"
        );
    }
}

/// In a handler's signature: by the time it runs, the read models have seen what the client has. Stands after the
/// extractor of who asks: nobody else gets to wait.
pub(super) struct Fresh;

impl FromRequestParts<Api> for Fresh {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let gate = &api.app.reads;
        match After::from_request_parts(parts, api).await? {
            After(Some(position)) => wait_for(gate, position).await?,
            After(None) => {
                let own = match User::from_request_parts(parts, api).await {
                    Ok(user) => Ok(user.account),
                    Err(_) => Reader::from_request_parts(parts, api).await.map(|reader| reader.account),
                };
                tokio::join!(
                    catch_up(gate, &api.written, AccountId::system().key().log_part()),
                    catch_up(gate, &api.written, own.unwrap_or_else(|_| AccountId::system()).key().log_part()),
                );
            }
        }
        Ok(Self)
    }
}

/// A position that the log does not hold is none that a write has answered.
async fn wait_for(gate: &ReadGate, LedgerPosition { log_part, position }: LedgerPosition) -> Result<(), Problem> {
    if gate.wait(log_part, position, WAIT_UNASKED).await.is_ok() {
        return Ok(());
    }
    if !gate.is_written(log_part, position).await? {
        return Err(Problem::parameter(Reason::BadHeader, "Ledger-Position", "is further than the log"));
    }
    Ok(gate.wait(log_part, position, WAIT).await?)
}

/// Nobody asked for it, so nobody is told where it takes too long.
async fn catch_up(gate: &ReadGate, written: &Written, log_part: LogPart) {
    let position = written.reached(log_part);
    if position > 0
        && let Err(lagging) = gate.wait(log_part, position, WAIT_UNASKED).await
    {
        tracing::debug!(%lagging, "a read shows what there is");
    }
}
