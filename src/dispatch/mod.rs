//! The one door for writes: what edges, workers and timers ask for becomes a unit of work, and the store records it.
//!
//! ```text
//! mod.rs       Dispatcher: who asks, the id of the command, one call of the store
//! ids.rs       ids of commands, and why a repeat has the same one
//! catalogue.rs products                      usage.rs     charges
//!                                            holds.rs     reservations, settled or released
//! sale.rs      place, open, cancel orders    payment.rs   money that arrived
//! customer.rs  name and e-mail, sealed       metadata.rs  what a client wants kept with a charge
//! licenses/    keys found, bound, used       refund.rs    money that goes back
//! news.rs      what notifications say        settings.rs  how providers are set up
//! erasure.rs   a customer is forgotten, and what is opened for an answer
//! error.rs     why it did not work
//! ```

mod catalogue;
mod customer;
mod erasure;
mod error;
mod holds;
pub mod ids;
mod licenses;
mod metadata;
mod news;
mod payment;
mod refund;
mod sale;
mod settings;
mod subscriptions;
mod usage;

use aggregates::{AccountId, AggregateId, Command, CommandId, Decide, State};
use std::sync::Arc;

pub use customer::Profile;
pub use erasure::Opening;
pub use error::DispatchError;
pub use holds::{Held, Reservation};
pub use licenses::{
    LicensePlace, LicenseUse, Settled as SettledUse, Standing, Taken as TakenUnits, USE_CLAIM, Wanted as WantedUse,
};
pub use metadata::{BadMetadata, Metadata};
pub use news::{Heard, Named};
pub use payment::{PaymentNotice, ReviewName, Taken};
pub use refund::{Compared, RefundNotice, order_ref, refund_number};
pub use sale::{Buyer, Purchase, Sale};
pub use settings::SettingsChange;
pub(crate) use settings::last_four;
pub use subscriptions::{PlanChange, Renewal};
pub use usage::{Charged, ChargedCredits, ChargedPackage, KEY_CLAIM, Owed, Use};

use crate::clock::Clock;
use crate::providers::Providers;
use crate::store::{Claim, ExecuteError, Receipt, RequestHash, Store, UnitOfWork};
use crate::vault::Vault;

const SYSTEM: &str = "system";
const KEYED_UUID_VERSION: usize = 8;

/// How often a write whose outcome the database could not tell is asked for again, with the same id.
const ASK_AGAIN_MAX: usize = 2;

/// Clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    store: Store,
    clock: Clock,
    vault: Vault,
    providers: Providers,
    rules: Rules,
}

/// What an operator decides about sales.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whose days a bought package counts.
    pub time_zone: chrono_tz::Tz,
    /// How long an order waits for its payment.
    pub order_ttl: chrono::TimeDelta,
}

/// Who asks: kept with every event where it is not the account itself. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    sub: Arc<str>,
    role: &'static str,
    /// As it is kept: made once, for a back end charges for many accounts.
    said: Arc<str>,
}

impl Actor {
    #[must_use]
    pub fn new(sub: &str, role: &'static str) -> Self {
        let said = serde_json::json!({"by": sub, "role": role}).to_string();
        Self { sub: sub.into(), role, said: said.into() }
    }

    /// The ledger itself: a timer, a process, a provider's notification.
    #[must_use]
    pub fn system(part: &'static str) -> Self {
        Self::new(part, SYSTEM)
    }

    /// Who acts for many accounts sends one key for one request: sent again for another account it is taken. A key's id
    /// says that it follows from something; without a key it grows with time.
    fn key_claim(&self, account: &AccountId, id: CommandId) -> Option<Claim> {
        let for_another = *self.sub != *account.as_str() && self.role != SYSTEM;
        let from_key = id.uuid().get_version_num() == KEYED_UUID_VERSION;
        (for_another && from_key).then(|| usage::key_claim(id, id))
    }

    /// What is kept with the events on `account`; `None`: nothing.
    fn metadata(&self, account: &AccountId, usage: Option<&Metadata>) -> Option<Arc<str>> {
        let other = *self.sub != *account.as_str();
        match (other, usage) {
            (false, None) => None,
            (true, None) => Some(self.said.clone()),
            (false, Some(usage)) => Some(format!(r#"{{"usage":{}}}"#, usage.as_str()).into()),
            (true, Some(usage)) => {
                let said = self.said.strip_suffix('}').unwrap_or(&self.said);
                Some(format!(r#"{said},"usage":{}}}"#, usage.as_str()).into())
            }
        }
    }
}

/// One request for change, as the store will see it.
struct Ask {
    account: AccountId,
    actor: Actor,
    id: CommandId,
    hash: RequestHash,
    decision: Arc<dyn Decide + Send + Sync>,
    claims: Vec<Claim>,
    /// Kept with the events, beside who asked.
    about: Option<Metadata>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(store: Store, clock: Clock, vault: Vault, providers: Providers, rules: Rules) -> Self {
        Self { store, clock, vault, providers, rules }
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Records commands on one account, once per id.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        commands: Vec<Command>,
    ) -> Result<Receipt, DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(&commands)?);
        self.ask(Ask {
            account: account.clone(),
            actor: actor.clone(),
            id,
            hash,
            decision: Arc::new(commands),
            claims: actor.key_claim(account, id).into_iter().collect(),
            about: None,
        })
        .await
    }

    /// One aggregate as a decision would see it now.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn look(&self, account: &AccountId, aggregate: AggregateId) -> Result<State, DispatchError> {
        Ok(self.store.look(account, aggregate).await?)
    }

    /// One aggregate right after what a receipt says of it, however much has happened since: a repeat answers what the
    /// first request was answered. Now, where nothing was recorded.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn look_after(
        &self,
        account: &AccountId,
        aggregate: AggregateId,
        receipt: &Receipt,
    ) -> Result<State, DispatchError> {
        let last = receipt.events.iter().rev().find(|recorded| recorded.aggregate == aggregate);
        match last {
            Some(last) => Ok(self.store.as_of(account, aggregate, last.version).await?),
            None => self.look(account, aggregate).await,
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Receipt, DispatchError> {
        let Ask { account, actor, id, hash, decision, claims, about } = ask;
        let metadata = actor.metadata(&account, about.as_ref());
        let mut unit = UnitOfWork::deciding(account, id, self.clock.now(), hash, decision);
        if let Some(metadata) = metadata {
            unit.metadata = metadata;
        }
        unit.claims = claims;
        for _ in 0..ASK_AGAIN_MAX {
            match self.store.execute(unit.clone()).await {
                Err(ExecuteError::Unknown) => tracing::warn!(%id, "asking again what became of a command"),
                answer => return Ok(answer?),
            }
        }
        Ok(self.store.execute(unit).await?)
    }
}
