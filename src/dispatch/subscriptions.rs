//! Subscriptions: canceled, resumed, moved to another plan, renewed by their provider, and over.
//!
//! ```text
//!   change of plan ──► the policy of the plan that is wanted
//!     next cycle ───────────────────────► it waits for the next period
//!     at once, and not dearer ──────────► changed; this period's credits stay
//!     at once, and dearer ──────────────► an order of the difference; its payment changes the plan
//! ```
//!
//! A renewal that a provider announces is an order like any other: placed and paid in one go, under ids that follow from
//! the payment, so that the same news is one order.

use std::sync::Arc;

use aggregates::customer::CustomerError;
use aggregates::order::Placed;
use aggregates::subscription::{Plan, SubscriptionError};
use aggregates::{
    AccountId, AccountKey, AggregateId, Command, CommandId, Event, Money, OrderCommand, OrderId, OrderNumber, Payment,
    PlaceOrder, PlanChangeTerms, Product, ProductId, ProductKind, Refusal, RenewalTerms, State, Subscription,
    SubscriptionCommand, SubscriptionEvent, SubscriptionId, SubscriptionStatus, UpgradePolicy, reason,
};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::erasure::UnlessErased;
use super::licenses::unless_erased;
use super::sale::{CLAIM, placed_in};
use super::{Actor, Ask, Buyer, DispatchError, Dispatcher, Opening, PaymentNotice, Sale, Taken, ids};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};

const REASON_PURPOSE: &str = "subscription.reason";
/// See `sale.rs`.
const NUMBERS_TRIED_MAX: usize = 3;

/// What became of the wish for another plan.
#[derive(Debug, Clone)]
pub enum PlanChange {
    /// With the next period; or it is the present plan, and stays.
    NextCycle(Receipt),
    /// Now.
    Immediate(Receipt),
    /// Once the difference is paid.
    Unpaid(Box<Sale>),
}

/// A provider collected what a further period costs.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub provider: String,
    pub payment_id: String,
}

/// A copy of what is sold, without its number.
struct Copy {
    product: ProductId,
    kind: ProductKind,
    price: Money,
    provider: String,
}

impl Opening<'_> {
    /// Why a customer canceled, in clear, for their own eyes and an operator's. `None`: they were erased.
    ///
    /// # Errors
    /// When the log or the vault cannot be asked.
    pub async fn reason(&mut self, account: AccountKey, sealed: &str) -> Result<Option<String>, DispatchError> {
        if self.is_erased(account).await? {
            return Ok(None);
        }
        let reason = unless_erased(self.dispatch.vault.open(account, REASON_PURPOSE, sealed).await)?;
        Ok(reason.map(|reason| reason.expose_secret().to_owned()))
    }
}

impl Dispatcher {
    /// Cancels it. Why is said in the customer's own words, so it is kept as what they can be forgotten by.
    ///
    /// # Errors
    /// When there is no such subscription in this account, it has expired, the reason is not one, or the store cannot
    /// record it.
    pub async fn cancel_subscription(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        subscription: SubscriptionId,
        (now, reason): (bool, Option<&str>),
    ) -> Result<Receipt, DispatchError> {
        // Sealed anew the same words look like others, so what makes a repeat the same request is their digest.
        let (sealed, digest) = match reason {
            Some(reason) => {
                reason::check(reason).map_err(|bad| Refusal::from(SubscriptionError::from(bad)))?;
                let digest = self.vault.digest(account.key(), reason).await?;
                (Some(self.vault.seal(account.key(), REASON_PURPOSE, reason).await?), digest)
            }
            None => (None, String::new()),
        };
        let hash = RequestHash::of(&serde_json::to_vec(&("cancel", subscription, now, digest))?);
        let cancel = SubscriptionCommand::Cancel { now, sealed };
        self.ask(Ask {
            account: account.clone(),
            actor: actor.clone(),
            id,
            hash,
            decision: Arc::new(vec![Command::Subscription(subscription, cancel)]),
            claims: actor.key_claim(account, id).into_iter().collect(),
            about: None,
        })
        .await
    }

    /// Takes a cancellation back.
    ///
    /// # Errors
    /// When there is no such subscription in this account, it has ended, or the store cannot record it.
    pub async fn ask_subscription(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        subscription: SubscriptionId,
        command: SubscriptionCommand,
    ) -> Result<Receipt, DispatchError> {
        self.execute(account, actor, id, vec![Command::Subscription(subscription, command)]).await
    }

