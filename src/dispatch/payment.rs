//! Money that arrived: a provider's verified notice, or its answer when asked, becomes one command. The same news again
//! is the same command, however many times and through how many processes it comes.

use std::sync::Arc;

use aggregates::order::{PaymentDuplicated, PaymentMismatched};
use aggregates::{
    AccountId, AggregateId, Command, Event, OrderCommand, OrderEvent, OrderId, OrderNumber, Payment, TakePayment,
};

use super::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::store::{Claim, Receipt, RequestHash};

const CLAIM: &str = "payment";

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
        let actor = Actor::system("payments");
        // How it was paid may be told differently from one notice to the next, so it is not part of what is the same.
        let hash = RequestHash::of(id.uuid().as_bytes());
        let command = Command::TakePayment(TakePayment { order, payment, license_key: None });
        let receipt = self
            .ask(Ask {
                account,
                actor,
                id,
                hash,
                decision: Arc::new(vec![command]),
                claims: vec![Claim { kind: CLAIM, key, aggregate: AggregateId::order(order) }],
                about: None,
            })
            .await?;
        let for_review = receipt.events.iter().any(|recorded| is_for_review(&recorded.event));
        Ok(Taken { receipt, for_review })
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
