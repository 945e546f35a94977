//! What a provider's notification says has happened, as commands. The same news again is the same command.
//!
//! News names its order by whichever name the provider has for it; all of them are claimed in the commit that makes them
//! known, so that none of them is ever looked for in something that lags.

use std::sync::Arc;

use aggregates::order::{Delivered, OrderError};
use aggregates::{
    AccountId, AggregateId, OrderCommand, OrderId, OrderNumber, Payment, Refusal, State, SubscriptionId, reason,
};

use super::payment::PaymentNotice;
use super::refund::{self, RefundNotice};
use super::sale::REFERENCE_CLAIM;
use super::{Actor, DispatchError, Dispatcher, Renewal, ids};
use crate::providers::{News, OrderName, OrderRef, PaidNews, Provider, RefundedNews};
use crate::store::{ExecuteError, Receipt};

const ACTOR: &str = "notifications";
/// How often a provider is told anew while a subscription changes; each change asks for telling it as well.
const TOLD_MAX: usize = 3;

/// An order that was found by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub account: AccountId,
    pub order: OrderId,
    pub number: OrderNumber,
}

/// What came of news.
#[derive(Debug, Clone)]
pub enum Heard {
    /// It is in the log, or was before.
    Recorded(Named, Vec<Receipt>),
    /// The provider was asked, and knew nothing more than the ledger.
    NothingNew(Named),
    Nothing(&'static str),
    ForReview(String),
}

impl Dispatcher {
    /// The order that a provider calls so.
    ///
    /// # Errors
    /// When there is none, or the store cannot say.
    pub async fn order_named(&self, provider: &str, name: &OrderName) -> Result<Named, DispatchError> {
        let (kind, key) = match name {
            OrderName::Number(number) => return self.find_order(number).await,
            OrderName::Reference(reference) => (REFERENCE_CLAIM, format!("{provider}:{reference}")),
            OrderName::Payment(payment) => (super::payment::CLAIM, format!("{provider}:{payment}")),
            OrderName::Refund(refund) => (refund::CLAIM, refund::claimed_as(provider, refund)),
        };
        let holder = self.store.find_key(kind, &key).await?;
        let (account, order) = holder.ok_or(DispatchError::NotFound("order"))?;
        let order = OrderId::from_uuid(order);
        let number = self.order(&account, order).await?.placed()?.number.clone();
        Ok(Named { account, order, number })
    }

    /// The order of this number, or the one that some provider calls so.
    ///
    /// # Errors
    /// When there is none, or the store cannot say.
    pub async fn order_by_any_name(&self, name: &str) -> Result<Named, DispatchError> {
        if let Ok(number) = name.parse() {
            return self.order_named("", &OrderName::Number(number)).await;
        }
        for provider in self.providers.names() {
            match self.order_named(provider, &OrderName::Reference(name.to_owned())).await {
                Err(DispatchError::NotFound(_)) => {}
                found => return found,
            }
        }
        Err(DispatchError::NotFound("order"))
    }

    /// Takes news of a provider. `notification` names where it was said: the same notification says the same thing.
    ///
    /// # Errors
    /// When what it is about is not there, the provider does not answer, or the store refuses or cannot record it.
    pub async fn take_news(&self, provider: &str, notification: &str, news: News) -> Result<Heard, DispatchError> {
        match news {
            News::Nothing(why) => Ok(Heard::Nothing(why)),
            News::ForReview(why) => Ok(Heard::ForReview(why)),
            News::Paid(paid) => self.paid(provider, paid).await,
            News::PeriodPaid(paid) => self.period_paid(provider, paid).await,
            News::Refunded(refunded) => self.refunded(provider, refunded).await,
            News::RefundFailed { order, refund, reason } => {
                let named = self.order_named(provider, &order).await?;
                self.refund_failed(named, notification, &refund, &reason).await
            }
            News::CollectsNoMore(order) => {
                let named = self.order_named(provider, &order).await?;
                self.collects_no_more(named, notification).await
            }
            News::Ask(order) => self.ask_about(self.order_named(provider, &order).await?).await,
        }
    }

    async fn paid(&self, provider: &str, paid: PaidNews) -> Result<Heard, DispatchError> {
        let named = self.order_named(provider, &paid.order).await?;
        self.paid_for(provider, named, paid).await
    }

    async fn paid_for(&self, provider: &str, named: Named, paid: PaidNews) -> Result<Heard, DispatchError> {
        let PaidNews { payment_id, amount, method, .. } = paid;
        let payment = Payment { provider: provider.to_owned(), payment_id, amount, method };
        let taken = self.take_payment_of(&named, payment).await?;
        Ok(Heard::Recorded(named, vec![taken.receipt]))
    }

