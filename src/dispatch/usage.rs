//! Charges: one atomic decision over an account's packages and credits.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, AggregateKind, Charge, Command, CommandId, CreditAccountEvent, Credits, Event, GrantId,
    Overdraft, Recorded, UserPackageEvent, UserPackageId,
};
use chrono::NaiveDate;

use super::{Actor, Ask, DispatchError, Dispatcher, Metadata, ids};
use crate::store::{Claim, Receipt, RequestHash};

/// What an idempotency key is claimed as. A charge is named by its reference, so its key has to be kept beside it: it
/// may not name another charge, be it of another reference, of none, or in another account.
pub const KEY_CLAIM: &str = "idempotency_key";

/// One use of what an account has.
#[derive(Debug, Clone)]
pub struct Use {
    pub amount: Credits,
    /// Unique within the account: the same one is charged once.
    pub reference: Option<String>,
    pub meter: Option<String>,
    /// Kept with the events; part of what makes a repeat the same request.
    pub metadata: Option<Metadata>,
    /// What becomes of it where there is not enough.
    pub overdraft: Overdraft,
}

/// What was taken from where.
#[derive(Debug, Clone)]
pub struct Charged {
    /// Its events are told below.
    pub receipt: Receipt,
    pub packages: Vec<ChargedPackage>,
    pub credits: Option<ChargedCredits>,
    /// Where there was not enough and that was allowed.
    pub owed: Option<Owed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Of this charge.
    pub amount: Credits,
    /// By the account, after this.
    pub shortfall: Credits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargedPackage {
    pub package: UserPackageId,
    pub amount: Credits,
    pub day: NaiveDate,
    /// Of that day, after this.
    pub day_left: Credits,
    /// Of the whole package, after this.
    pub left: Credits,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargedCredits {
    pub amount: Credits,
    /// Grant, what it paid, what it has left.
    pub grants: Vec<(GrantId, Credits, Credits)>,
    /// Of the account, after this.
    pub balance: Credits,
}

impl Dispatcher {
    /// `key` is the client's own word for the request, where it sent one: what it stands for, a use without a reference
    /// is recorded as.
    ///
    /// # Errors
    /// When there is not enough, the reference or the key was used for something else, or the store cannot record it.
    pub async fn charge(
        &self,
        account: &AccountId,
        actor: &Actor,
        key: Option<CommandId>,
        wanted: Use,
    ) -> Result<Charged, DispatchError> {
        let Use { amount, reference, meter, metadata, overdraft } = wanted;
        let id = use_id(reference.as_deref(), key);
        let commands = vec![Command::Charge(Charge { amount, meter, reference, overdraft })];
        let mut asked = serde_json::to_string(&commands)?;
        if let Some(metadata) = &metadata {
            asked = format!(r#"[{asked},{{"usage":{}}}]"#, metadata.as_str());
        }
        let claims = key.map(|key| key_claim(key, id));
        let receipt = self
            .ask(Ask {
                account: account.clone(),
                actor: actor.clone(),
                id,
                hash: RequestHash::of(asked.as_bytes()),
                decision: Arc::new(commands),
                claims: claims.into_iter().collect(),
                about: metadata,
            })
            .await?;
        Ok(Charged::read(receipt))
    }
}

/// A reference names one use within its account, be it charged at once or reserved first.
pub(super) fn use_id(reference: Option<&str>, key: Option<CommandId>) -> CommandId {
    match reference {
        Some(reference) => ids::derived("charge", &[reference]),
        None => key.unwrap_or_else(ids::fresh),
    }
}

/// `key` names the command `id` and no other. It is held by the command, which is no aggregate but as good a holder: the
/// same one may claim it again.
pub(super) fn key_claim(key: CommandId, id: CommandId) -> Claim {
    let holder = AggregateId { kind: AggregateKind::CreditAccount, id: id.uuid() };
    Claim { kind: KEY_CLAIM, key: key.to_string(), aggregate: holder }
}

impl Charged {
    /// The events of a charge say all of it, the first time and every time after.
    fn read(mut receipt: Receipt) -> Self {
        let events = std::mem::take(&mut receipt.events);
        let mut charged = Self { receipt, packages: Vec::new(), credits: None, owed: None };
        // A charge records nothing but these.
        for Recorded { aggregate, event, .. } in &events {
            if let Event::UserPackage(UserPackageEvent::Consumed(consumed)) = event {
                charged.packages.push(ChargedPackage {
                    package: UserPackageId::from_uuid(aggregate.id),
                    amount: consumed.amount,
                    day: consumed.day,
                    day_left: consumed.day_left,
                    left: consumed.left,
                });
            } else if let Event::CreditAccount(CreditAccountEvent::Spent(spent)) = event {
                let grants = spent.from.iter().map(|taken| (taken.grant, taken.amount, taken.left)).collect();
                charged.credits = Some(ChargedCredits { amount: spent.amount, grants, balance: spent.balance });
            } else if let Event::CreditAccount(CreditAccountEvent::Overdrawn(overdrawn)) = event {
                charged.owed = Some(Owed { amount: overdrawn.amount, shortfall: overdrawn.shortfall });
            }
        }
        charged
    }
}
