//! The domain of the ledger: what may be asked, what has happened, and the rules between. Nothing here knows SQL,
//! HTTP, a clock or chance; time and ids arrive inside what is asked.
//!
//! ```text
//!   command.rs   what may be asked of an account     product/         what is on sale
//!   desk/        decides it, whole or not at all     order/           one attempt to buy it
//!   kinds.rs     the list of aggregates              take_payment/    paid and delivered in one decision
//!   event/       what has happened, as it is stored  user_package/    days of a daily quota
//!   state.rs     what that makes, and snapshots      holdings/        which packages an account has
//!   refusal.rs   why not                             credit_account/  prepaid credits, and what is owed
//!   upcast/      old shapes of events                charge/          one use, paid from packages and credits
//!   spec.rs      given / when / then                 hold/            one use set aside, then charged or given back
//!                                                    delivery/        API key and mail after a purchase
//!                                                    customer/        name and e-mail, sealed
//!                                                    license/         a key with uses and features
//!                                                    subscription/    a plan, paid for period by period
//!                                                    provider/        how a payment provider is set up
//!   ids.rs  money.rs  credits.rs  decimal.rs  label.rs  reason.rs  time.rs       the words all of them use
//! ```
//!
//! An aggregate is read from its `mod.rs`: a sketch of its life, its state, what it makes of each event; then
//! `decide.rs`, one function per command. To add one, make such a folder and a line in `kinds.rs`.
//!
//! ```
//! use aggregates::*;
//!
//! let account = AccountId::try_new("alice")?.key();
//! let mut desk = Desk::new(account);
//! let credits = AggregateId::credit_account(account);
//! for id in [credits, AggregateId::holdings(account)] {
//!     desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
//! }
//!
//! let recorded = desk.decide(
//!     "2026-01-05T06:00:00Z".parse()?,
//!     &[
//!         Command::CreditAccount(CreditAccountCommand::Grant {
//!             grant: GrantId::from_uuid(uuid::Uuid::from_u128(1)),
//!             source: GrantSource::Order,
//!             amount: "10.00".parse()?,
//!             expires_at: None,
//!             reason: None,
//!         }),
//!         Command::Charge(Charge { amount: "0.25".parse()?, meter: None, reference: None, overdraft: Overdraft::Refuse }),
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
pub mod customer;
mod decider;
mod decimal;
pub mod delivery;
pub mod desk;
pub mod event;
mod events;
pub mod feature;
pub mod hold;
pub mod holdings;
pub mod ids;
pub mod kinds;
mod label;
pub mod license;
pub mod money;
pub mod order;
pub mod product;
#[cfg(test)]
mod properties;
pub mod provider;
pub mod reason;
pub mod refusal;
#[cfg(any(test, feature = "spec"))]
pub mod spec;
pub mod state;
pub mod subscription;
pub mod take_payment;
pub mod take_refund;
mod time;
pub mod upcast;
pub mod user_package;

pub use crate::charge::{Charge, ChargeError, Overdraft};
pub use crate::command::Command;
pub use crate::credit_account::{
    CreditAccount, CreditAccountCommand, CreditAccountError, CreditAccountEvent, GrantSource,
};
pub use crate::credits::{Credits, CreditsError};
pub use crate::customer::{Customer, CustomerCommand, CustomerEvent, Described, Locale};
pub use crate::decider::{At, Decider};
pub use crate::decimal::DecimalError;
pub use crate::delivery::{Delivery, DeliveryCommand, DeliveryEvent, DeliveryStep};
pub use crate::desk::{Decide, Desk, Halt, Recorded, Slot, View};
pub use crate::event::{EventError, known_event_types};
pub use crate::feature::{BadFeature, Feature, Features};
pub use crate::hold::{Hold, HoldEvent, Party, Release, ReleaseReason, Reserve, Settle};
pub use crate::holdings::{HeldPackage, Holdings, HoldingsEvent, LicenseChosen};
pub use crate::ids::{
    AccountId, AccountIdError, AccountKey, AggregateId, CommandId, DeliveryId, GrantId, HoldId, LOG_PARTS, LicenseId,
    LogPart, OrderId, ProductId, RefundId, SYSTEM_ACCOUNT, SubscriptionId, UseId, UserPackageId,
};
pub use crate::kinds::{AggregateKind, Event, KindMismatch, State};
pub use crate::label::{BadLabel, LABEL_BYTES_MAX};
pub use crate::license::{License, LicenseCommand, LicenseEvent, LicenseKey, LicenseStatus};
pub use crate::money::{Currency, CurrencyError, Money, MoneyError};
pub use crate::order::{
    Checkout, Order, OrderCommand, OrderEvent, OrderNumber, OrderStatus, Payment, PlaceOrder, Refund, RefundStage,
    RequestRefund,
};
pub use crate::product::{
    Again, CreditPackTerms, LicenseTerms, PackageTerms, Period, PlanChangeTerms, PlanTerms, Product, ProductCode,
    ProductCommand, ProductContent, ProductEvent, ProductKind, RenewalTerms, UpgradePolicy,
};
pub use crate::provider::{
    ProviderCommand, ProviderEvent, ProviderSettings, ProviderSettingsError, SealedSecret, Setting,
};
pub use crate::refusal::Refusal;
pub use crate::subscription::{Plan, Subscription, SubscriptionCommand, SubscriptionEvent, SubscriptionStatus};
pub use crate::take_payment::{AcceptReview, TakePayment};
pub use crate::take_refund::TakeRefund;
pub use crate::time::YEAR_MAX;
pub use crate::user_package::{DayRule, UserPackage, UserPackageCommand, UserPackageError, UserPackageEvent};
