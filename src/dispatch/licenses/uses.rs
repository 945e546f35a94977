//! Units taken and given back. A reference names a use in all of its account, for ever, whichever license it was paid
//! from: it is claimed for that license in the commit that takes the units, so a repeat finds it again after the account
//! has chosen another one, and two that come at once are one.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Event, Feature, LicenseCommand, LicenseEvent, LicenseId, UseId,
};

use super::LicensePlace;
use crate::dispatch::usage::key_claim;
use crate::dispatch::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};

/// What uses are claimed as.
pub const USE_CLAIM: &str = "license_use";

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
        let Some((home, license)) = self.store.find_key(USE_CLAIM, &named.name).await? else { return Ok(None) };
        let home = self.store.account_id(home).await?.ok_or(DispatchError::NotFound("use"))?;
        Ok(Some(LicensePlace { home, license: LicenseId::from_uuid(license) }))
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
        let Wanted { units, feature } = *wanted;
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
        let receipt = self
            .ask(Ask {
                account: place.home.clone(),
                actor: actor.clone(),
                id,
                hash: RequestHash::of(&serde_json::to_vec(&commands)?),
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
        let give_back = LicenseCommand::GiveBack { use_id: named.id(), keep };
        let receipt = self.execute(&place.home, actor, id, vec![Command::License(place.license, give_back)]).await?;
        let left = self.left_after(&place, &receipt).await?;
        Ok(Taken { receipt, license: place.license, units: keep, left })
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