    /// The first period pays the order, by whichever payment comes first; every other payment is a further period.
    async fn period_paid(&self, provider: &str, paid: PaidNews) -> Result<Heard, DispatchError> {
        let named = self.order_named(provider, &paid.order).await?;
        let order = self.order(&named.account, named.order).await?;
        let pays_it =
            |payment: &Payment| (payment.provider.as_str(), &payment.payment_id) == (provider, &paid.payment_id);
        match (order.payment(), order.delivered()) {
            (Some(known), Some(Delivered::Subscription(subscription))) if !pays_it(known) => {
                let renewal = Renewal { provider: provider.to_owned(), payment_id: paid.payment_id };
                let taken = self.renew(&named.account, subscription, &renewal, Some(paid.amount)).await?;
                Ok(Heard::Recorded(named, vec![taken.receipt]))
            }
            (Some(_), _) => self.paid_for(provider, named, paid).await,
            (None, _) => self.first_period(provider, named, paid).await,
        }
    }

    /// Another period may be taken at the same time; then this one is a further one.
    async fn first_period(&self, provider: &str, named: Named, paid: PaidNews) -> Result<Heard, DispatchError> {
        let PaidNews { payment_id, amount, method, .. } = paid;
        let payment = Payment { provider: provider.to_owned(), payment_id: payment_id.clone(), amount, method };
        match self.take_first_payment(&named, payment).await {
            Ok(taken) => Ok(Heard::Recorded(named, vec![taken.receipt])),
            Err(DispatchError::Execute(ExecuteError::Refused(Refusal::Order(OrderError::NotPending { .. })))) => {
                let order = self.order(&named.account, named.order).await?;
                let Some(Delivered::Subscription(subscription)) = order.delivered() else {
                    return Ok(Heard::ForReview("a period was paid of what is no subscription".to_owned()));
                };
                let renewal = Renewal { provider: provider.to_owned(), payment_id };
                let taken = self.renew(&named.account, subscription, &renewal, Some(amount)).await?;
                Ok(Heard::Recorded(named, vec![taken.receipt]))
            }
            Err(error) => Err(error),
        }
    }

    async fn refunded(&self, provider: &str, news: RefundedNews) -> Result<Heard, DispatchError> {
        let named = self.order_of_refund(provider, &news).await?;
        let order = self.order(&named.account, named.order).await?;
        let RefundedNews { payment_id, refund, amount, provider_refund, reason, .. } = news;
        let payment_id = match payment_id.or_else(|| order.payment().map(|payment| payment.payment_id.clone())) {
            Some(payment_id) => payment_id,
            None => return Err(aggregates::order::OrderError::NoSuchPayment.into()),
        };
        let notice = RefundNotice {
            order: named.number.clone(),
            provider: provider.to_owned(),
            payment_id,
            refund,
            amount,
            provider_refund,
            reason: reason.as_deref().map(reason::from_outside),
        };
        let by_our_number = self.provider_called(provider)?.refunds_by_our_number();
        let notice = if by_our_number { notice } else { refund::as_known(&order, notice) };
        let receipt = self.take_refund(notice).await?;
        Ok(Heard::Recorded(named, vec![receipt]))
    }

    /// A further period was paid in an order of its own, and a provider may name the one that began it all.
    async fn order_of_refund(&self, provider: &str, news: &RefundedNews) -> Result<Named, DispatchError> {
        if let Some(payment_id) = &news.payment_id {
            match self.order_named(provider, &OrderName::Payment(payment_id.clone())).await {
                Err(DispatchError::NotFound(_)) => {}
                found => return found,
            }
        }
        self.order_named(provider, &news.order).await
    }

    async fn refund_failed(
        &self,
        named: Named,
        notification: &str,
        number: &str,
        why: &str,
    ) -> Result<Heard, DispatchError> {
        let refund = refund::our_refund(number).ok_or(DispatchError::NotFound("refund"))?;
        let command = OrderCommand::RefundRefused { refund, reason: reason::from_outside(why) };
        let words = [&*refund.to_string(), "failed there", notification];
        self.record_refund(&named.account, named.order, &words, command).await?;
        Ok(Heard::Recorded(named, vec![]))
    }

