use aggregates::credit_account::{Granted, Spent, Taken};
use aggregates::{AggregateId, CreditAccountEvent, Credits, Event, GrantId, GrantSource};
use uuid::Uuid;

use super::*;
use crate::facts::{alice, fold};

fn grant_id() -> GrantId {
    GrantId::from_uuid(Uuid::from_u128(1))
}

fn granted(amount: u32) -> Event {
    let (grant, amount) = (grant_id(), Credits::whole(amount));
    let granted =
        Granted { grant, source: GrantSource::Order, amount, expires_at: None, balance: amount, reason: None };
    CreditAccountEvent::Granted(granted).into()
}

/// One credit, and so much is left.
fn spent(left: u32) -> Event {
    let (amount, left) = (Credits::whole(1), Credits::whole(left));
    let from = vec![Taken { grant: grant_id(), amount, left }];
    CreditAccountEvent::Spent(Spent { amount, from, balance: left, meter: None, reference: None }).into()
}

#[test]
fn a_thousand_charges_are_one_row_of_each_table() {
    let mut balances = Balances::default();
    fold(&mut balances, AggregateId::credit_account(alice()), (1..=1_000).rev().map(spent));
    assert_eq!(balances.balances, HashMap::from([(alice(), Credits::whole(1))]));
    let grant = Grant { left: Credits::whole(1), given: None };
    assert_eq!(balances.grants, HashMap::from([((alice(), grant_id()), grant)]));
}

#[test]
fn a_grant_that_is_given_and_spent_in_one_batch_keeps_both() {
    let mut balances = Balances::default();
    fold(&mut balances, AggregateId::credit_account(alice()), [granted(2), spent(1)]);
    let grant = &balances.grants[&(alice(), grant_id())];
    assert_eq!(grant.left, Credits::whole(1));
    let given = grant.given.as_ref().expect("given in this batch");
    assert_eq!((given.amount, given.source.as_str(), given.position), (Credits::whole(2), "order", 1));
}

#[test]
fn what_was_folded_can_be_dropped() {
    let mut balances = Balances::default();
    fold(&mut balances, AggregateId::credit_account(alice()), [granted(2)]);
    balances.forget();
    assert!(balances.balances.is_empty() && balances.grants.is_empty());
}
