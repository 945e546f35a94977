//! What an order bought comes into its account's hands: one function per kind of product.

use chrono::{DateTime, Utc};

use crate::command::{ask_package, ask_subscription};
use crate::credit_account::{CreditAccount, CreditAccountCommand, GrantSource};
use crate::credits::Credits;
use crate::delivery::{Delivery, DeliveryCommand};
use crate::desk::{Halt, View};
use crate::holdings::{Holdings, HoldingsCommand, LicenseChosen};
use crate::ids::{AggregateId, DeliveryId, GrantId, LicenseId, OrderId, ProductId, SubscriptionId, UserPackageId};
use crate::license::{License, LicenseCommand, LicenseError, LicenseKey};
use crate::order::{Delivered, Placed};
use crate::product::{Again, CreditPackTerms, LicenseTerms, PackageTerms, PlanChangeTerms, PlanTerms, ProductKind};
use crate::subscription::{Plan, Subscription, SubscriptionCommand};
use crate::user_package::{UserPackageCommand, later};

pub(super) fn deliver(
    view: &mut View<'_>,
    order: OrderId,
    placed: &Placed,
    license_key: Option<&LicenseKey>,
) -> Result<Delivered, Halt> {
    match &placed.kind {
        ProductKind::Package(terms) => package(view, order, placed, terms),
        ProductKind::License(terms) => license(view, order, placed.product, terms, license_key),
        ProductKind::CreditPack(CreditPackTerms { credits, valid_days }) => {
            grant(view, order, GrantSource::Order, *credits, *valid_days).map(Delivered::Grant)
        }
        ProductKind::Subscription(terms) => subscription(view, order, placed, *terms),
        ProductKind::PlanChange(change) => plan_change(view, order, placed.product, change),
    }
}

/// An API key and a mail follow every purchase of a package, also one that extends what was there.
fn package(view: &mut View<'_>, order: OrderId, placed: &Placed, terms: &PackageTerms) -> Result<Delivered, Halt> {
    let new = UserPackageId::of_order(order);
    let delivery = AggregateId::delivery(DeliveryId::of_order(order));
    view.need([AggregateId::user_package(new), AggregateId::holdings(view.account()), delivery])?;
    let user_package = match extended_by(view, order, placed, terms)? {
        Some(there) => {
            let extend = UserPackageCommand::Extend { order, days: terms.duration_days };
            ask_package(view, there, &extend)?;
            there
        }
        None => {
            let PackageTerms { duration_days, daily_limit, day, again } = *terms;
            // Extended, it would pay by other terms than those that were bought: so the new one follows the old one.
            let starts_at = match again {
                Again::Parallel => None,
                Again::Extend | Again::Queue => last_end(view, placed.product)?,
            };
            // What would end beyond all time does not wait.
            let starts_at = starts_at.filter(|starts_at| later(*starts_at, duration_days).is_some());
            let (product, time_zone) = (placed.product, placed.time_zone);
            let activate =
                UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day, starts_at };
            ask_package(view, new, &activate)?;
            new
        }
    };
    view.ask::<Delivery>(delivery, &DeliveryCommand::Request { order, user_package })?;
    Ok(Delivered::UserPackage(user_package))
}

/// The package that this order makes longer, if it is to: the last one to end, where that is of the same terms.
fn extended_by(
    view: &View<'_>,
    order: OrderId,
    placed: &Placed,
    terms: &PackageTerms,
) -> Result<Option<UserPackageId>, Halt> {
    if terms.again != Again::Extend {
        return Ok(None);
    }
    let Some(last) = view.holdings()?.unended(placed.product, view.at()).last().map(|held| held.package) else {
        return Ok(None);
    };
    let there = view.user_package(last)?;
    let extends =
        there.pays_as(terms, placed.time_zone) && there.can_be_extended(view.at(), order, terms.duration_days);
    Ok(extends.then_some(last))
}

fn last_end(view: &View<'_>, product: ProductId) -> Result<Option<DateTime<Utc>>, Halt> {
    Ok(view.holdings()?.unended(product, view.at()).map(|held| held.ends_at).max())
}

