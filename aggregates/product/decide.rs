//! One function per command.

use super::command::{
    CreditPackTerms, LicenseTerms, PackageTerms, Period, PlanTerms, ProductCommand, ProductContent, ProductKind,
};
use super::error::ProductError;
use super::event::{ProductEvent, PutOnSale, TakenOffSale};
use super::{
    CREDITS_MAX, DESCRIPTION_BYTES_MAX, GRACE_DAYS_MAX, NAME_BYTES_MAX, PERIOD_MONTHS_MAX, PRICES_MAX, Product,
};
use crate::credits::Credits;
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
            Self::Created { content, .. } if **content == *new => Ok(vec![]),
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
        if **content == *new {
            return Ok(vec![]);
        }
        if std::mem::discriminant(&content.kind) != std::mem::discriminant(&new.kind) {
            return Err(ProductError::KindChanged);
        }
        if content.code != new.code {
            return Err(ProductError::CodeChanged);
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
    let ProductContent { code: _, name, description, prices, sort_order: _, kind } = content;
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
    if matches!(kind, ProductKind::PlanChange(_) | ProductKind::Renewal(_)) {
        return Err(ProductError::NotForSale);
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
        ProductKind::Package(PackageTerms { duration_days, daily_limit, day: _, again: _ }) => {
            user_package::check_terms(*daily_limit, *duration_days)?;
            Ok(())
        }
        ProductKind::License(LicenseTerms { uses, features }) => match *uses > 0 && !features.is_empty() {
            true => Ok(()),
            false => Err(ProductError::BadLicenseTerms),
        },
        ProductKind::CreditPack(CreditPackTerms { credits, valid_days }) => check_credits(*credits, *valid_days),
        ProductKind::Subscription(plan) => check_plan(plan),
        ProductKind::PlanChange(change) => check_plan(&change.plan),
        ProductKind::Renewal(renewal) => check_plan(&renewal.plan),
    }
}

fn check_plan(plan: &PlanTerms) -> Result<(), ProductError> {
    let PlanTerms { period, credits, valid_days, upgrade_policy: _, grace_days } = *plan;
    let period_fits = match period {
        Period::Days(days) => (1..=user_package::DURATION_DAYS_MAX).contains(&days),
        Period::Months(months) => (1..=PERIOD_MONTHS_MAX).contains(&months),
    };
    if !period_fits || grace_days > GRACE_DAYS_MAX {
        return Err(ProductError::BadPeriod);
    }
    check_credits(credits, valid_days)
}

fn check_credits(credits: Credits, valid_days: Option<u32>) -> Result<(), ProductError> {
    let valid = valid_days.is_none_or(|days| (1..=user_package::DURATION_DAYS_MAX).contains(&days));
    if credits.is_zero() || credits > Credits::whole(CREDITS_MAX) || !valid {
        return Err(ProductError::BadCredits);
    }
    Ok(())
}
