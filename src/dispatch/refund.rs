//! Money that goes back: asked for, tried, done. What a provider says of it becomes one command; the same news again is the
//! same command.
//!
//! A refund has one number at its provider, whatever becomes of the attempts: [`refund_number`].

use std::sync::Arc;

use aggregates::order::Placed;
use aggregates::{
    AccountId, AggregateId, Command, CommandId, Money, Order, OrderCommand, OrderId, OrderNumber, Payment, Refund,
    RefundId, RefundStage, RequestRefund, TakeRefund,
};
use uuid::Uuid;

use super::payment::{PaymentNotice, Taken};
use super::usage::key_claim;
use super::{Actor, Ask, DispatchError, Dispatcher, Named, ids};
use crate::providers::OrderRef;
use crate::store::{Claim, Receipt, RequestHash};

const PREFIX: &str = "RF";
const ACTOR: &str = "refunds";
/// What a refund that was asked for is called at its provider.
pub(super) const CLAIM: &str = "refund";

/// A provider says that this went back of what was paid for that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundNotice {
    pub order: OrderNumber,
    pub provider: String,
    pub payment_id: String,
    /// The number that we gave it, or one of the provider's own.
    pub refund: String,
    pub amount: Money,
    pub provider_refund: Option<String>,
    pub reason: Option<String>,
}

/// What an order's provider knew that the ledger did not.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    pub payments: Vec<Receipt>,
    pub refunds: Vec<Receipt>,
}

/// An order as its provider can be asked about it.
#[must_use]
pub fn order_ref(placed: &Placed, order: &Order) -> OrderRef {
    let reference = order.checkout().and_then(|checkout| checkout.reference.clone());
    OrderRef { number: placed.number.clone(), reference, price: placed.price }
}

/// What a provider knows a refund by.
#[must_use]
pub fn refund_number(refund: RefundId) -> String {
    format!("{PREFIX}{}", refund.uuid().simple())
}

fn refund_id(notice: &RefundNotice) -> RefundId {
    let theirs = || ids::derived("announced_refund", &[&notice.provider, &notice.refund]).uuid();
    our_refund(&notice.refund).unwrap_or_else(|| RefundId::from_uuid(theirs()))
}

/// The name of a refund of all of a payment, so that it is found by it.
pub(super) fn named(order: OrderId, (provider, payment_id): &(String, String)) -> Claim {
    let refund = RefundId::of_payment(order, provider, payment_id);
    Claim { kind: CLAIM, key: refund_number(refund), aggregate: AggregateId::order(order) }
}

/// Our numbers are ours alone; other names are those of one provider.
pub(super) fn claimed_as(provider: &str, name: &str) -> String {
    if our_refund(name).is_some() { name.to_owned() } else { format!("{provider}:{name}") }
}

/// `None`: no number of ours.
pub(super) fn our_refund(number: &str) -> Option<RefundId> {
    number.strip_prefix(PREFIX).and_then(|digits| Uuid::try_parse(digits).ok()).map(RefundId::from_uuid)
}

/// What was paid under this name, and what of it has not gone back as far as the ledger knows.
fn left_of(order: &Order, provider: &str, payment_id: &str) -> Option<(Money, Money)> {
    let is_it = |other: &str, id: &str| (other, id) == (provider, payment_id);
    let paid = order.payments().find(|paid| is_it(&paid.provider, &paid.payment_id))?.amount;
    let done = order.refunds().iter().filter(|refund| refund.stage == RefundStage::Done);
    let done = done.filter(|refund| is_it(&refund.provider, &refund.payment_id));
    let left = done.fold(paid.minor(), |left, refund| left.saturating_sub(refund.amount.minor()));
    Some((paid, Money::from_minor(left, paid.currency())))
}

/// A provider that has never heard of our numbers, or only knows that all went back, tells of a refund by a name of its own:
/// one that was asked for here, of this payment and amount, is meant, if there is one that it has not told of.
pub(super) fn as_known(order: &Order, notice: RefundNotice) -> RefundNotice {
    let theirs = notice.provider_refund.clone().unwrap_or_else(|| notice.refund.clone());
    let is_meant = |refund: &&Refund| {
        let told = refund.provider_refund.as_ref().is_none_or(|told| *told == theirs);
        let stands = match refund.stage {
            RefundStage::Requested | RefundStage::Failing | RefundStage::GivenUp | RefundStage::Done => true,
            RefundStage::Refused => false,
        };
        let same = (&refund.provider, &refund.payment_id) == (&notice.provider, &notice.payment_id);
        told && stands && same && refund.amount == notice.amount
    };
    let known = order.refunds().iter().find(is_meant).map(|refund| refund_number(refund.id));
    RefundNotice { refund: known.unwrap_or(notice.refund), provider_refund: Some(theirs), ..notice }
}