/// The newest license bought is the current one.
fn license(
    view: &mut View<'_>,
    order: OrderId,
    product: ProductId,
    terms: &LicenseTerms,
    key: Option<&LicenseKey>,
) -> Result<Delivered, Halt> {
    let (license, holdings) = (LicenseId::of_order(order), AggregateId::holdings(view.account()));
    view.need([AggregateId::license(license), holdings])?;
    let LicenseTerms { uses, features } = *terms;
    let key = key.cloned().ok_or(LicenseError::NotSealed)?;
    let issue = LicenseCommand::Issue { order, product, key, uses, features };
    view.ask::<License>(AggregateId::license(license), &issue)?;
    let chosen = LicenseChosen { license, home: view.account() };
    view.ask::<Holdings>(holdings, &HoldingsCommand::ChooseLicense(chosen))?;
    Ok(Delivered::License(license))
}

fn grant(
    view: &mut View<'_>,
    order: OrderId,
    source: GrantSource,
    amount: Credits,
    valid_days: Option<u32>,
) -> Result<GrantId, Halt> {
    let grant = GrantId::of_order(order);
    // What would end beyond all time never expires.
    let expires_at = valid_days.and_then(|days| later(view.at(), days));
    let grant_it = CreditAccountCommand::Grant { grant, source, amount, expires_at, reason: None };
    view.ask::<CreditAccount>(AggregateId::credit_account(view.account()), &grant_it)?;
    Ok(grant)
}

/// A plan that the account subscribes to already, or comes to with its next period, is renewed; any other is started.
fn subscription(view: &mut View<'_>, order: OrderId, placed: &Placed, terms: PlanTerms) -> Result<Delivered, Halt> {
    let new = SubscriptionId::of_order(order);
    let credits = AggregateId::credit_account(view.account());
    view.need([AggregateId::subscription(new), AggregateId::holdings(view.account()), credits])?;
    let plan = Plan { product: placed.product, terms, price: placed.price };
    let subscription = match renewed_by(view, placed.product)? {
        Some(there) => {
            ask_subscription(view, there, &SubscriptionCommand::Renew { order, plan })?;
            there
        }
        None => {
            ask_subscription(view, new, &SubscriptionCommand::Start { order, plan })?;
            new
        }
    };
    grant(view, order, GrantSource::SubscriptionPeriod, terms.credits, terms.valid_days)?;
    Ok(Delivered::Subscription(subscription))
}

/// The one that comes to this plan with its next period, before one that has it now.
fn renewed_by(view: &View<'_>, product: ProductId) -> Result<Option<SubscriptionId>, Halt> {
    let live = view.holdings()?.subscriptions();
    view.need(live.iter().copied().map(AggregateId::subscription))?;
    let mut present = None;
    for id in live.iter().copied() {
        let state = view.read::<Subscription>(AggregateId::subscription(id))?;
        let is = |plan: Option<&Plan>| plan.is_some_and(|plan| plan.product == product);
        if state.is_live_at(view.at()) && is(state.next_plan()) {
            return Ok(Some(id));
        }
        if state.is_live_at(view.at()) && is(state.plan()) {
            present = present.or(Some(id));
        }
    }
    Ok(present)
}

/// The difference that was sold is granted at once, and the period stays: also where another change was paid before
/// this one, or the subscription has ended. A plan that has become another one meanwhile is left only for a dearer one.
fn plan_change(
    view: &mut View<'_>,
    order: OrderId,
    product: ProductId,
    change: &PlanChangeTerms,
) -> Result<Delivered, Halt> {
    let PlanChangeTerms { subscription, plan: terms, price, from, credits } = *change;
    let id = AggregateId::subscription(subscription);
    view.need([id, AggregateId::holdings(view.account()), AggregateId::credit_account(view.account())])?;
    let state = view.read::<Subscription>(id)?;
    let is_better = |present: &Plan| present.product == from || present.price.minor() < price.minor();
    if state.is_live_at(view.at()) && state.plan().is_some_and(is_better) {
        let plan = Plan { product, terms, price };
        ask_subscription(view, subscription, &SubscriptionCommand::ChangePlan { order: Some(order), plan })?;
    }
    if !credits.is_zero() {
        grant(view, order, GrantSource::SubscriptionPeriod, credits, terms.valid_days)?;
    }
    Ok(Delivered::PlanChange(subscription))
}
