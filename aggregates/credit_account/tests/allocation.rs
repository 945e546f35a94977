//! Cases of allocation that credit engines in the open are tested with (OpenMeter, Lago), told in our words.

use super::debts::{overdraw, overdrawn, repaid};
use super::*;

/// Grants as (number, amount, expiry) in the order given, what is spent, and what each grant then has left.
type Case = (
    &'static str,
    &'static [(u128, &'static str, Option<&'static str>)],
    &'static [&'static str],
    &'static [(u128, &'static str)],
);

const CASES: &[Case] = &[
    ("one grant is burnt down", &[(1, "100", None)], &["40"], &[(1, "60")]),
    ("two grants are burnt down whole", &[(1, "100", None), (2, "100", None)], &["200"], &[]),
    ("what expires first is burnt first", &[(2, "100", LATER), (1, "100", SOON)], &["120"], &[(2, "80")]),
    ("what never expires is burnt last", &[(2, "100", None), (1, "100", LATER)], &["120"], &[(2, "80")]),
    ("the older of two alike is burnt first", &[(1, "30", None), (2, "50", None)], &["60"], &[(2, "20")]),
    ("one grant pays for two uses", &[(1, "100", None)], &["25", "35"], &[(1, "40")]),
    (
        "a use over four grants",
        &[(1, "20", SOON), (2, "25", None), (3, "25", None), (4, "30", None)],
        &["80"],
        &[(4, "20")],
    ),
    ("a use of exactly all there is", &[(1, "50", None)], &["50"], &[]),
    ("rounding loses nothing", &[(1, "10.000001", None)], &["3.333333", "3.333333", "3.333333"], &[(1, "0.000002")]),
];

fn after(commands: impl IntoIterator<Item = CreditAccountCommand>) -> CreditAccount {
    let mut account = CreditAccount::default();
    for command in commands {
        for event in account.decide(noon(), &command).unwrap() {
            Decider::apply(&mut account, &event);
        }
    }
    account
}

/// The same ways for what is spent and for what an admin takes back.
#[test]
fn grants_are_used_up_in_the_order_that_is_known_elsewhere() {
    for (case, grants, uses, expected) in CASES {
        let by_admin = |amount: &str| CreditAccountCommand::Deduct { amount: credits(amount), reason: "x".to_owned() };
        for using in [spend as fn(&str) -> CreditAccountCommand, by_admin] {
            let granting = grants.iter().map(|(number, amount, expires_at)| grant(*number, amount, *expires_at));
            let account = after(granting.chain(uses.iter().map(|amount| using(amount))));
            let left: Vec<_> = account.grants.iter().map(|grant| (grant.id, grant.left)).collect();
            let expected: Vec<_> = expected.iter().map(|(number, left)| (name(*number), credits(left))).collect();
            assert_eq!(left, expected, "{case}");
        }
    }
}

#[test]
fn the_one_that_expires_first_among_very_many_is_the_only_one_touched() {
    let granting = (0..2_000).map(|number| grant(number, "100", if number == 1_234 { SOON } else { LATER }));
    let account = after(granting.chain([spend("99")]));
    let touched = account.grants.iter().filter(|grant| grant.left != grant.amount);
    assert_eq!(touched.map(|grant| (grant.id, grant.left)).collect::<Vec<_>>(), [(name(1_234), credits("1"))]);
}

#[test]
fn a_grant_that_is_over_when_the_use_begins_is_not_burnt() {
    given([granted(1, "100", SOON, "100")])
        .when(time("2026-01-10T00:00:00Z"), spend("50"))
        .then_refused(not_enough("50", "0"));
}

#[test]
fn use_without_a_grant_is_carried_over_to_the_next_one() {
    let account = given([])
        .when_asked(overdraw("25"))
        .then([overdrawn("25", "0", "25")])
        .when(noon(), grant(1, "100", SOON))
        .then([granted(1, "100", SOON, "100"), repaid("25", &[(1, "25", "75")], "75", "0")])
        .when(noon(), spend("25"))
        .then([spent("25", &[(1, "25", "50")], "50")])
        .state();
    assert_eq!((account.available(noon()), account.shortfall()), (credits("50"), credits("0")));
}

#[test]
fn taking_back_more_than_there_is_changes_nothing() {
    let void = CreditAccountCommand::Deduct { amount: credits("50"), reason: "x".to_owned() };
    given([granted(1, "30", None, "30")]).when(noon(), void).then_refused(not_enough("50", "30"));
}
