//! Reservations: what a charge would take is set aside, and later charged or given back.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Credits, Hold, HoldId, Party, Release, ReleaseReason, Reserve, Settle,
    State,
};
use chrono::TimeDelta;

use super::usage::{key_claim, use_id};
use super::{Actor, Ask, DispatchError, Dispatcher, Metadata, ids};
use crate::store::{Receipt, RequestHash};

/// One use to come.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub amount: Credits,
    /// Who ends it, too.
    pub by: Party,
    /// Unique within the account, among charges too: the same one is reserved once.
    pub reference: Option<String>,
    pub meter: Option<String>,
    /// Kept with the events; part of what makes a repeat the same request.
    pub metadata: Option<Metadata>,
    /// How long it is kept unless it is settled or released: part of what makes a repeat the same request, as the moment
    /// that follows from it is not.
    pub expires_in: TimeDelta,
}

/// A hold right after what was asked of it.
#[derive(Debug, Clone)]
pub struct Held {
    pub receipt: Receipt,
    pub id: HoldId,
    pub state: Hold,
}

impl Dispatcher {
    /// `key` is the client's own word for the request, where it sent one: what it stands for, a reservation without a
    /// reference is recorded as.
    ///
    /// # Errors
    /// When there is not enough, the reference or the key was used for something else, or the store cannot record it.
    pub async fn reserve(
        &self,
        account: &AccountId,
        actor: &Actor,
        key: Option<CommandId>,
        wanted: Reservation,
    ) -> Result<Held, DispatchError> {
        let Reservation { amount, by, reference, meter, metadata, expires_in } = wanted;
        let id = use_id(reference.as_deref(), key);
        let hold = hold_of(account, id);
        let about = metadata.as_ref().map(|metadata| metadata.as_str());
        let asked =
            serde_json::to_string(&("reserve", amount, by, &reference, &meter, expires_in.num_seconds(), about))?;
        let expires_at =
            self.clock.now().checked_add_signed(expires_in).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        let commands = vec![Command::Reserve(Reserve { hold, amount, by, expires_at, meter, reference })];
        let receipt = self
            .ask(Ask {
                account: account.clone(),
                actor: actor.clone(),
                id,
                hash: RequestHash::of(asked.as_bytes()),
                decision: Arc::new(commands),
                claims: key.map(|key| key_claim(key, id)).into_iter().collect(),
                about: metadata,
            })
            .await?;
        self.held(account, hold, receipt).await
    }

    /// Charges up to what is held. The same amount again changes nothing, with a key or without.
    ///
    /// # Errors
    /// When there is no such hold, `by` may not end it, it has ended, it holds less, or the store cannot record it.
    pub async fn settle(
        &self,
        account: &AccountId,
        actor: &Actor,
        key: Option<CommandId>,
        hold: HoldId,
        amount: Credits,
        by: Party,
    ) -> Result<Held, DispatchError> {
        let id = key.unwrap_or_else(|| ids::derived("settle", &[&hold.to_string(), &amount.to_string(), word(by)]));
        let receipt = self.execute(account, actor, id, vec![Command::Settle(Settle { hold, amount, by })]).await?;
        self.held(account, hold, receipt).await
    }

    /// Gives all of it back. Said again it changes nothing, with a key or without.
    ///
    /// # Errors
    /// When there is no such hold, `by` may not end it, it was settled, or the store cannot record it.
    pub async fn release(
        &self,
        account: &AccountId,
        actor: &Actor,
        key: Option<CommandId>,
        hold: HoldId,
        by: Party,
    ) -> Result<Held, DispatchError> {
        let id = key.unwrap_or_else(|| ids::derived("release", &[&hold.to_string(), word(by)]));
        let release = Release { hold, why: ReleaseReason::Asked(by) };
        let receipt = self.execute(account, actor, id, vec![Command::Release(release)]).await?;
        self.held(account, hold, receipt).await
    }

    async fn held(&self, account: &AccountId, id: HoldId, receipt: Receipt) -> Result<Held, DispatchError> {
        let state = self.look_after(account, AggregateId::hold(id), &receipt).await?;
        let State::Hold(state) = state else { return Err(DispatchError::NotFound("hold")) };
        Ok(Held { receipt, id, state })
    }
}

/// The same word of two parties is two commands.
const fn word(by: Party) -> &'static str {
    match by {
        Party::Account => "account",
        Party::BackEnd => "back_end",
    }
}

/// The hold of one request: asked for again, it is the same one.
fn hold_of(account: &AccountId, id: CommandId) -> HoldId {
    HoldId::from_uuid(ids::derived("hold", &[account.as_str(), &id.to_string()]).uuid())
}
