//! Licenses: keys made, found, bound, chosen, used.
//!
//! ```text
//!   key ──► digest ──► unique_keys ──► home (the account that bought it) and license ──► bind, consume … in the home
//!                                                                               └──► chosen: in the owner's holdings
//! ```
//!
//! What spans two accounts is two units of work, each of which changes nothing when it is said again; what an account
//! has chosen is looked at in its home whenever it is used, so nobody relies on both being done.
//!
//! ```text
//! mod.rs   where a license is, and what one account can do with it      uses.rs  units taken and given back
//! ```

mod uses;

use std::sync::Arc;

use aggregates::license::{Held, LicenseError};
use aggregates::{
    AccountId, AccountKey, AggregateId, Command, CommandId, License, LicenseChosen, LicenseCommand, LicenseId,
    LicenseKey, LicenseStatus, Refusal, State,
};
use secrecy::{ExposeSecret, SecretString};

pub use self::uses::{LicenseUse, Settled, Taken, USE_CLAIM, Wanted};
use super::{Actor, Ask, DispatchError, Dispatcher, Opening, ids};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};
use crate::vault::{LicenseCode, VaultError};

/// What digests of keys are claimed as.
pub(super) const CLAIM: &str = "license_key";
const NOTE_PURPOSE: &str = "license.note";
/// Stands where nothing can be sealed any more; the code itself is thrown away.
const FOR_NOBODY: &str = "erased";

pub(super) struct NewKey {
    pub(super) key: LicenseKey,
    /// Its buyer was erased.
    pub(super) opens_for_nobody: bool,
}

/// The digest of a key names its license in the whole ledger.
pub(super) fn claim(key: &LicenseKey, license: LicenseId) -> Claim {
    Claim { kind: CLAIM, key: key.digest.clone(), aggregate: AggregateId::license(license) }
}

/// Where a license is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicensePlace {
    /// The account that bought it.
    pub home: AccountId,
    pub license: LicenseId,
}

/// A license as one account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none, it is bound to somebody else, or it was revoked before this account had anything to do with it:
    /// the three must look the same.
    Stranger,
    /// Bound to nobody: whoever uses it first has it.
    Free { place: LicensePlace, held: Box<Held> },
    /// Bound to this account, or bought by it and bound to nobody.
    Own { place: LicensePlace, held: Box<Held> },
}

impl Standing {
    fn of(place: LicensePlace, state: &License, account: AccountKey) -> Self {
        let Ok(held) = state.held() else { return Self::Stranger };
        let (bought, held) = (place.home.key() == account, Box::new(held.clone()));
        match held.owner {
            Some(owner) if owner == account => Self::Own { place, held },
            None if bought => Self::Own { place, held },
            None if held.status() != LicenseStatus::Revoked => Self::Free { place, held },
            Some(_) | None => Self::Stranger,
        }
    }

    /// `None` for a stranger.
    #[must_use]
    pub fn known(self) -> Option<(LicensePlace, Held)> {
        match self {
            Self::Stranger => None,
            Self::Free { place, held } | Self::Own { place, held } => Some((place, *held)),
        }
    }
}

impl Dispatcher {
    pub(super) async fn new_license_key(&self, buyer: &AccountId) -> Result<NewKey, DispatchError> {
        let code = LicenseCode::try_random()?;
        // Some process may still remember the key of an account that was erased.
        if !self.is_erased(buyer).await? {
            match self.vault.seal_license(buyer.key(), &code).await {
                Err(VaultError::Erased) => {}
                sealed => return Ok(NewKey { key: sealed?, opens_for_nobody: false }),
            }
        }
        let key = LicenseKey { sealed: FOR_NOBODY.to_owned(), digest: self.vault.license_digest(&code) };
        Ok(NewKey { key, opens_for_nobody: true })
    }

