//! Money that goes back: asked for, tried, done. What a provider says of it becomes one command; the same news again is the
//! same command.
//!
//! A refund has one number at its provider, whatever becomes of the attempts: [`refund_number`].

use std::sync::Arc;

use aggregates::{
    AccountId, Command, CommandId, Money, OrderCommand, OrderId, OrderNumber, RefundId, RequestRefund, TakeRefund,
};
use uuid::Uuid;

use super::payment::Taken;
use super::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::providers::PaymentState;
use crate::store::{Receipt, RequestHash};

const PREFIX: &str = "RF";
const ACTOR: &str = "refunds";

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

/// What a provider knows a refund by.
#[must_use]
pub fn refund_number(refund: RefundId) -> String {
    format!("{PREFIX}{}", refund.uuid().simple())
}

fn refund_id(notice: &RefundNotice) -> RefundId {
    let ours = notice.refund.strip_prefix(PREFIX).and_then(|digits| Uuid::try_parse(digits).ok());
    let theirs = || ids::derived("announced_refund", &[&notice.provider, &notice.refund]).uuid();
    RefundId::from_uuid(ours.unwrap_or_else(theirs))
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
        self.execute(account, actor, id, vec![Command::Order(order, OrderCommand::RequestRefund(ask))]).await
    }

    /// Records that money went back, and takes back what it paid for, in one commit. An answer without an error means
    /// that it is in the log.
    ///
    /// # Errors
    /// When there is no such order or payment, more went back than was paid, or the store cannot record it.
    pub async fn take_refund(&self, notice: RefundNotice) -> Result<Receipt, DispatchError> {
        let (account, order) = self.find_order(&notice.order).await?;
        let refund = refund_id(&notice);
        let RefundNotice { provider, payment_id, amount, provider_refund, reason, .. } = notice;
        let (minor, currency) = (amount.minor().to_string(), amount.currency());
        let words = [&*order.to_string(), &*refund.to_string(), &provider, &payment_id, &minor, currency.code()];
        let id = ids::derived("refunded", &words);
        let take = TakeRefund { order, refund, provider: Some(provider), payment_id, amount, provider_refund, reason };
        self.say_once(&account, id, Command::TakeRefund(take)).await
    }

    /// Words may differ from one time to the next, so they are not part of what is the same.
    async fn say_once(&self, account: &AccountId, id: CommandId, command: Command) -> Result<Receipt, DispatchError> {
        self.ask(Ask {
            account: account.clone(),
            actor: Actor::system(ACTOR),
            id,
            hash: RequestHash::of(id.uuid().as_bytes()),
            decision: Arc::new(vec![command]),
            claims: vec![],
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
        self.say_once(account, id, Command::Order(order, command)).await.map(|_| ())
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
        let (account, order) = self.find_order(number).await?;
        let state = self.order(&account, order).await?;
        if state.payment().is_some() {
            return Ok(None);
        }
        let provider = self.provider(Some(&state.placed()?.provider))?;
        let asked = provider.query(number).await;
        match asked.map_err(|source| DispatchError::Provider { order: number.to_string(), source })? {
            PaymentState::Pending => Ok(None),
            PaymentState::Paid(notice) => self.take_payment_by(notice, key).await.map(Some),
        }
    }
}
