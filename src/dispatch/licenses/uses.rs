//! Units taken and given back. A reference names a use in all of its account, for ever, whichever license it was paid
//! from: it is claimed for that license in the commit that takes the units, so a repeat finds it again after the account
//! has chosen another one, and two that come at once are one.
//!
//! A use whose taker finds out itself what it comes to (addresses are verified, some cannot be told) is settled once: what
//! goes back and what came of it are one event under an id of its own, so a repeat is told the same, and nothing goes
//! back twice, whatever would be found out by then.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Event, Feature, LicenseCommand, LicenseEvent, LicenseId, UseId,
};

use secrecy::SecretString;

use super::LicensePlace;
use crate::dispatch::usage::key_claim;
use crate::dispatch::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};
use crate::vault::VaultError;

/// What uses are claimed as.
pub const USE_CLAIM: &str = "license_use";
const OUTCOME_PURPOSE: &str = "license.outcome";

/// A use as its account calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseUse {
    account: AccountId,
    /// Begins with what kind of name it is, so that none is taken for another.
    name: String,
    reference: Option<String>,
}

/// Units of a license to take.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub units: u32,
    pub feature: Option<Feature>,
    /// What else makes it the same use: only a digest of it is kept, under the account's own key.
    pub about: Option<String>,
}

/// A use as it was settled, the first time and every time after.
#[derive(Debug)]
pub struct Settled {
    pub receipt: Receipt,
    pub license: LicenseId,
    /// That stayed taken.
    pub units: u32,
    /// After this.
    pub left: u32,
    /// What came of it, in the words of who took it.
    pub outcome: SecretString,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Taken {
    pub receipt: Receipt,
    pub license: LicenseId,
    pub units: u32,
    /// After this.
    pub left: u32,
}

impl LicenseUse {
    /// Under a back end's reference.
    #[must_use]
    pub fn by_reference(account: &AccountId, reference: &str) -> Self {
        let name = format!("{}:ref:{reference}", account.key());
        Self { account: account.clone(), name, reference: Some(reference.to_owned()) }
    }

    /// Under the id of a request of ours.
    #[must_use]
    pub fn by_command(account: &AccountId, id: CommandId) -> Self {
        Self { account: account.clone(), name: format!("{}:req:{id}", account.key()), reference: None }
    }

    fn settlement(&self) -> CommandId {
        ids::derived("settle_license", &[&self.name])
    }

    fn id(&self) -> UseId {
        UseId::from_uuid(ids::derived("license_use", &[&self.name]).uuid())
    }
}

impl Dispatcher {
    /// Where the units of a use were taken from; `None`: it has not been recorded.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn find_use(&self, named: &LicenseUse) -> Result<Option<LicensePlace>, DispatchError> {
        let holder = self.store.find_key(USE_CLAIM, &named.name).await?;
        Ok(holder.map(|(home, license)| LicensePlace { home, license: LicenseId::from_uuid(license) }))
    }

    /// Takes units, all or none, once. `place` is where from; what was taken before under this name stays where it was.
    /// `key` is the client's own word for the request, where it sent one: it names this use and no other.
    ///
    /// # Errors
    /// When there are not enough, the license does not allow it, or the name was used for something else.
    pub async fn consume_license(
        &self,
        place: &LicensePlace,
        actor: &Actor,
        key: Option<CommandId>,
        named: &LicenseUse,
        wanted: &Wanted,
    ) -> Result<Taken, DispatchError> {
        match self.consume_at(place, actor, key, named, wanted).await {
            // Another request of this name was faster, and took from another license.
            Err(DispatchError::Execute(ExecuteError::KeyTaken { kind: USE_CLAIM, .. })) => {
                let first = self.find_use(named).await?.ok_or(DispatchError::NotFound("use"))?;
                self.consume_at(&first, actor, key, named, wanted).await
            }
            answer => answer,
        }
    }

    async fn consume_at(
        &self,
        place: &LicensePlace,
        actor: &Actor,
        key: Option<CommandId>,
        named: &LicenseUse,
        wanted: &Wanted,
    ) -> Result<Taken, DispatchError> {
        let Wanted { units, feature, ref about } = *wanted;
        let consume = LicenseCommand::Consume {
            use_id: named.id(),
            units,
            by: named.account.key(),
            feature,
            reference: named.reference.clone(),
        };
        let commands = vec![Command::License(place.license, consume)];
        let claim = Claim { kind: USE_CLAIM, key: named.name.clone(), aggregate: AggregateId::license(place.license) };
        let id = ids::derived("consume_license", &[&named.name]);
        let mut asked = serde_json::to_string(&commands)?;
        if let Some(about) = about {
            asked.push_str(&self.vault.digest(named.account.key(), &format!("{USE_CLAIM} {about}")).await?);
        }
        let receipt = self
            .ask(Ask {
                account: place.home.clone(),
                actor: actor.clone(),
                id,
                hash: RequestHash::of(asked.as_bytes()),
                decision: Arc::new(commands),
                claims: [claim].into_iter().chain(key.map(|key| key_claim(key, id))).collect(),
                about: None,
            })
            .await?;
        let left = self.left_after(place, &receipt).await?;
        Ok(Taken { receipt, license: place.license, units, left })
    }

