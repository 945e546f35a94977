//! One function per command.

use super::command::{PackageTerms, ProductCommand, ProductContent, ProductKind};
use super::error::ProductError;
use super::event::{ProductEvent, PutOnSale, TakenOffSale};
use super::{DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, PRICES_MAX, Product};
use crate::user_package;

type Decision = Result<Vec<ProductEvent>, ProductError>;

impl Product {
    pub(super) fn answer(&self, command: &ProductCommand) -> Decision {
        match command {
            ProductCommand::Create(content) => self.create(content),
            ProductCommand::Change(content) => self.change(content),
            ProductCommand::TakeOffSale => self.sale(false, ProductEvent::TakenOffSale(TakenOffSale {})),
            ProductCommand::PutOnSale => self.sale(true, ProductEvent::PutOnSale(PutOnSale {})),
        }
    }

    fn create(&self, new: &ProductContent) -> Decision {
        match self {
            Self::Created { content, .. } if content == new => Ok(vec![]),
            Self::Created { .. } => Err(ProductError::Exists),
            Self::NotCreated => {
                check(new)?;
                Ok(vec![ProductEvent::Created(new.clone())])
            }
        }
    }

    fn change(&self, new: &ProductContent) -> Decision {
        let Self::Created { content, .. } = self else {
            return Err(ProductError::NotCreated);
        };
        if content == new {
            return Ok(vec![]);
        }
        if std::mem::discriminant(&content.kind) != std::mem::discriminant(&new.kind) {
            return Err(ProductError::KindChanged);
        }
        check(new)?;
        Ok(vec![ProductEvent::Changed(new.clone())])
    }

    fn sale(&self, wanted: bool, event: ProductEvent) -> Decision {
        match self {
            Self::NotCreated => Err(ProductError::NotCreated),
            Self::Created { on_sale, .. } if *on_sale == wanted => Ok(vec![]),
            Self::Created { .. } => Ok(vec![event]),
        }
    }
}

fn check(content: &ProductContent) -> Result<(), ProductError> {
    let ProductContent { name, description, prices, sort_order: _, kind } = content;
    check_name(name)?;
    if description.len() > DESCRIPTION_BYTES_MAX || description.chars().any(|c| c.is_control() && c != '\n') {
        return Err(ProductError::BadDescription);
    }
    let mut currencies: Vec<_> = prices.iter().map(|price| price.currency()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let each_above_zero = prices.iter().all(|price| !price.is_zero() && !price.is_negative());
    if !(1..=PRICES_MAX).contains(&prices.len()) || currencies.len() != prices.len() || !each_above_zero {
        return Err(ProductError::BadPrices);
    }
    check_kind(kind)
}

pub(crate) fn check_name(name: &str) -> Result<(), ProductError> {
    if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) || name.trim().is_empty() {
        return Err(ProductError::BadName);
    }
    Ok(())
}

/// It could be delivered.
pub(crate) fn check_kind(kind: &ProductKind) -> Result<(), ProductError> {
    match kind {
        ProductKind::Package(PackageTerms { duration_days, daily_limit, day: _ }) => {
            user_package::check_terms(*daily_limit, *duration_days)?;
        }
    }
    Ok(())
}
