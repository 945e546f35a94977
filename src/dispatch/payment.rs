//! Money that arrived: a provider's verified notice, or its answer when asked, becomes one command. The same news again
//! is the same command, however many times and through how many processes it comes.

use std::sync::Arc;

use aggregates::order::{OrderError, PaymentDuplicated, PaymentMismatched, Placed};
use aggregates::{
    AcceptReview, AccountId, AggregateId, Command, CommandId, Decide, Event, Halt, LicenseId, LicenseKey, Order,
    OrderCommand, OrderEvent, OrderId, OrderNumber, OrderStatus, Payment, ProductKind, RefundId, RequestRefund, State,
    TakePayment, View,
};

use super::{Actor, Ask, DispatchError, Dispatcher, Named, ids, licenses, refund};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};

pub(super) const CLAIM: &str = "payment";
/// Two license keys are the same once in eighteen million million million.
const LICENSE_KEYS_TRIED_MAX: usize = 3;
/// Why money goes back that came for a license of somebody who was forgotten.
const FORGOTTEN: &str = "the account was erased before it was paid";

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

/// A payment for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewName {
    pub order: OrderNumber,
    pub provider: String,
    pub payment_id: String,
}

/// Who asks for what pays for an order and delivers it.
struct Delivering {
    account: AccountId,
    actor: Actor,
    id: CommandId,
    hash: RequestHash,
    order: OrderId,
    /// What pays: its provider, and the name that it has there.
    paid_with: (String, String),
    claims: Vec<Claim>,
    /// Only if nothing else has paid for it.
    first_only: bool,
}

/// Commands that take a payment for what nothing else has paid for: of two periods that are told at once one begins the
/// subscription, and the other is not taken for a second payment of it.
struct FirstOnly {
    order: OrderId,
    paid_with: (String, String),
    commands: Vec<Command>,
}

impl Decide for FirstOnly {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::order(self.order);
        view.need([id])?;
        let order = view.read::<Order>(id)?;
        let (provider, payment_id) = &self.paid_with;
        if order.payment().is_some_and(|paid| (&paid.provider, &paid.payment_id) != (provider, payment_id)) {
            return Err(OrderError::NotPending { status: order.status()? }.into());
        }
        self.commands.decide(view)
    }
}

impl Dispatcher {
    /// Where an order lives.
    ///
    /// # Errors
    /// When there is no such order, or the store cannot say.
    pub async fn find_order(&self, number: &OrderNumber) -> Result<Named, DispatchError> {
        let holder = self.store.find_key(super::sale::CLAIM, number.as_str()).await?;
        let (account, order) = holder.ok_or(DispatchError::NotFound("order"))?;
        Ok(Named { account, order: OrderId::from_uuid(order), number: number.clone() })
    }

