//! Something on sale. The catalogue lives in the account `system`; orders copy what they buy, so a change here never
//! reaches one that was placed before.
//!
//! ```text
//!   (nothing) ── create ──► on sale ◄── put on sale / take off sale ──► off sale      change: any time
//! ```

mod code;
mod command;
mod decide;
mod error;
mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::code::{BadProductCode, PRODUCT_CODE_BYTES_MAX, ProductCode};
pub use self::command::{
    Again, CreditPackTerms, DEFAULT_GRACE_DAYS, LicenseTerms, PackageTerms, Period, PlanChangeTerms, PlanTerms,
    ProductCommand, ProductContent, ProductKind, RenewalTerms, UpgradePolicy,
};
pub(crate) use self::decide::{check_kind, check_name};
pub use self::error::ProductError;
pub use self::event::{ProductEvent, PutOnSale, TakenOffSale};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AggregateId, ProductId};
use crate::kinds::AggregateKind;

pub const NAME_BYTES_MAX: usize = 200;
pub const DESCRIPTION_BYTES_MAX: usize = 4_000;
/// One price per currency.
pub const PRICES_MAX: usize = 8;
pub const PERIOD_MONTHS_MAX: u32 = 120;
pub const GRACE_DAYS_MAX: u32 = 365;
/// Whole ones, of one purchase or period: what was paid for is never too much for the account that it comes to.
pub const CREDITS_MAX: u32 = 1_000_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    #[default]
    NotCreated,
    Created {
        content: Box<ProductContent>,
        on_sale: bool,
    },
}

impl Product {
    /// What can be bought now.
    pub fn offer(&self) -> Result<&ProductContent, ProductError> {
        match self {
            Self::NotCreated => Err(ProductError::NotCreated),
            Self::Created { on_sale: false, .. } => Err(ProductError::NotOnSale),
            Self::Created { on_sale: true, content } => Ok(content),
        }
    }
}

impl Decider for Product {
    const KIND: AggregateKind = AggregateKind::Product;
    const SCHEMA: i32 = 2;

    type Command = ProductCommand;
    type Event = ProductEvent;
    type Error = ProductError;

    fn decide(&self, _at: DateTime<Utc>, command: &ProductCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(command)
    }

    fn apply(&mut self, event: &ProductEvent) {
        match event {
            ProductEvent::Created(content) => {
                *self = Self::Created { content: Box::new(content.clone()), on_sale: true };
            }
            ProductEvent::Changed(new) => {
                if let Self::Created { content, .. } = self {
                    **content = new.clone();
                }
            }
            ProductEvent::TakenOffSale(TakenOffSale {}) => self.set_on_sale(false),
            ProductEvent::PutOnSale(PutOnSale {}) => self.set_on_sale(true),
        }
    }
}

impl Product {
    fn set_on_sale(&mut self, now: bool) {
        if let Self::Created { on_sale, .. } = self {
            *on_sale = now;
        }
    }
}

cqrs_aggregate!(Product);

impl AggregateId {
    pub fn product(product: ProductId) -> Self {
        Self { kind: AggregateKind::Product, id: product.uuid() }
    }
}
