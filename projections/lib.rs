//! Read models: what people ask for, kept beside the log and made of nothing but the log.
//!
//! ```text
//!   runner.rs       commits in, rows out: exactly once, on one process or ten
//!   checkpoints.rs  how far the log has been read, by position and chain
//!   rows.rs         between the words of the domain and the columns of a table
//!   terms.rs        what a product or an order is of, as it is shown
//!
//!   balances/       credits and their grants          catalogue/   what is on sale
//!   packages/       what customers hold, until when   orders/      what they bought, and payments that did not fit
//!   daily_usage/    what a day's quota was used for   deliveries/  keys and mail after a purchase
//!   licenses/       keys, what is left of them, and what they were used for
//!   statement/      every movement of credits, straight from the log
//!   holds/          what is set aside for work in progress
//!   subscriptions/  plans, paid period by period      sales/       what was sold, per day
//! ```
//!
//! A projection is a folder: `mod.rs` makes rows of events, `query.rs` makes views of rows. Rows are folded in memory
//! first: events carry the numbers they result in, so a thousand charges of one account are one row written. Rows and
//! checkpoints are committed together; a projection holds nothing from one transaction to the next.
//!
//! Writing names tables without a schema: the same statements fill the live generation (`read`) and the one that a
//! rebuild prepares beside it (`read_next`). Queries always ask the live one.
//!
//! To add one: such a folder, its tables in a migration, and a line in [`all`].

pub mod balances;
pub mod catalogue;
mod checkpoints;
pub mod daily_usage;
pub mod deliveries;
#[cfg(test)]
mod facts;
pub mod holds;
pub mod licenses;
pub mod orders;
pub mod packages;
mod rows;
mod runner;
pub mod sales;
pub mod statement;
pub mod subscriptions;
mod terms;

use aggregates::{AccountKey, AggregateId, Event, LogPart};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use thiserror::Error;

pub use checkpoints::{Checkpoint, Checkpoints, Hash, load_checkpoints};
pub use rows::MoneyView;
pub use runner::{Generation, Link, Runner, RunnerError, Written};
pub use terms::{PlanTermsView, TermsType, TermsView};

/// One event, and where and when it was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    pub log_part: LogPart,
    pub position: i64,
    pub account: AccountKey,
    pub aggregate: AggregateId,
    pub version: i64,
    /// When it was committed.
    pub at: DateTime<Utc>,
    pub event: &'a Event,
}

/// An event that a projection has no row for: the log is newer than this build, or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);

/// Events to rows.
#[async_trait]
pub trait Projection: Send + Sync {
    fn name(&self) -> &'static str;

    /// The tables that are its own, without a schema. A rebuild makes them again.
    fn tables(&self) -> &'static [&'static str];

    /// Takes note of an event; nothing is written yet. Events of one partition come in order.
    ///
    /// # Errors
    /// When the event cannot be kept in a row.
    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit>;

    /// Writes what was folded, and forgets it.
    ///
    /// # Errors
    /// When the database refuses. What was folded may then be half gone, and has to be forgotten.
    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error>;

    /// Drops what was folded.
    fn forget(&mut self);
}

/// Every projection of this build.
#[must_use]
pub fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::<balances::Balances>::default(),
        Box::<packages::Packages>::default(),
        Box::<daily_usage::DailyUsage>::default(),
        Box::<catalogue::Catalogue>::default(),
        Box::<orders::Orders>::default(),
        Box::<deliveries::Deliveries>::default(),
        Box::<holds::Holds>::default(),
        Box::<licenses::Licenses>::default(),
        Box::<subscriptions::Subscriptions>::default(),
        Box::<sales::Sales>::default(),
    ]
}

/// The projections of these names; all of them where none is named. `Err` is the first name that nothing has.
///
/// # Errors
/// When a name is unknown.
pub fn select(names: &[String]) -> Result<Vec<Box<dyn Projection>>, String> {
    if let Some(unknown) = names.iter().find(|name| all().iter().all(|known| known.name() != name.as_str())) {
        return Err(unknown.clone());
    }
    let chosen = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(all().into_iter().filter(|projection| chosen(projection.name())).collect())
}