/// A provider that only knows that all of a payment went back says so also where parts of it have been recorded: what is
/// new then is the rest, or nothing.
fn beside_what_is_known(notice: RefundNotice, left: Option<(Money, Money)>) -> Option<RefundNotice> {
    match left {
        Some((paid, left)) if notice.amount == paid => {
            Some(RefundNotice { amount: left, ..notice }).filter(|_| !left.is_zero())
        }
        _ => Some(notice),
    }
}

impl Dispatcher {
    /// # Errors
    /// When it may not go back, or the store cannot record it.
    pub async fn request_refund(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        order: OrderId,
        ask: RequestRefund,
    ) -> Result<Receipt, DispatchError> {
        let commands = vec![Command::Order(order, OrderCommand::RequestRefund(ask.clone()))];
        let named = Claim { kind: CLAIM, key: refund_number(ask.refund), aggregate: AggregateId::order(order) };
        self.ask(Ask {
            account: account.clone(),
            actor: actor.clone(),
            id,
            hash: RequestHash::of(&serde_json::to_vec(&commands)?),
            decision: Arc::new(commands),
            claims: actor.key_claim(account, id).into_iter().chain([named]).collect(),
            about: None,
        })
        .await
    }

    /// Records that money went back, and takes back what it paid for, in one commit. An answer without an error means
    /// that it is in the log.
    ///
    /// # Errors
    /// When there is no such order or payment, more went back than was paid, or the store cannot record it.
    pub async fn take_refund(&self, notice: RefundNotice) -> Result<Receipt, DispatchError> {
        let Named { account, order, .. } = self.find_order(&notice.order).await?;
        let refund = refund_id(&notice);
        let RefundNotice { provider, payment_id, refund: name, amount, provider_refund, reason, .. } = notice;
        let (minor, currency) = (amount.minor().to_string(), amount.currency());
        let words = [&*order.to_string(), &*refund.to_string(), &provider, &payment_id, &minor, currency.code()];
        let id = ids::derived("refunded", &words);
        // Told again by no other name than this, it is found.
        let named = Claim { kind: CLAIM, key: claimed_as(&provider, &name), aggregate: AggregateId::order(order) };
        let take = TakeRefund { order, refund, provider: Some(provider), payment_id, amount, provider_refund, reason };
        self.say_once(&account, id, Command::TakeRefund(take), vec![named]).await
    }

    /// Words may differ from one time to the next, so they are not part of what is the same.
    async fn say_once(
        &self,
        account: &AccountId,
        id: CommandId,
        command: Command,
        claims: Vec<Claim>,
    ) -> Result<Receipt, DispatchError> {
        self.ask(Ask {
            account: account.clone(),
            actor: Actor::system(ACTOR),
            id,
            hash: RequestHash::of(id.uuid().as_bytes()),
            decision: Arc::new(vec![command]),
            claims,
            about: None,
        })
        .await
    }

    /// What became of an attempt. `words` and the refund make the command's id: the same news is recorded once.
    ///
    /// # Errors
    /// When there is no such refund, or the store cannot record it.
    pub async fn record_refund(
        &self,
        account: &AccountId,
        order: OrderId,
        words: &[&str],
        command: OrderCommand,
    ) -> Result<(), DispatchError> {
        let id = ids::derived("refund", &[&[&*order.to_string()], words].concat());
        self.say_once(account, id, Command::Order(order, command), vec![]).await.map(|_| ())
    }

    /// Asks a provider what went back of a payment, and takes what is not recorded. Answers the receipts of that. Once all
    /// of it has gone back there is nothing to ask.
    ///
    /// # Errors
    /// When there is no such order, its provider does not answer, or what it says cannot be recorded.
    pub async fn take_refunds_of(
        &self,
        number: &OrderNumber,
        provider: &str,
        payment_id: &str,
    ) -> Result<Vec<Receipt>, DispatchError> {
        let state = self.order_called(number).await?;
        if left_of(&state, provider, payment_id).is_some_and(|(_, left)| left.is_zero()) {
            return Ok(vec![]);
        }
        let asked = self.provider_called(provider)?.refunds(&order_ref(state.placed()?, &state), payment_id).await;
        let known = asked.map_err(|source| DispatchError::Provider { order: number.to_string(), source })?;
        // What was recorded while the provider was asked counts as well.
        let state = self.order_called(number).await?;
        let is_done = |notice: &RefundNotice| {
            state.refund(refund_id(notice)).is_ok_and(|refund| refund.stage == RefundStage::Done)
        };
        let mut receipts = Vec::new();
        for notice in known.into_iter().filter(|notice| !is_done(notice)) {
            let is_all = left_of(&state, provider, payment_id).is_some_and(|(paid, _)| notice.amount == paid);
            // All of it can go back only once, so a refund of all that was asked for here is the same.
            let notice = if is_all && our_refund(&notice.refund).is_none() { as_known(&state, notice) } else { notice };
            let Some(notice) = beside_what_is_known(notice, left_of(&state, provider, payment_id)) else { continue };
            let receipt = self.take_refund(notice).await?;
            receipts.extend(Some(receipt).filter(|receipt| !receipt.events.is_empty()));
        }
        Ok(receipts)
    }