    /// Leaves a use with `keep` units and puts the rest back. The same again changes nothing.
    ///
    /// # Errors
    /// When there is no such use, it is too long ago, or has fewer units.
    pub async fn give_back(
        &self,
        actor: &Actor,
        id: CommandId,
        named: &LicenseUse,
        keep: u32,
    ) -> Result<Taken, DispatchError> {
        let place = self.find_use(named).await?.ok_or(DispatchError::NotFound("use"))?;
        let give_back = LicenseCommand::GiveBack { use_id: named.id(), keep, outcome: None };
        let receipt = self.execute(&place.home, actor, id, vec![Command::License(place.license, give_back)]).await?;
        let left = self.left_after(&place, &receipt).await?;
        Ok(Taken { receipt, license: place.license, units: keep, left })
    }

    /// How a use was settled; `None`: it has not been.
    ///
    /// # Errors
    /// When the store or the vault cannot say.
    pub async fn settled_use(&self, named: &LicenseUse, taken: &Taken) -> Result<Option<Settled>, DispatchError> {
        let place = self.find_use(named).await?.ok_or(DispatchError::NotFound("use"))?;
        match self.store.recorded(&place.home, named.settlement()).await? {
            Some(first) => Ok(Some(self.settled(named, taken, first.receipt).await?)),
            None => Ok(None),
        }
    }

    /// Leaves a use with `keep` units, puts the rest back, and keeps what came of it, sealed. Once: whoever comes later
    /// is told what was settled first, also where they have found out something else.
    ///
    /// # Errors
    /// When there is no such use, it is too long ago, or has fewer units.
    pub async fn settle_use(
        &self,
        actor: &Actor,
        named: &LicenseUse,
        taken: &Taken,
        keep: u32,
        outcome: &str,
    ) -> Result<Settled, DispatchError> {
        let place = self.find_use(named).await?.ok_or(DispatchError::NotFound("use"))?;
        let outcome = Some(self.vault.seal(named.account.key(), OUTCOME_PURPOSE, outcome).await?);
        let settle = LicenseCommand::GiveBack { use_id: named.id(), keep, outcome };
        let receipt = self
            .ask(Ask {
                account: place.home.clone(),
                actor: actor.clone(),
                id: named.settlement(),
                // Not of what was found out: that is the first one's.
                hash: RequestHash::of(named.name.as_bytes()),
                decision: Arc::new(vec![Command::License(place.license, settle)]),
                claims: Vec::new(),
                about: None,
            })
            .await?;
        self.settled(named, taken, receipt).await
    }

    async fn settled(&self, named: &LicenseUse, taken: &Taken, receipt: Receipt) -> Result<Settled, DispatchError> {
        let back = receipt.events.iter().find_map(|recorded| match &recorded.event {
            Event::License(LicenseEvent::GivenBack(back)) => Some((back.units, back.left, back.outcome.as_deref()?)),
            _ => None,
        });
        let (back, left, sealed) = back.ok_or(DispatchError::NotFound("use"))?;
        // This process may still remember a key that was destroyed.
        if receipt.replayed && self.is_erased(&named.account).await? {
            return Err(VaultError::Erased.into());
        }
        let outcome = self.vault.open(named.account.key(), OUTCOME_PURPOSE, sealed).await?;
        let units = taken.units.saturating_sub(back);
        Ok(Settled { receipt, license: taken.license, units, left, outcome })
    }

    /// As the first answer said it, however much has happened since; as it is now, where nothing was recorded.
    async fn left_after(&self, place: &LicensePlace, receipt: &Receipt) -> Result<u32, DispatchError> {
        let said = receipt.events.iter().find_map(|recorded| match &recorded.event {
            Event::License(LicenseEvent::Consumed(consumed)) => Some(consumed.left),
            Event::License(LicenseEvent::GivenBack(back)) => Some(back.left),
            _ => None,
        });
        match said {
            Some(left) => Ok(left),
            None => Ok(self.license_at(place).await?.held().map_or(0, |held| held.left)),
        }
    }
}