    /// What a key is to this account. A key that nothing has is looked for like any other, so that it takes as long.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn license_by_key(&self, code: &LicenseCode, account: &AccountId) -> Result<Standing, DispatchError> {
        let holder = self.store.find_key(CLAIM, &self.vault.license_digest(code)).await?;
        let (home, license) = holder.unwrap_or_else(|| (account.clone(), uuid::Uuid::nil()));
        let place = LicensePlace { home, license: LicenseId::from_uuid(license) };
        let state = self.license_at(&place).await?;
        Ok(Standing::of(place, &state, account.key()))
    }

    /// Where a license is: asked of the log, so that it is known while read models lag or fill anew.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn find_license(&self, license: LicenseId) -> Result<Option<LicensePlace>, DispatchError> {
        let Some(home) = self.store.home_of(AggregateId::license(license)).await? else { return Ok(None) };
        let home = self.store.account_id(home).await?;
        Ok(home.map(|home| LicensePlace { home, license }))
    }

    /// Where a license is that an account bought or uses.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn known_license(
        &self,
        license: LicenseId,
        account: &AccountId,
    ) -> Result<Option<LicensePlace>, DispatchError> {
        let Some(place) = self.find_license(license).await? else { return Ok(None) };
        let state = self.license_at(&place).await?;
        let uses = || state.held().is_ok_and(|held| held.owner == Some(account.key()));
        Ok((place.home == *account || uses()).then_some(place))
    }

    /// What an account uses where it names no key: the newest bought, or the one it chose; if it (still) can have it.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn current_license(&self, account: &AccountId) -> Result<Option<(LicensePlace, Held)>, DispatchError> {
        let Some(LicenseChosen { license, home }) = self.chosen_license(account).await? else { return Ok(None) };
        let Some(home) = self.store.account_id(home).await? else { return Ok(None) };
        let place = LicensePlace { home, license };
        let state = self.license_at(&place).await?;
        let held = state.held().ok().filter(|held| held.can_be_current_for(account.key())).cloned();
        Ok(held.map(|held| (place, held)))
    }

    /// What an account has chosen, whatever has become of it.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn chosen_license(&self, account: &AccountId) -> Result<Option<LicenseChosen>, DispatchError> {
        match self.look(account, AggregateId::holdings(account.key())).await? {
            State::Holdings(holdings) => Ok(holdings.current_license()),
            _ => Ok(None),
        }
    }

    /// A license as it is now.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn license_at(&self, place: &LicensePlace) -> Result<License, DispatchError> {
        match self.look(&place.home, AggregateId::license(place.license)).await? {
            State::License(license) => Ok(license),
            _ => Ok(License::NotIssued),
        }
    }

    /// Binds a license to an account, and nobody else's from then on.
    ///
    /// # Errors
    /// When it is another account's, or was revoked.
    pub async fn bind_license(
        &self,
        place: &LicensePlace,
        account: &AccountId,
        actor: &Actor,
    ) -> Result<Receipt, DispatchError> {
        let id = ids::derived("bind_license", &[&place.license.to_string(), &account.key().to_string()]);
        let bind = LicenseCommand::Bind { account: account.key() };
        self.execute(&place.home, actor, id, vec![Command::License(place.license, bind)]).await
    }

    /// Binds it and makes it the account's current one. Asked again it goes on where it was cut off.
    ///
    /// # Errors
    /// When it is another account's, or was revoked.
    pub async fn activate_license(
        &self,
        place: &LicensePlace,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
    ) -> Result<Receipt, DispatchError> {
        // Binding is for ever: a key that was used for something else is refused before that.
        self.check_key(account, actor, id, &[choosing(place)]).await?;
        // What was bound once and revoked since is answered by its own past; what it is now is asked for here.
        self.usable(place, account).await?;
        let bound = self.bind_license(place, account, actor).await?;
        let chosen = self.choose_license(place, account, actor, id).await?;
        Ok(Receipt { replayed: chosen.replayed, ..bound })
    }

    /// Binds a license that is used for the first time. It becomes the current one of an account that has none.
    ///
    /// # Errors
    /// When it is another account's by now, or was revoked.
    pub async fn adopt_license(
        &self,
        place: &LicensePlace,
        account: &AccountId,
        actor: &Actor,
    ) -> Result<(), DispatchError> {
        self.bind_license(place, account, actor).await?;
        if self.current_license(account).await?.is_none() {
            self.choose_license(place, account, actor, ids::fresh()).await?;
        }
        Ok(())
    }

    /// Makes it the account's current one.
    ///
    /// # Errors
    /// When it is another account's, or was revoked.
    pub async fn choose_license(
        &self,
        place: &LicensePlace,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
    ) -> Result<Receipt, DispatchError> {
        self.usable(place, account).await?;
        self.execute(account, actor, id, vec![choosing(place)]).await
    }

    /// Keeps a note, sealed under its author's key; none takes it away.
    ///
    /// # Errors
    /// When the license is another account's.
    pub async fn annotate_license(
        &self,
        place: &LicensePlace,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        note: Option<&str>,
    ) -> Result<Receipt, DispatchError> {
        // Sealed anew the same note looks like another one, so what makes a repeat the same request is its digest.
        let (sealed, digest) = match note {
            Some(note) => {
                let digest = self.vault.digest(account.key(), note).await?;
                (Some(self.vault.seal(account.key(), NOTE_PURPOSE, note).await?), digest)
            }
            None => (None, String::new()),
        };
        let hash = RequestHash::of(format!("annotate {} {digest}", place.license).as_bytes());
        let annotate = LicenseCommand::Annotate { by: account.key(), sealed };
        let command = Command::License(place.license, annotate);
        self.ask(Ask {
            account: place.home.clone(),
            actor: actor.clone(),
            id,
            hash,
            decision: Arc::new(vec![command]),
            claims: Vec::new(),
            about: None,
        })
        .await
    }

    /// Ends a license for good.
    ///
    /// # Errors
    /// When there is none, or the reason is not one.
    pub async fn revoke_license(
        &self,
        place: &LicensePlace,
        actor: &Actor,
        id: CommandId,
        reason: String,
    ) -> Result<Receipt, DispatchError> {
        let revoke = LicenseCommand::Revoke { reason };
        self.execute(&place.home, actor, id, vec![Command::License(place.license, revoke)]).await
    }

    /// Whether commands under this id would be refused because it, or the key that it is made of, has another meaning.
    async fn check_key(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        commands: &[Command],
    ) -> Result<(), DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(commands)?);
        if self.store.recorded(account, id).await?.is_some_and(|first| first.request_hash != hash) {
            return Err(ExecuteError::CommandReused(id).into());
        }
        let Some(Claim { kind, key, aggregate }) = actor.key_claim(account, id) else { return Ok(()) };
        let holder = self.store.find_key(kind, &key).await?;
        match holder.is_some_and(|holder| holder != (account.clone(), aggregate.id)) {
            true => Err(ExecuteError::KeyTaken { kind, key }.into()),
            false => Ok(()),
        }
    }

    async fn usable(&self, place: &LicensePlace, account: &AccountId) -> Result<(), DispatchError> {
        let state = self.license_at(place).await?;
        let held = state.held().map_err(Refusal::from)?;
        match held.status() {
            LicenseStatus::Revoked => Err(Refusal::from(LicenseError::Revoked).into()),
            _ if !held.can_be_current_for(account.key()) => Err(Refusal::from(LicenseError::NotYours).into()),
            LicenseStatus::Active | LicenseStatus::Exhausted => Ok(()),
        }
    }
}

