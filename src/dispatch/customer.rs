//! Name and e-mail as the token last said them: sealed here, recorded when they change.

use aggregates::{AccountId, AggregateId, Command, CustomerCommand, Described, Locale, State};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Actor, DispatchError, Dispatcher, ids};

const PURPOSE: &str = "customer.profile";

/// Who a customer is. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub name: Option<String>,
    pub email: Option<String>,
    #[serde(skip)]
    pub locale: Locale,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("locale", &self.locale).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// The command that records a profile; it changes nothing while the profile is what it was. `None`: the token says
    /// nothing about the customer.
    pub(super) async fn describe(
        &self,
        account: &AccountId,
        profile: &Profile,
    ) -> Result<Option<Command>, DispatchError> {
        if profile.name.is_none() && profile.email.is_none() {
            return Ok(None);
        }
        let clear = serde_json::to_string(profile)?;
        let digest = self.vault.digest(account.key(), &clear).await?;
        let sealed = self.vault.seal(account.key(), PURPOSE, &clear).await?;
        let described = Described { sealed, digest, locale: profile.locale };
        Ok(Some(Command::Customer(CustomerCommand::Describe(described))))
    }

    /// Records a profile that is another than the one on record. Of who has none nothing is recorded: that is for the
    /// purchase that needs it. A token that names no address takes none away.
    ///
    /// # Errors
    /// When the store or the vault cannot say, or record it.
    pub async fn correct(&self, account: &AccountId, actor: &Actor, said: &Profile) -> Result<(), DispatchError> {
        if said.email.is_none() {
            return Ok(());
        }
        let State::Customer(customer) = self.look(account, AggregateId::customer(account.key())).await? else {
            return Ok(());
        };
        if customer.described().is_some()
            && let Some(describe) = self.describe(account, said).await?
        {
            self.execute(account, actor, ids::fresh(), vec![describe]).await?;
        }
        Ok(())
    }

    /// What was last recorded about a customer.
    ///
    /// # Errors
    /// When the store or the vault cannot say.
    pub async fn profile(&self, account: &AccountId) -> Result<Option<Profile>, DispatchError> {
        let State::Customer(customer) = self.look(account, AggregateId::customer(account.key())).await? else {
            return Ok(None);
        };
        let Some(Described { sealed, locale, .. }) = customer.described() else {
            return Ok(None);
        };
        let clear = self.vault.open(account.key(), PURPOSE, sealed).await?;
        let profile: Profile = serde_json::from_str(clear.expose_secret())?;
        Ok(Some(Profile { locale: *locale, ..profile }))
    }
}
