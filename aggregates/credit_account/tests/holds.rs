//! Credits set aside and let go. Who may do so, and when, is tested with the hold itself.

use super::debts::repaid;
use super::expiry::expired;
use super::*;
use crate::hold::HeldCredits;
use crate::ids::{HoldId, OrderId, RefundId};
use crate::label::Labels;

const AFTER: &str = "2026-01-10T00:00:00Z";

type Asked = Result<Vec<CreditAccountEvent>, CreditAccountError>;

fn hold_id(number: u128) -> HoldId {
    id(number, HoldId::from_uuid)
}

fn hold(number: u128, amount: &str) -> impl FnOnce(&CreditAccount) -> Asked {
    let amount = credits(amount);
    move |account| Ok(vec![CreditAccountEvent::Held(account.hold(noon(), hold_id(number), amount)?)])
}

/// The balance stays, so it is said last.
fn held(number: u128, amount: &str, from: &[(u128, &str, &str)], frozen: &str, balance: &str) -> CreditAccountEvent {
    CreditAccountEvent::Held(Held {
        hold: hold_id(number),
        amount: credits(amount),
        from: taken(from),
        balance: credits(balance),
        frozen: credits(frozen),
    })
}

fn settle(at: &str, number: u128, parts: &[(u128, &str)], amount: &str) -> impl FnOnce(&CreditAccount) -> Asked {
    let part = |(grant, amount): &(u128, &str)| HeldCredits { grant: name(*grant), amount: credits(amount) };
    let (at, parts, amount) = (time(at), parts.iter().map(part).collect::<Vec<_>>(), credits(amount));
    move |account| Ok(account.settle(at, hold_id(number), &parts, amount, Labels::try_new(&None, &None).unwrap()))
}

/// Parts: grant, spent, returned, left.
fn settled(
    number: u128,
    [amount, returned]: [&str; 2],
    parts: &[(u128, &str, &str, &str)],
    frozen: &str,
    balance: &str,
) -> CreditAccountEvent {
    let part = |(grant, spent, returned, left): &(u128, &str, &str, &str)| SettledPart {
        grant: name(*grant),
        spent: credits(spent),
        returned: credits(returned),
        left: credits(left),
    };
    CreditAccountEvent::Settled(Settled {
        hold: hold_id(number),
        amount: credits(amount),
        returned: credits(returned),
        parts: parts.iter().map(part).collect(),
        balance: credits(balance),
        frozen: credits(frozen),
        meter: None,
        reference: None,
    })
}

fn clawed_back_before(missing: &str, balance: &str) -> CreditAccountEvent {
    CreditAccountEvent::ClawedBack(ClawedBack {
        order: id(7, OrderId::from_uuid),
        refund: id(70, RefundId::from_uuid),
        amount: credits("0"),
        from: vec![],
        missing: credits(missing),
        expired: credits("0"),
        balance: credits(balance),
        shortfall: credits(missing),
    })
}

#[test]
fn a_hold_takes_as_spending_does_and_leaves_the_balance() {
    let account = given([granted(1, "3", None, "3"), granted(2, "2", SOON, "5")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(2, "2", "0"), (1, "2", "1")], "4", "5")])
        .when(noon(), spend("1.5"))
        .then_refused(not_enough("1.5", "1"))
        .state();
    assert_eq!(
        (account.balance(), account.available(noon()), account.frozen()),
        (credits("5"), credits("1"), credits("4"))
    );
    assert_eq!(account.left_and_frozen(name(2)), Some((credits("0"), credits("2"))));
}

#[test]
fn a_hold_of_more_than_there_is_sets_nothing_aside() {
    given([granted(1, "3", None, "3")])
        .when_asked(hold(1, "3.000001"))
        .then_refused(not_enough("3.000001", "3"))
        .when_asked(hold(1, "0"))
        .then_refused(CreditAccountError::AmountIsZero);
}

#[test]
fn settling_spends_the_earliest_part_first_and_the_rest_is_back() {
    let account = given([granted(1, "3", None, "3"), granted(2, "2", SOON, "5")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(2, "2", "0"), (1, "2", "1")], "4", "5")])
        .when_asked(settle("2026-01-05T13:00:00Z", 1, &[(2, "2"), (1, "2")], "2.5"))
        .then([settled(1, ["2.5", "1.5"], &[(2, "2", "0", "0"), (1, "0.5", "1.5", "2.5")], "0", "2.5")])
        .state();
    assert_eq!((account.available(noon()), account.left_and_frozen(name(2))), (credits("2.5"), None));
}

#[test]
fn settling_nothing_gives_all_of_it_back() {
    let account = given([granted(1, "3", None, "3")])
        .when_asked(hold(1, "3"))
        .then([held(1, "3", &[(1, "3", "0")], "3", "3")])
        .when_asked(settle("2026-01-05T13:00:00Z", 1, &[(1, "3")], "0"))
        .then([settled(1, ["0", "3"], &[(1, "0", "3", "3")], "0", "3")])
        .state();
    assert_eq!((account.available(noon()), account.frozen()), (credits("3"), credits("0")));
}

#[test]
fn holds_of_one_grant_know_only_their_own_parts() {
    given([granted(1, "9", None, "9")])
        .when_asked(hold(1, "3"))
        .then([held(1, "3", &[(1, "3", "6")], "3", "9")])
        .when_asked(hold(2, "4"))
        .then([held(2, "4", &[(1, "4", "2")], "7", "9")])
        .when_asked(settle("2026-01-05T13:00:00Z", 1, &[(1, "3")], "1"))
        .then([settled(1, ["1", "2"], &[(1, "1", "2", "4")], "4", "8")])
        .when_asked(settle("2026-01-05T13:00:00Z", 2, &[(1, "4")], "4"))
        .then([settled(2, ["4", "0"], &[(1, "4", "0", "4")], "0", "4")]);
}