impl Opening<'_> {
    /// A key in clear, for the eyes of its buyer or its owner: whoever asks has made sure of that. `None`: the account
    /// that bought it was erased.
    ///
    /// # Errors
    /// When the log or the vault cannot be asked.
    pub async fn license(&mut self, home: AccountKey, sealed: &str) -> Result<Option<SecretString>, DispatchError> {
        if sealed == FOR_NOBODY || self.is_erased(home).await? {
            return Ok(None);
        }
        unless_erased(self.dispatch.vault.open_license(home, sealed).await)
    }

    /// A note in clear, for the eyes of its author. `None`: they were erased.
    ///
    /// # Errors
    /// When the log or the vault cannot be asked.
    pub async fn note(&mut self, author: AccountKey, sealed: &str) -> Result<Option<String>, DispatchError> {
        if self.is_erased(author).await? {
            return Ok(None);
        }
        let note = unless_erased(self.dispatch.vault.open(author, NOTE_PURPOSE, sealed).await)?;
        Ok(note.map(|note| note.expose_secret().to_owned()))
    }
}

fn choosing(place: &LicensePlace) -> Command {
    Command::ChooseLicense(LicenseChosen { license: place.license, home: place.home.key() })
}

pub(super) fn unless_erased(opened: Result<SecretString, VaultError>) -> Result<Option<SecretString>, DispatchError> {
    match opened {
        Ok(clear) => Ok(Some(clear)),
        Err(VaultError::Erased) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
