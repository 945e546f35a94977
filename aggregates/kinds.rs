//! The list of aggregates: the one place, outside of its own folder, that has to know a new one.
//!
//! From it follow the kinds (`AggregateKind`), the union of their events (`Event`) and the union of their states
//! (`State`). Each aggregate is a `Decider` whose `Event` was made by `events!`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::credit_account::{CreditAccount, CreditAccountEvent};
use crate::customer::{Customer, CustomerEvent};
use crate::decider::Decider;
use crate::delivery::{Delivery, DeliveryEvent};
use crate::hold::{Hold, HoldEvent};
use crate::holdings::{Holdings, HoldingsEvent};
use crate::license::{License, LicenseEvent};
use crate::order::{Order, OrderEvent};
use crate::product::{Product, ProductEvent};
use crate::provider::{ProviderEvent, ProviderSettings};
use crate::subscription::{Subscription, SubscriptionEvent};
use crate::user_package::{UserPackage, UserPackageEvent};

macro_rules! kinds {
    ($($kind:ident($event:ident) = $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AggregateKind {
            $($kind,)*
        }

        impl AggregateKind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        /// Something that has happened: what can be in the log.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $($kind($event),)*
        }

        impl Event {
            pub const fn kind(&self) -> AggregateKind {
                match self {
                    $(Self::$kind(_) => AggregateKind::$kind,)*
                }
            }

            /// The wire name of the variant.
            pub const fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$kind(event) => event.event_type(),)*
                }
            }

            pub const fn schema_version(&self) -> i16 {
                match self {
                    $(Self::$kind(event) => event.schema_version(),)*
                }
            }

            /// The JSON of the content alone, its keys always in the same order.
            pub fn payload(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$kind(event) => event.payload(),)*
                }
            }

            pub(crate) fn parse(
                kind: AggregateKind,
                event_type: &str,
                payload: &str,
            ) -> Option<Result<Self, serde_json::Error>> {
                Some(match kind {
                    $(AggregateKind::$kind => $event::parse(event_type, payload)?.map(Self::$kind),)*
                })
            }
        }

        /// Wire name and newest schema version of every event of one kind.
        pub(crate) const fn types_of(kind: AggregateKind) -> &'static [(&'static str, i16)] {
            match kind {
                $(AggregateKind::$kind => $event::TYPES,)*
            }
        }

        /// What the events of one aggregate make.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum State {
            $($kind($kind),)*
        }

        impl State {
            /// What an aggregate is before anything has happened to it.
            pub fn empty(kind: AggregateKind) -> Self {
                match kind {
                    $(AggregateKind::$kind => Self::$kind($kind::default()),)*
                }
            }

            pub const fn kind(&self) -> AggregateKind {
                match self {
                    $(Self::$kind(_) => AggregateKind::$kind,)*
                }
            }

            pub fn apply(&mut self, event: &Event) -> Result<(), KindMismatch> {
                let mismatch = KindMismatch { state: self.kind(), event: event.kind() };
                match (self, event) {
                    $((Self::$kind(state), Event::$kind(event)) => Decider::apply(state, event),)*
                    _ => return Err(mismatch),
                }
                Ok(())
            }

            pub fn to_json(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$kind(state) => serde_json::to_string(state),)*
                }
            }

            /// Only for JSON that was written under the same `schema`.
            pub fn from_json(kind: AggregateKind, json: &str) -> Result<Self, serde_json::Error> {
                Ok(match kind {
                    $(AggregateKind::$kind => Self::$kind(serde_json::from_str(json)?),)*
                })
            }

            /// Changes whenever the JSON of the state, or what it makes of an event, changes.
            pub const fn schema(kind: AggregateKind) -> i32 {
                match kind {
                    $(AggregateKind::$kind => $kind::SCHEMA,)*
                }
            }
        }

        $(
            impl From<$event> for Event {
                fn from(event: $event) -> Self {
                    Self::$kind(event)
                }
            }

            impl InState for $kind {
                fn of(state: &State) -> Option<&Self> {
                    if let State::$kind(state) = state { Some(state) } else { None }
                }
            }
        )*
    };
}

kinds! {
    CreditAccount(CreditAccountEvent) = "credit_account",
    UserPackage(UserPackageEvent) = "user_package",
    Holdings(HoldingsEvent) = "holdings",
    Product(ProductEvent) = "product",
    Order(OrderEvent) = "order",
    Delivery(DeliveryEvent) = "delivery",
    Customer(CustomerEvent) = "customer",
    Hold(HoldEvent) = "hold",
    License(LicenseEvent) = "license",
    Subscription(SubscriptionEvent) = "subscription",
    ProviderSettings(ProviderEvent) = "provider_settings",
}

impl AggregateKind {
    /// Kept in the account `system`; all other kinds are kept in the accounts of customers.
    pub const fn is_of_the_system(self) -> bool {
        matches!(self, Self::Product | Self::ProviderSettings)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl std::fmt::Display for AggregateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event of a {event} was applied to a {state}")]
pub struct KindMismatch {
    pub state: AggregateKind,
    pub event: AggregateKind,
}

/// A state of one kind, taken out of the union.
pub trait InState: Decider {
    fn of(state: &State) -> Option<&Self>;
}
