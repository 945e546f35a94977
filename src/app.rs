//! What the parts of a running server share. Wired here and nowhere else.

use sqlx::PgPool;

use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::providers::sandbox::Sandbox;

/// A running instance, as edges and workers see it; clones share it.
#[derive(Clone)]
pub struct App {
    /// The one door for writes.
    pub dispatch: Dispatcher,
    /// For reads.
    pub pool: PgPool,
    pub clock: Clock,
    /// Only where it is on.
    pub sandbox: Option<Sandbox>,
}