    /// An order as a decision would see it now.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn order(&self, account: &AccountId, order: OrderId) -> Result<Order, DispatchError> {
        let state = self.look(account, AggregateId::order(order)).await?;
        let State::Order(order) = state else { return Err(DispatchError::NotFound("order")) };
        Ok(order)
    }

    /// Takes a payment and delivers what was bought, in one commit. An answer without an error means that it is in the
    /// log.
    ///
    /// # Errors
    /// When there is no such order, this payment belongs to another one, or the store cannot record it.
    pub async fn take_payment(&self, notice: PaymentNotice) -> Result<Taken, DispatchError> {
        self.take_payment_by(notice, |_| None).await
    }

    /// The same, of an order that was found.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn take_payment_of(&self, named: &Named, payment: Payment) -> Result<Taken, DispatchError> {
        self.take_payment_as(named, payment, |_| None, false).await
    }

    /// The same, unless something else has paid for the order.
    ///
    /// # Errors
    /// As above; [`OrderError::NotPending`] where something else has.
    pub(super) async fn take_first_payment(&self, named: &Named, payment: Payment) -> Result<Taken, DispatchError> {
        self.take_payment_as(named, payment, |_| None, true).await
    }

    /// `asked` is what the word of who asked for it claims, where they sent one; of the command that takes this payment.
    pub(super) async fn take_payment_by(
        &self,
        notice: PaymentNotice,
        asked: impl FnOnce(CommandId) -> Option<Claim>,
    ) -> Result<Taken, DispatchError> {
        let named = self.find_order(&notice.order).await?;
        self.take_payment_as(&named, notice.payment, asked, false).await
    }

    async fn take_payment_as(
        &self,
        named: &Named,
        payment: Payment,
        asked: impl FnOnce(CommandId) -> Option<Claim>,
        first_only: bool,
    ) -> Result<Taken, DispatchError> {
        let Named { account, order, number } = named.clone();
        let amount = payment.amount.minor().to_string();
        let id = ids::derived(
            "payment",
            &[&payment.provider, &payment.payment_id, number.as_str(), &amount, payment.amount.currency().code()],
        );
        let name = format!("{}:{}", payment.provider, payment.payment_id);
        // How it was paid may be told differently from one notice to the next, so it is not part of what is the same.
        let hash = RequestHash::of(id.uuid().as_bytes());
        let paid = Claim { kind: CLAIM, key: name, aggregate: AggregateId::order(order) };
        let fits =
            |placed: &Placed| (payment.amount, payment.provider.as_str()) == (placed.price, placed.provider.as_str());
        let sells_license = self.sells_license(&account, order, fits).await?;
        let take = |license_key| Command::TakePayment(TakePayment { order, payment: payment.clone(), license_key });
        let claims = [paid].into_iter().chain(asked(id)).collect();
        let paid_with = (payment.provider.clone(), payment.payment_id.clone());
        let asking =
            Delivering { account, actor: Actor::system("payments"), id, hash, order, paid_with, claims, first_only };
        let receipt = self.deliver(asking, sells_license, take).await?;
        let for_review = receipt.events.iter().any(|recorded| is_for_review(&recorded.event));
        Ok(Taken { receipt, for_review })
    }

    /// An admin takes a payment of another amount for its order's, and what was bought is delivered, in one commit.
    ///
    /// # Errors
    /// When there is no such order or payment, it does not wait for a decision, or the store cannot record it.
    pub async fn accept_review(
        &self,
        actor: &Actor,
        id: CommandId,
        review: &ReviewName,
        reason: &str,
    ) -> Result<Receipt, DispatchError> {
        let Named { account, order, .. } = self.find_order(&review.order).await?;
        let ReviewName { order: number, provider, payment_id } = review;
        let hash = RequestHash::of(&serde_json::to_vec(&("accept", number.as_str(), provider, payment_id, reason))?);
        let sells_license = self.sells_license(&account, order, |_| true).await?;
        let accept = |license_key| {
            let (provider, payment_id, reason) = (provider.clone(), payment_id.clone(), reason.to_owned());
            Command::AcceptReview(AcceptReview { order, provider, payment_id, reason, license_key })
        };
        let claims = actor.key_claim(&account, id).into_iter().collect();
        let paid_with = (provider.clone(), payment_id.clone());
        let asking =
            Delivering { account, actor: actor.clone(), id, hash, order, paid_with, claims, first_only: false };
        self.deliver(asking, sells_license, accept).await
    }

    /// What delivers a license is asked with a new key for it; where that key is taken, with another one. Who was
    /// forgotten could never be shown a key: the money is recorded, and asked back in the same commit.
    async fn deliver(
        &self,
        asking: Delivering,
        sells_license: bool,
        command: impl Fn(Option<LicenseKey>) -> Command,
    ) -> Result<Receipt, DispatchError> {
        let Delivering { account, actor, id, hash, order, paid_with, claims, first_only } = asking;
        let mut tried = 0;
        loop {
            let new_key = if sells_license { Some(self.new_license_key(&account).await?) } else { None };
            let license_key = new_key.as_ref().map(|new| new.key.clone());
            let issued = license_key.as_ref().map(|key| licenses::claim(key, LicenseId::of_order(order)));
            let give_back = new_key.filter(|new| new.opens_for_nobody).map(|_| all_of(order, &paid_with));
            let given_back = give_back.is_some().then(|| refund::named(order, &paid_with));
            let commands: Vec<Command> = [command(license_key)].into_iter().chain(give_back).collect();
            let decision: Arc<dyn Decide + Send + Sync> = match first_only {
                true => Arc::new(FirstOnly { order, paid_with: paid_with.clone(), commands }),
                false => Arc::new(commands),
            };
            let asked = self
                .ask(Ask {
                    account: account.clone(),
                    actor: actor.clone(),
                    id,
                    hash,
                    decision,
                    claims: claims.iter().cloned().chain(issued).chain(given_back).collect(),
                    about: None,
                })
                .await;
            tried += 1;
            match asked {
                Err(DispatchError::Execute(ExecuteError::KeyTaken { kind: licenses::CLAIM, .. }))
                    if tried < LICENSE_KEYS_TRIED_MAX => {}
                answer => return answer,
            }
        }
    }

    /// Whether this payment may deliver a license: then it needs a key. What was paid before delivers nothing again, nor
    /// does what is for review.
    async fn sells_license(
        &self,
        account: &AccountId,
        order: OrderId,
        fits: impl FnOnce(&Placed) -> bool,
    ) -> Result<bool, DispatchError> {
        let state = self.order(account, order).await?;
        let placed = state.placed()?;
        let unpaid = match state.status()? {
            OrderStatus::Pending | OrderStatus::Expired | OrderStatus::Cancelled | OrderStatus::Failed => true,
            OrderStatus::Paid
            | OrderStatus::Fulfilled
            | OrderStatus::Refunding
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded => false,
        };
        Ok(unpaid && fits(placed) && matches!(placed.kind, ProductKind::License(_)))
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

/// All of a payment is to go back; a second payment of the order would be asked back under the same id.
fn all_of(order: OrderId, (provider, payment_id): &(String, String)) -> Command {
    let ask = RequestRefund {
        refund: RefundId::of_payment(order, provider, payment_id),
        provider: Some(provider.clone()),
        payment_id: Some(payment_id.clone()),
        amount: None,
        reason: FORGOTTEN.to_owned(),
        revoke: None,
    };
    Command::Order(order, OrderCommand::RequestRefund(ask))
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