    /// # Errors
    /// When the plan is not on sale in the subscription's currency, the subscription has ended or a better plan is wanted
    /// while it is past due, the provider is silent, or the store cannot record it.
    pub async fn change_plan(
        &self,
        buyer: &Buyer,
        id: CommandId,
        subscription: SubscriptionId,
        product: ProductId,
    ) -> Result<PlanChange, DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(&("change_plan", subscription, product))?);
        // Before the catalogue is asked: what was wanted then need not be on sale now.
        if let Some(first) = self.store.recorded(&buyer.account, id).await? {
            let same = Some(first.receipt).filter(|_| first.request_hash == hash);
            return self.plan_change(buyer, same.ok_or(ExecuteError::CommandReused(id))?).await;
        }
        let state = self.subscription(&buyer.account, subscription).await?;
        let present = *state.plan().ok_or(Refusal::from(SubscriptionError::NotStarted))?;
        let content = self.offer(product).await?;
        let ProductKind::Subscription(terms) = content.kind else {
            return Err(DispatchError::NotFound("plan"));
        };
        let currency = present.price.currency();
        let price = content.price_in(currency).ok_or(Refusal::from(SubscriptionError::OtherCurrency))?;
        let plan = Plan { product, terms, price };
        let immediate = terms.upgrade_policy == UpgradePolicy::Immediate && product != present.product;
        let dearer = price.minor() > present.price.minor();
        let receipt = match (immediate, dearer) {
            (true, true) => {
                if self.is_erased(&buyer.account).await? {
                    return Err(Refusal::from(CustomerError::Erased).into());
                }
                let of = self.difference(&buyer.account, &state, subscription, plan).await?;
                self.place_copy(&buyer.account, &buyer.actor, id, hash, of).await?
            }
            (true, false) => {
                let change = SubscriptionCommand::ChangePlan { order: None, plan };
                self.change(buyer, id, hash, subscription, change).await?
            }
            (false, _) => {
                let change = SubscriptionCommand::ScheduleChange { plan };
                self.change(buyer, id, hash, subscription, change).await?
            }
        };
        self.plan_change(buyer, receipt).await
    }

    /// Records that the paid period, or the grace after it, is over.
    ///
    /// # Errors
    /// When it is not, or the store cannot record it.
    pub async fn end_period(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
        due: DateTime<Utc>,
    ) -> Result<Receipt, DispatchError> {
        let id = ids::derived("subscription_period", &[&subscription.to_string(), &due.to_rfc3339()]);
        let command = Command::Subscription(subscription, SubscriptionCommand::PeriodOver);
        self.execute(account, &Actor::system("subscription_periods"), id, vec![command]).await
    }

    /// Places the order of a further period and takes its payment in it. Money that comes after the end starts the plan
    /// anew.
    ///
    /// # Errors
    /// When there is no such subscription in this account, the payment belongs to something else, or the store cannot
    /// record it.
    pub async fn renew(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
        renewal: &Renewal,
        amount: Option<Money>,
    ) -> Result<Taken, DispatchError> {
        let placed = self.place_renewal(account, subscription, renewal).await?;
        let Renewal { provider, payment_id } = renewal.clone();
        let payment = Payment { provider, payment_id, amount: amount.unwrap_or(placed.price), method: None };
        self.take_payment(PaymentNotice { order: placed.number, payment }).await
    }

    /// The order that a renewal pays: of the plan to come, at the price that was agreed on, one for each payment.
    ///
    /// # Errors
    /// When there is no such subscription in this account, or the store cannot record it.
    pub async fn place_renewal(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
        renewal: &Renewal,
    ) -> Result<Placed, DispatchError> {
        let Renewal { provider, payment_id } = renewal;
        let actor = Actor::system("renewals");
        let id = ids::derived("renewal", &[provider, payment_id]);
        let hash = RequestHash::of(&serde_json::to_vec(&("renew", subscription, provider, payment_id))?);
        let receipt = match self.store.recorded(account, id).await? {
            Some(first) if first.request_hash == hash => first.receipt,
            Some(_) => return Err(ExecuteError::CommandReused(id).into()),
            None => {
                let state = self.subscription(account, subscription).await?;
                let plan = *state.next_plan().ok_or(Refusal::from(SubscriptionError::NotStarted))?;
                let kind = ProductKind::Renewal(RenewalTerms { subscription, plan: plan.terms });
                let of = Copy { product: plan.product, kind, price: plan.price, provider: provider.clone() };
                self.place_copy(account, &actor, id, hash, of).await?
            }
        };
        self.placed(account, &receipt).await.map(|(_, placed)| placed)
    }

    async fn subscription(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
    ) -> Result<Subscription, DispatchError> {
        match self.look(account, AggregateId::subscription(subscription)).await? {
            State::Subscription(state) if state.status().is_some() => Ok(state),
            _ => Err(Refusal::from(SubscriptionError::NotStarted).into()),
        }
    }

    /// What an order of a better plan costs, and who collects it: who collected the last period.
    async fn difference(
        &self,
        account: &AccountId,
        state: &Subscription,
        subscription: SubscriptionId,
        plan: Plan,
    ) -> Result<Copy, DispatchError> {
        let not_started = || Refusal::from(SubscriptionError::NotStarted);
        let (present, period) = state.plan().zip(state.period()).ok_or_else(not_started)?;
        let now = self.clock.now();
        if !state.is_live_at(now) {
            return Err(Refusal::from(SubscriptionError::Ended).into());
        }
        if state.status() == Some(SubscriptionStatus::PastDue) || period.ends_at <= now {
            return Err(Refusal::from(SubscriptionError::PastDue).into());
        }
        let paid = match self.look(account, AggregateId::order(period.order)).await? {
            State::Order(order) => order.placed()?.provider.clone(),
            _ => return Err(DispatchError::NotFound("order")),
        };
        let price =
            plan.price.checked_sub(present.price).map_err(|_| Refusal::from(SubscriptionError::OtherCurrency))?;
        let Plan { product, terms, price: of_plan } = plan;
        let (from, credits) = (present.product, terms.credits.checked_sub(present.terms.credits).unwrap_or_default());
        let kind =
            ProductKind::PlanChange(PlanChangeTerms { subscription, plan: terms, price: of_plan, from, credits });
        Ok(Copy { product, kind, price, provider: paid })
    }

    async fn change(
        &self,
        buyer: &Buyer,
        id: CommandId,
        hash: RequestHash,
        subscription: SubscriptionId,
        change: SubscriptionCommand,
    ) -> Result<Receipt, DispatchError> {
        let (account, actor) = (buyer.account.clone(), buyer.actor.clone());
        let claims = actor.key_claim(&account, id).into_iter().collect();
        let decision = Arc::new(UnlessErased(vec![Command::Subscription(subscription, change)]));
        self.ask(Ask { account, actor, id, hash, decision, claims, about: None }).await
    }

    /// What a recorded wish has come to: its events say which way it went.
    async fn plan_change(&self, buyer: &Buyer, receipt: Receipt) -> Result<PlanChange, DispatchError> {
        if placed_in(&receipt).is_some() {
            let (order, placed) = self.placed(&buyer.account, &receipt).await?;
            return self
                .checkout_of(buyer, receipt, order, placed)
                .await
                .map(|sale| PlanChange::Unpaid(Box::new(sale)));
        }
        let changed = |event: &Event| matches!(event, Event::Subscription(SubscriptionEvent::PlanChanged(_)));
        Ok(match receipt.events.iter().any(|recorded| changed(&recorded.event)) {
            true => PlanChange::Immediate(receipt),
            false => PlanChange::NextCycle(receipt),
        })
    }

    async fn placed(&self, account: &AccountId, receipt: &Receipt) -> Result<(OrderId, Placed), DispatchError> {
        let order = placed_in(receipt).ok_or(DispatchError::NotFound("order"))?;
        match self.look(account, AggregateId::order(order)).await? {
            State::Order(state) => Ok((order, state.placed()?.clone())),
            _ => Err(DispatchError::NotFound("order")),
        }
    }

    /// An order at the terms of a subscription, not of the catalogue; the number is reserved.
    async fn place_copy(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        hash: RequestHash,
        of: Copy,
    ) -> Result<Receipt, DispatchError> {
        let name = match self.look(&AccountId::system(), AggregateId::product(of.product)).await? {
            State::Product(Product::Created { content, .. }) => content.name,
            _ => return Err(DispatchError::NotFound("product")),
        };
        let mut tried = 0;
        loop {
            let now = self.clock.now();
            let number = OrderNumber::new(now, rand::random());
            let order = OrderId::of_number(&number);
            let number_claim =
                Claim { kind: CLAIM, key: number.as_str().to_owned(), aggregate: AggregateId::order(order) };
            let place = OrderCommand::Place(PlaceOrder {
                number,
                product: of.product,
                name: name.clone(),
                kind: of.kind,
                time_zone: self.rules.time_zone,
                price: of.price,
                provider: of.provider.clone(),
                expires_at: now + self.rules.order_ttl,
            });
            let claims = actor.key_claim(account, id).into_iter().chain([number_claim]).collect();
            let (account, actor) = (account.clone(), actor.clone());
            let decision = Arc::new(vec![Command::Order(order, place)]);
            tried += 1;
            match self.ask(Ask { account, actor, id, hash, decision, claims, about: None }).await {
                Err(DispatchError::Execute(ExecuteError::KeyTaken { kind: CLAIM, .. }))
                    if tried < NUMBERS_TRIED_MAX => {}
                asked => return asked,
            }
        }
    }
}
