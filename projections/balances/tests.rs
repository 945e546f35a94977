use aggregates::credit_account::{Granted, SettledPart, Spent, Taken};
use aggregates::{AggregateId, CreditAccountEvent, Credits, Event, GrantId, GrantSource, HoldId};
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
    let balance = Balance { balance: Credits::whole(1), ..Balance::default() };
    assert_eq!(balances.balances, HashMap::from([(alice(), balance)]));
    let grant = Grant { left: Credits::whole(1), ..Grant::default() };
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

/// So much is set aside, and so much is left.
fn held(hold: u128, amount: u32, left: u32, frozen: u32) -> Event {
    let (amount, left) = (Credits::whole(amount), Credits::whole(left));
    let from = vec![Taken { grant: grant_id(), amount, left }];
    let (hold, frozen) = (HoldId::from_uuid(Uuid::from_u128(hold)), Credits::whole(frozen));
    CreditAccountEvent::Held(Held { hold, amount, from, balance: Credits::whole(9), frozen }).into()
}

fn settled(hold: u128, [spent, returned, left, frozen, balance]: [u32; 5]) -> Event {
    let [spent, returned, left, frozen, balance] = [spent, returned, left, frozen, balance].map(Credits::whole);
    let parts = vec![SettledPart { grant: grant_id(), spent, returned, left }];
    let hold = HoldId::from_uuid(Uuid::from_u128(hold));
    CreditAccountEvent::Settled(Settled {
        hold,
        amount: spent,
        returned,
        parts,
        balance,
        frozen,
        meter: None,
        reference: None,
    })
    .into()
}

#[test]
fn what_is_held_of_a_grant_is_what_changes_of_it() {
    let mut balances = Balances::default();
    let events = [held(1, 3, 6, 3), held(2, 4, 2, 7), settled(1, [1, 2, 4, 4, 8])];
    fold(&mut balances, AggregateId::credit_account(alice()), events);
    let grant = Grant { left: Credits::whole(4), frozen: 4_000_000, given: None };
    assert_eq!(balances.grants, HashMap::from([((alice(), grant_id()), grant)]));
    let balance = Balance { balance: Credits::whole(8), frozen: Some(Credits::whole(4)), shortfall: None };
    assert_eq!(balances.balances, HashMap::from([(alice(), balance)]));
}

#[test]
fn more_than_can_be_counted_has_no_row() {
    let amount = Credits::MAX;
    let from = vec![Taken { grant: grant_id(), amount, left: Credits::ZERO }];
    let hold = HoldId::from_uuid(Uuid::from_u128(1));
    let held = Held { hold, amount, from, balance: amount, frozen: amount };
    let mut balances = Balances::default();
    assert_eq!(balances.held(alice(), &held), Ok(()));
    assert_eq!(balances.held(alice(), &held), Err(TOO_MUCH));
}