#[test]
fn a_grant_that_is_wholly_frozen_pays_nothing_and_is_not_forgotten() {
    given([granted(1, "3", SOON, "3"), granted(2, "2", None, "5")])
        .when_asked(hold(1, "3"))
        .then([held(1, "3", &[(1, "3", "0")], "3", "5")])
        .when(noon(), spend("1"))
        .then([spent("1", &[(2, "1", "1")], "4")])
        .when(noon(), grant(1, "3", SOON))
        .then_nothing();
}

#[test]
fn an_expired_grant_is_settled_all_the_same_and_then_is_over() {
    let account = given([granted(1, "9", SOON, "9"), granted(2, "1", None, "10"), spent("2", &[(1, "2", "7")], "8")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(1, "4", "3")], "4", "8")])
        .when(time(AFTER), CreditAccountCommand::Expire { grant: name(1) })
        .then_nothing()
        .when_asked(settle(AFTER, 1, &[(1, "4")], "3"))
        .then([settled(1, ["3", "1"], &[(1, "3", "1", "4")], "0", "5"), expired(1, "4", "1")])
        .state();
    assert_eq!((account.balance(), account.left_and_frozen(name(1))), (credits("1"), None));
}

#[test]
fn the_last_hold_of_an_expired_grant_records_its_end() {
    given([granted(1, "9", SOON, "9")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(1, "4", "5")], "4", "9")])
        .when_asked(hold(2, "5"))
        .then([held(2, "5", &[(1, "5", "0")], "9", "9")])
        .when_asked(settle(AFTER, 1, &[(1, "4")], "0"))
        .then([settled(1, ["0", "4"], &[(1, "0", "4", "4")], "5", "9")])
        .when_asked(settle(AFTER, 2, &[(1, "5")], "5"))
        .then([settled(2, ["5", "0"], &[(1, "5", "0", "4")], "0", "4"), expired(1, "4", "0")]);
}

#[test]
fn an_expired_grant_that_its_last_hold_used_up_has_no_end_to_record() {
    given([granted(1, "4", SOON, "4")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(1, "4", "0")], "4", "4")])
        .when_asked(settle(AFTER, 1, &[(1, "4")], "4"))
        .then([settled(1, ["4", "0"], &[(1, "4", "0", "0")], "0", "0")]);
}

#[test]
fn a_claw_back_never_takes_what_is_frozen_and_its_release_repays_it() {
    given([granted(1, "5", None, "5")])
        .when_asked(hold(1, "5"))
        .then([held(1, "5", &[(1, "5", "0")], "5", "5")])
        .when(
            noon(),
            CreditAccountCommand::ClawBack {
                order: id(7, OrderId::from_uuid),
                refund: id(70, RefundId::from_uuid),
                amount: credits("3"),
            },
        )
        .then([clawed_back_before("3", "5")])
        .when_asked(settle("2026-01-05T13:00:00Z", 1, &[(1, "5")], "1"))
        .then([settled(1, ["1", "4"], &[(1, "1", "4", "4")], "0", "4"), repaid("3", &[(1, "3", "1")], "1", "0")]);
}

#[test]
fn what_comes_back_repays_part_of_what_is_owed_from_every_grant_it_came_from() {
    given([granted(1, "2", SOON, "2"), granted(2, "2", None, "4")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(1, "2", "0"), (2, "2", "0")], "4", "4")])
        .when_asked(|_| Ok(vec![clawed_back_before("9", "4")]))
        .then([clawed_back_before("9", "4")])
        .when_asked(settle("2026-01-05T13:00:00Z", 1, &[(1, "2"), (2, "2")], "1"))
        .then([
            settled(1, ["1", "3"], &[(1, "1", "1", "1"), (2, "0", "2", "2")], "0", "3"),
            repaid("3", &[(1, "1", "0"), (2, "2", "0")], "0", "6"),
        ]);
}

#[test]
fn what_comes_back_to_an_expired_grant_is_over_and_repays_nothing() {
    let account = given([granted(1, "9", SOON, "9")])
        .when_asked(hold(1, "5"))
        .then([held(1, "5", &[(1, "5", "4")], "5", "9")])
        .when_asked(|_| Ok(vec![clawed_back_before("3", "9")]))
        .then([clawed_back_before("3", "9")])
        .when_asked(settle(AFTER, 1, &[(1, "5")], "1"))
        .then([settled(1, ["1", "4"], &[(1, "1", "4", "8")], "0", "8"), expired(1, "8", "0")])
        .state();
    assert_eq!((account.balance(), account.shortfall()), (credits("0"), credits("3")));
}

#[test]
fn what_comes_back_repays_from_the_grants_that_still_pay() {
    given([granted(1, "2", SOON, "2"), granted(2, "2", None, "4")])
        .when_asked(hold(1, "4"))
        .then([held(1, "4", &[(1, "2", "0"), (2, "2", "0")], "4", "4")])
        .when_asked(|_| Ok(vec![clawed_back_before("3", "4")]))
        .then([clawed_back_before("3", "4")])
        .when_asked(settle(AFTER, 1, &[(1, "2"), (2, "2")], "0"))
        .then([
            settled(1, ["0", "4"], &[(1, "0", "2", "2"), (2, "0", "2", "2")], "0", "4"),
            repaid("2", &[(2, "2", "0")], "2", "1"),
            expired(1, "2", "0"),
        ]);
}
