//! The billing ledger: an event-sourced log of orders, packages, licenses and credits on PostgreSQL.
//!
//! ```text
//! web/  cli/          the edges: HTTP, and one file per subcommand
//! dispatch/           the one door for writes
//! store/              the log: group commit, conflicts, snapshots, reading forward
//! processes/  jobs/   when this happened, ask for that; and how it is tried until it works
//! providers/  inbox/  payment providers behind one trait; what they say, stored before it is acknowledged
//! default_catalogue.rs  what a new ledger sells
//! forward/  mail/     the service that makes API keys; mail
//! vault/              personal data and secrets, sealed
//! addresses/          whether an e-mail address can receive mail
//! lockouts.rs         guessing license keys is slow
//! workers/            loops with a bound and a shutdown
//! config/  clock.rs   settings; the one source of "now"
//! app.rs  server.rs   what the parts share; how they are started and stopped
//! verify/             proof that the log is what was written
//! replay.rs           what is in the log, and what it makes, with nothing in between
//! rebuild/            read models made again beside the live ones, compared, swapped
//! embedded_postgres/  a private PostgreSQL for development, tests and benchmarks
//! bench/  loadtest/   the store and the server under load, beside their peers
//! ```
//!
//! A charge, recorded once however often it is asked for:
//!
//! ```no_run
//! use aggregates::{AccountId, Charge, Command, CommandId, UserPackageId};
//! use billing_ledger::store::{Receipt, Store, StoreOptions, UnitOfWork};
//!
//! # async fn charge(database_url: &str, package: UserPackageId, command_id: CommandId) -> anyhow::Result<Receipt> {
//! let store = Store::open(database_url.parse()?, StoreOptions::default()).await?;
//! let account = AccountId::try_new("user-uuid")?;
//! let charge = Charge { amount: "0.25".parse()?, meter: None, reference: None, overdraft: aggregates::Overdraft::Refuse };
//! let unit = UnitOfWork::new(account, command_id, chrono::Utc::now(), vec![Command::Charge(charge)])?;
//! let receipt = store.execute(unit).await?;
//! store.close().await;
//! # Ok(receipt)
//! # }
//! ```

pub mod addresses;
pub mod app;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
mod cut;
pub mod default_catalogue;
pub mod dispatch;
pub mod embedded_postgres;
pub mod forward;
pub mod inbox;
pub mod jobs;
pub mod loadtest;
pub mod lockouts;
pub mod mail;
pub mod processes;
pub mod providers;
pub mod rebuild;
pub mod replay;
pub mod server;
pub mod store;
pub mod vault;
pub mod verify;
pub mod web;
pub mod workers;