    /// Asks the provider for all money that it has for an order, and for all that went back of what the ledger knows of;
    /// takes what is missing, as its notices would have told. `key` is the client's own word for the request, where it
    /// sent one: it names the order, for there may be several payments to take.
    ///
    /// # Errors
    /// When there is no such order, its provider does not answer, the key was used for something else, or what the
    /// provider says cannot be recorded.
    pub async fn compare(&self, number: &OrderNumber, key: Option<CommandId>) -> Result<Compared, DispatchError> {
        let state = self.order_called(number).await?;
        let placed = state.placed()?;
        let asked = self.provider_called(&placed.provider)?.payments(&order_ref(placed, &state)).await;
        let paid = asked.map_err(|source| DispatchError::Provider { order: number.to_string(), source })?;
        let is_known = |notice: &PaymentNotice| {
            let name = |payment: &Payment| (payment.provider.clone(), payment.payment_id.clone());
            state.payments().any(|known| name(known) == name(&notice.payment))
        };
        let mut compared = Compared::default();
        for notice in paid.into_iter().filter(|notice| !is_known(notice)) {
            let claim = key.map(|key| key_claim(key, ids::derived("compare", &[number.as_str()])));
            compared.payments.push(self.take_payment_by(notice, |_| claim).await?.receipt);
        }
        for Payment { provider, payment_id, .. } in self.order_called(number).await?.payments() {
            compared.refunds.extend(self.take_refunds_of(number, provider, payment_id).await?);
        }
        Ok(compared)
    }

    async fn order_called(&self, number: &OrderNumber) -> Result<Order, DispatchError> {
        let named = self.find_order(number).await?;
        self.order(&named.account, named.order).await
    }

    /// Asks the provider about an order that is not paid, and takes the payment that it knows of. `None`: there is none,
    /// or the order is paid already. `key` is the client's own word for the request, where it sent one.
    ///
    /// # Errors
    /// When there is no such order, its provider does not answer, the key was used for something else, or the payment
    /// cannot be taken.
    pub async fn reconcile(
        &self,
        number: &OrderNumber,
        key: Option<CommandId>,
    ) -> Result<Option<Taken>, DispatchError> {
        let state = self.order_called(number).await?;
        if state.payment().is_some() {
            return Ok(None);
        }
        let placed = state.placed()?;
        let asked = self.provider_called(&placed.provider)?.payments(&order_ref(placed, &state)).await;
        let paid = asked.map_err(|source| DispatchError::Provider { order: number.to_string(), source })?;
        match paid.into_iter().next() {
            None => Ok(None),
            Some(notice) => {
                let payment_id = notice.payment.payment_id.clone();
                let taken = self.take_payment_by(notice, |id| key.map(|key| key_claim(key, id))).await?;
                // It may have gone back already. Where that cannot be told now it is asked again later.
                match self.take_refunds_of(number, &placed.provider, &payment_id).await {
                    Ok(_) | Err(DispatchError::Provider { .. }) => Ok(Some(taken)),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_the_rest_of_what_is_known() {
        let yuan = |minor| Money::from_minor(minor, "CNY".parse().unwrap());
        let told = |amount, left| {
            let notice = RefundNotice {
                order: "ORD202601050607090000beef".parse().unwrap(),
                provider: "example".to_owned(),
                payment_id: "p".to_owned(),
                refund: "closed:p".to_owned(),
                amount: yuan(amount),
                provider_refund: None,
                reason: None,
            };
            beside_what_is_known(notice, left).map(|notice| notice.amount.minor())
        };
        assert_eq!(told(3_000, Some((yuan(3_000), yuan(3_000)))), Some(3_000));
        assert_eq!(told(3_000, Some((yuan(3_000), yuan(1_000)))), Some(1_000));
        assert_eq!(told(3_000, Some((yuan(3_000), yuan(0)))), None);
        // A part is what it is; whether it fits is for the order to say.
        assert_eq!(told(2_000, Some((yuan(3_000), yuan(1_000)))), Some(2_000));
        assert_eq!(told(2_000, None), Some(2_000));
    }
}
