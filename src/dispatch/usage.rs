//! Charges: one atomic decision over an account's packages and credits.

use std::sync::Arc;

use aggregates::{
    AccountId, Charge, Command, CommandId, CreditAccountEvent, Credits, Event, GrantId, Recorded, UserPackageEvent,
    UserPackageId,
};
use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::store::{Receipt, RequestHash};

/// One use of what an account has.
#[derive(Debug, Clone)]
pub struct Use {
    pub amount: Credits,
    /// Unique within the account: the same one is charged once.
    pub reference: Option<String>,
    pub meter: Option<String>,
    /// Kept with the events; part of what makes a repeat the same request.
    pub metadata: Option<Map<String, Value>>,
}

/// What was taken from where.
#[derive(Debug, Clone)]
pub struct Charged {
    pub receipt: Receipt,
    pub packages: Vec<ChargedPackage>,
    pub credits: Option<ChargedCredits>,
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
    /// `id` is for a use without a reference.
    ///
    /// # Errors
    /// When there is not enough, the reference was used for something else, or the store cannot record it.
    pub async fn charge(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: Option<CommandId>,
        wanted: Use,
    ) -> Result<Charged, DispatchError> {
        let Use { amount, reference, meter, metadata } = wanted;
        let id = match &reference {
            Some(reference) => ids::derived("charge", &[reference]),
            None => id.unwrap_or_else(ids::fresh),
        };
        let commands = vec![Command::Charge(Charge { amount, meter, reference })];
        let mut about = Map::new();
        let hash = match metadata {
            None => RequestHash::of(&serde_json::to_vec(&commands)?),
            Some(metadata) => {
                about.insert("usage".to_owned(), Value::Object(metadata));
                RequestHash::of(&serde_json::to_vec(&(&commands, &about))?)
            }
        };
        let receipt = self
            .ask(Ask {
                account: account.clone(),
                actor: actor.clone(),
                id,
                hash,
                decision: Arc::new(commands),
                claims: Vec::new(),
                about,
            })
            .await?;
        Ok(Charged::read(receipt))
    }
}

impl Charged {
    /// The events of a charge say all of it, the first time and every time after.
    fn read(receipt: Receipt) -> Self {
        let mut charged = Self { receipt: receipt.clone(), packages: Vec::new(), credits: None };
        for Recorded { aggregate, event, .. } in receipt.events {
            match event {
                Event::UserPackage(UserPackageEvent::Consumed(consumed)) => charged.packages.push(ChargedPackage {
                    package: UserPackageId::from_uuid(aggregate.id),
                    amount: consumed.amount,
                    day: consumed.day,
                    day_left: consumed.day_left,
                    left: consumed.left,
                }),
                Event::CreditAccount(CreditAccountEvent::Spent(spent)) => {
                    let grants = spent.from.iter().map(|taken| (taken.grant, taken.amount, taken.left)).collect();
                    charged.credits = Some(ChargedCredits { amount: spent.amount, grants, balance: spent.balance });
                }
                _ => {}
            }
        }
        charged
    }
}
