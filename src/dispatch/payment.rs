//! Money that arrived: a provider's verified notice, or its answer when asked, becomes one command. The same news again
//! is the same command, however many times and through how many processes it comes.

use std::sync::Arc;

use aggregates::order::{PaymentDuplicated, PaymentMismatched};
use aggregates::{
    AccountId, AggregateId, Command, Event, LicenseId, OrderCommand, OrderEvent, OrderId, OrderNumber, OrderStatus,
    Payment, ProductKind, State, TakePayment,
};

use super::{Actor, Ask, DispatchError, Dispatcher, ids, licenses};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};

const CLAIM: &str = "payment";
/// Two license keys are the same once in eighteen million million million.
const LICENSE_KEYS_TRIED_MAX: usize = 3;

/// A provider says that this was paid for that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentNotice {
    pub order: OrderNumber,
    pub payment: Payment,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Taken {
    pub receipt: Receipt,
    /// It was recorded for somebody to look at, and nothing was delivered for it.
    pub for_review: bool,
}

impl Dispatcher {
    /// Where an order lives.
    ///
    /// # Errors
    /// When there is no such order, or the store cannot say.
    pub async fn find_order(&self, number: &OrderNumber) -> Result<(AccountId, OrderId), DispatchError> {
        let holder = self.store.find_key(super::sale::CLAIM, number.as_str()).await?;
        let (account, order) = holder.ok_or(DispatchError::NotFound("order"))?;
        let account = self.store.account_id(account).await?.ok_or(DispatchError::NotFound("order"))?;
        Ok((account, OrderId::from_uuid(order)))
    }

    /// Takes a payment and delivers what was bought, in one commit. An answer without an error means that it is in the
    /// log.
    ///
    /// # Errors
    /// When there is no such order, this payment belongs to another one, or the store cannot record it.
    pub async fn take_payment(&self, notice: PaymentNotice) -> Result<Taken, DispatchError> {
        let (account, order) = self.find_order(&notice.order).await?;
        let PaymentNotice { payment, .. } = notice;
        let amount = payment.amount.minor().to_string();
        let id = ids::derived(
            "payment",
            &[&payment.provider, &payment.payment_id, notice.order.as_str(), &amount, payment.amount.currency().code()],
        );
        let key = format!("{}:{}", payment.provider, payment.payment_id);
        // How it was paid may be told differently from one notice to the next, so it is not part of what is the same.
        let hash = RequestHash::of(id.uuid().as_bytes());
        let paid = Claim { kind: CLAIM, key, aggregate: AggregateId::order(order) };
        let sells_license = self.sells_license(&account, order, &payment).await?;
        let mut tried = 0;
        let receipt = loop {
            let license_key = if sells_license { Some(self.new_license_key(&account).await?) } else { None };
            let issued = license_key.as_ref().map(|key| licenses::claim(key, LicenseId::of_order(order)));
            let command = Command::TakePayment(TakePayment { order, payment: payment.clone(), license_key });
            let asked = self
                .ask(Ask {
                    account: account.clone(),
                    actor: Actor::system("payments"),
                    id,
                    hash,
                    decision: Arc::new(vec![command]),
                    claims: [paid.clone()].into_iter().chain(issued).collect(),
                    about: None,
                })
                .await;
            tried += 1;
            match asked {
                Err(DispatchError::Execute(ExecuteError::KeyTaken { kind: licenses::CLAIM, .. }))
                    if tried < LICENSE_KEYS_TRIED_MAX => {}
                answer => break answer?,
            }
        };
        let for_review = receipt.events.iter().any(|recorded| is_for_review(&recorded.event));
        Ok(Taken { receipt, for_review })
    }

    /// Whether this payment may deliver a license: then it needs a key. What was paid before delivers nothing again, nor
    /// does what is for review.
    async fn sells_license(
        &self,
        account: &AccountId,
        order: OrderId,
        payment: &Payment,
    ) -> Result<bool, DispatchError> {
        let State::Order(state) = self.look(account, AggregateId::order(order)).await? else {
            return Err(DispatchError::NotFound("order"));
        };
        let placed = state.placed()?;
        let unpaid = match state.status()? {
            OrderStatus::Pending | OrderStatus::Expired | OrderStatus::Cancelled | OrderStatus::Failed => true,
            OrderStatus::Paid
            | OrderStatus::Fulfilled
            | OrderStatus::Refunding
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded => false,
        };
        let fits = (payment.amount, payment.provider.as_str()) == (placed.price, placed.provider.as_str());
        Ok(unpaid && fits && matches!(placed.kind, ProductKind::License(_)))
    }

    /// Ends an order that was not paid in time; its provider has been asked before.
    ///
    /// # Errors
    /// When it may not expire now, or the store cannot record it.
    pub async fn expire_order(&self, account: &AccountId, order: OrderId) -> Result<Receipt, DispatchError> {
        let id = ids::derived("expire_order", &[&order.to_string()]);
        let command = Command::Order(order, OrderCommand::Expire);
        self.execute(account, &Actor::system("order_expiry"), id, vec![command]).await
    }
}

fn is_for_review(event: &Event) -> bool {
    matches!(
        event,
        Event::Order(
            OrderEvent::PaymentMismatched(PaymentMismatched { .. })
                | OrderEvent::PaymentDuplicated(PaymentDuplicated { .. })
        )
    )
}
