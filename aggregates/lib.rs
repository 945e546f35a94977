//! The domain of the ledger: what may be asked, what has happened, and the rules between. Nothing here knows SQL,
//! HTTP, a clock or chance; time and ids arrive inside what is asked.
//!
//! ```text
//!   command.rs   what may be asked of an account     credit_account/  prepaid credits
//!   desk/        decides it, whole or not at all     user_package/    days of a daily quota
//!   event/       what has happened, as it is stored  charge/          one use, paid from both
//!   state.rs     what that makes, and snapshots      upcast/          old shapes of events
//!   refusal.rs   why not                             spec.rs          given / when / then
//!   ids.rs  money.rs  credits.rs  decimal.rs  label.rs  time.rs       the words all of them use
//! ```
//!
//! An aggregate is read from its `mod.rs`: a sketch of its life, its state, what it makes of each event; then
//! `decide.rs`, one function per command. To add one, make such a folder and a variant in `AggregateKind`: the
//! compiler then names every place that must know it.
//!
//! ```
//! use aggregates::*;
//!
//! let account = AccountId::try_new("alice")?.key();
//! let mut desk = Desk::new(account);
//! let credits = AggregateId::credit_account(account);
//! desk.put(credits, Slot { version: 0, state: State::empty(credits.kind) });
//!
//! let recorded = desk.decide(
//!     "2026-01-05T06:00:00Z".parse()?,
//!     &[
//!         Command::CreditAccount(CreditAccountCommand::Grant {
//!             grant: GrantId::from_uuid(uuid::Uuid::from_u128(1)),
//!             source: GrantSource::Order,
//!             amount: "10.00".parse()?,
//!             expires_at: None,
//!         }),
//!         Command::Charge(Charge { packages: vec![], amount: "0.25".parse()?, meter: None, reference: None }),
//!     ],
//! );
//! let recorded = recorded.unwrap();
//! assert_eq!(recorded[1].version, 2);
//! assert_eq!(recorded[1].event.event_type(), "spent");
//! assert!(recorded[1].event.payload()?.ends_with(r#""balance":9750000}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod charge;
pub mod command;
pub mod credit_account;
pub mod credits;
mod decider;
mod decimal;
pub mod desk;
pub mod event;
pub mod ids;
mod label;
pub mod money;
#[cfg(test)]
mod properties;
pub mod refusal;
#[cfg(any(test, feature = "spec"))]
pub mod spec;
pub mod state;
mod time;
pub mod upcast;
pub mod user_package;

pub use crate::charge::{CHARGE_PACKAGES_MAX, Charge, ChargeError};
pub use crate::command::Command;
pub use crate::credit_account::{
    CreditAccount, CreditAccountCommand, CreditAccountError, CreditAccountEvent, GrantSource,
};
pub use crate::credits::{Credits, CreditsError};
pub use crate::decider::{At, Decider};
pub use crate::decimal::DecimalError;
pub use crate::desk::{Decide, Desk, Halt, Recorded, Slot, View};
pub use crate::event::{Event, EventError, known_event_types};
pub use crate::ids::{
    AccountId, AccountIdError, AccountKey, AggregateId, AggregateKind, CommandId, GrantId, LOG_PARTS, LogPart,
    ProductId, UserPackageId,
};
pub use crate::label::{BadLabel, LABEL_BYTES_MAX};
pub use crate::money::{Currency, CurrencyError, Money, MoneyError};
pub use crate::refusal::Refusal;
pub use crate::state::{KindMismatch, State};
pub use crate::time::YEAR_MAX;
pub use crate::user_package::{DayRule, UserPackage, UserPackageCommand, UserPackageError, UserPackageEvent};