    /// The period that was paid for is still the customer's.
    async fn collects_no_more(&self, named: Named, notification: &str) -> Result<Heard, DispatchError> {
        let order = self.order(&named.account, named.order).await?;
        let Some(Delivered::Subscription(subscription)) = order.delivered() else {
            return Ok(Heard::Nothing("the order has delivered no subscription"));
        };
        if !self.is_live(&named.account, subscription).await? {
            return Ok(Heard::Nothing("the subscription has ended"));
        }
        let id = ids::derived("collects_no_more", &[&named.number.to_string(), notification]);
        let actor = Actor::system(ACTOR);
        let receipt = self.cancel_subscription(&named.account, &actor, id, subscription, (false, None)).await?;
        Ok(Heard::Recorded(named, vec![receipt]))
    }

    async fn is_live(&self, account: &AccountId, subscription: SubscriptionId) -> Result<bool, DispatchError> {
        let state = self.look(account, AggregateId::subscription(subscription)).await?;
        Ok(matches!(state, State::Subscription(state) if state.is_live()))
    }

    /// All that the provider knows of an order is taken.
    async fn ask_about(&self, named: Named) -> Result<Heard, DispatchError> {
        let compared = self.compare(&named.number, None).await?;
        let receipts: Vec<Receipt> = compared.payments.into_iter().chain(compared.refunds).collect();
        Ok(if receipts.is_empty() { Heard::NothingNew(named) } else { Heard::Recorded(named, receipts) })
    }

    /// Who collects a subscription's periods by themselves, and the orders by which they know it: it may have been bought
    /// again while it ran, with another provider.
    async fn collectors(
        &self,
        account: &AccountId,
        state: &State,
    ) -> Result<Vec<(Arc<dyn Provider>, OrderRef)>, DispatchError> {
        let State::Subscription(state) = state else { return Err(DispatchError::NotFound("subscription")) };
        let mut collectors = Vec::new();
        for order in state.paid_orders() {
            let order = self.order(account, order).await?;
            let placed = order.placed()?;
            // Nobody was sent anywhere to pay for a renewal.
            if order.checkout().is_none() {
                continue;
            }
            // One that is not set up any more can be neither asked nor told.
            if let Some(provider) = self.providers.get(&placed.provider).filter(|provider| provider.collects()) {
                collectors.push((provider, refund::order_ref(placed, &order)));
            }
        }
        Ok(collectors)
    }

    /// Asks who collects the periods of a subscription for the last one that they have, and takes it unless it is known:
    /// what was said of it may have got lost. Answers whether there is anybody to ask.
    ///
    /// # Errors
    /// When there is no such subscription, a provider does not answer, or the store cannot record the period.
    pub async fn ask_collectors(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
    ) -> Result<bool, DispatchError> {
        let state = self.look(account, AggregateId::subscription(subscription)).await?;
        let collectors = self.collectors(account, &state).await?;
        for (provider, order) in &collectors {
            let asked = provider.last_period(order).await;
            let asked = asked.map_err(|source| DispatchError::Provider { order: order.number.to_string(), source })?;
            let Some(PaymentNotice { payment: Payment { provider, payment_id, amount, .. }, .. }) = asked else {
                continue;
            };
            let name = format!("{provider}:{payment_id}");
            if self.store.find_key(super::payment::CLAIM, &name).await?.is_none() {
                self.renew(account, subscription, &Renewal { provider, payment_id }, Some(amount)).await?;
            }
        }
        Ok(!collectors.is_empty())
    }

    /// Who collects the periods of a subscription goes on or collects no more, as the subscription says now.
    ///
    /// # Errors
    /// When there is no such subscription, or a provider does not answer.
    pub async fn tell_collectors(
        &self,
        account: &AccountId,
        subscription: SubscriptionId,
    ) -> Result<(), DispatchError> {
        let state = self.look(account, AggregateId::subscription(subscription)).await?;
        let collectors = self.collectors(account, &state).await?;
        let mut stop = is_to_stop(&state);
        for _ in 0..TOLD_MAX {
            for (provider, order) in &collectors {
                let told = provider.stop_collecting(order, stop).await;
                told.map_err(|source| DispatchError::Provider { order: order.number.to_string(), source })?;
            }
            // Whoever changed it meanwhile may have told the provider before this did.
            let now = is_to_stop(&self.look(account, AggregateId::subscription(subscription)).await?);
            if now == stop {
                return Ok(());
            }
            stop = now;
        }
        Ok(())
    }
}

fn is_to_stop(state: &State) -> bool {
    match state {
        State::Subscription(state) => !state.is_live() || state.is_cancel_scheduled(),
        _ => true,
    }
}
