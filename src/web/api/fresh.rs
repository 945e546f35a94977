//! Reads that see what was written before.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::super::idempotency::{After, LedgerPosition};
use super::super::problem::Problem;
use crate::app::App;

const WAIT: Duration = Duration::from_secs(5);

/// In a handler's signature: by the time it runs, the read models have seen the `Ledger-Position` that the client sent
/// back. Stands after the extractor of who asks: nobody else gets to wait.
pub(super) struct Fresh;

impl FromRequestParts<App> for Fresh {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let After(after) = After::from_request_parts(parts, app).await?;
        if let Some(LedgerPosition { log_part, position }) = after {
            app.reads.wait(log_part, position, WAIT).await?;
        }
        Ok(Self)
    }
}
