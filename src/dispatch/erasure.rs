//! Erasing a customer: recorded for ever, then the account's key is destroyed, and nothing that was sealed under it is
//! ever read again. What was sold and what is owed stays, and still verifies.
//!
//! The key goes right after the commit, and once more by a job that the event asks for: whichever comes first. From the
//! commit on nobody sells to the account, whatever keys are still in some process's memory.

use std::collections::HashMap;

use aggregates::customer::CustomerError;
use aggregates::{
    AccountId, AccountKey, AggregateId, Command, CommandId, Customer, CustomerCommand, Decide, Halt, State, View,
};

use super::{Actor, DispatchError, Dispatcher};
use crate::inbox;
use crate::jobs;
use crate::processes::kinds;
use crate::store::Receipt;

/// Commands that nobody asks for an erased customer.
pub(super) struct UnlessErased(pub(super) Vec<Command>);

impl Decide for UnlessErased {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        if view.read::<Customer>(AggregateId::customer(view.account()))?.is_erased() {
            return Err(CustomerError::Erased.into());
        }
        self.0.decide(view)
    }
}

/// What opens sealed data for one answer. A process may still remember a key that was destroyed, so the log says first
/// whether its account was erased: asked once for each account, however much of it an answer shows.
pub struct Opening<'a> {
    pub(super) dispatch: &'a Dispatcher,
    erased: HashMap<AccountKey, bool>,
}

impl Opening<'_> {
    pub(super) async fn is_erased(&mut self, account: AccountKey) -> Result<bool, DispatchError> {
        if let Some(known) = self.erased.get(&account) {
            return Ok(*known);
        }
        let erased = match self.dispatch.store.account_id(account).await? {
            Some(account) => self.dispatch.is_erased(&account).await?,
            // Nothing was ever recorded of it.
            None => false,
        };
        self.erased.insert(account, erased);
        Ok(erased)
    }
}

impl Dispatcher {
    /// For one answer.
    #[must_use]
    pub fn opening(&self) -> Opening<'_> {
        Opening { dispatch: self, erased: HashMap::new() }
    }

    /// # Errors
    /// When there is no reason, or the store cannot record it. Where only the key could not be destroyed, the job does it.
    pub async fn erase_customer(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        reason: String,
    ) -> Result<Receipt, DispatchError> {
        let erase = Command::Customer(CustomerCommand::Erase { reason });
        let receipt = self.execute(account, actor, id, vec![erase]).await?;
        if let Err(error) = self.forget(account).await {
            tracing::warn!(%error, "the key of an erased customer is still there; a job will destroy it");
        }
        Ok(receipt)
    }

    /// Destroys the key of an account that was erased, and wakes what waits for data that is gone, to give it up. Said
    /// again it changes nothing.
    ///
    /// # Errors
    /// When the account was not erased, or the database cannot be asked.
    pub async fn forget(&self, account: &AccountId) -> Result<(), DispatchError> {
        if !self.is_erased(account).await? {
            return Err(DispatchError::NotFound("erased account"));
        }
        self.vault.destroy(account.key()).await?;
        inbox::forget(self.store.pool(), account.key()).await?;
        let waiting = [kinds::CREATE_API_KEY, kinds::SEND_MAIL];
        jobs::hurry(self.store.pool(), account.as_str(), &waiting).await?;
        Ok(())
    }

    /// # Errors
    /// When the store cannot say.
    pub async fn is_erased(&self, account: &AccountId) -> Result<bool, DispatchError> {
        let state = self.look(account, AggregateId::customer(account.key())).await?;
        Ok(matches!(state, State::Customer(customer) if customer.is_erased()))
    }
}
