//! The end of a grant, and that it is recorded once.

use super::*;

const AFTER: &str = "2026-01-10T00:00:00Z";

fn expire(grant: u128) -> CreditAccountCommand {
    CreditAccountCommand::Expire { grant: name(grant) }
}

pub(super) fn expired(grant: u128, amount: &str, balance: &str) -> CreditAccountEvent {
    CreditAccountEvent::Expired(Expired { grant: name(grant), amount: credits(amount), balance: credits(balance) })
}

#[test]
fn what_is_left_of_a_grant_leaves_the_books_with_its_end() {
    let account = given([granted(1, "5", SOON, "5"), granted(2, "2", None, "7"), spent("1", &[(1, "1", "4")], "6")])
        .when(time(AFTER), expire(1))
        .then([expired(1, "4", "2")])
        .when(time(AFTER), expire(1))
        .then_nothing()
        .state();
    assert_eq!((account.balance(), account.left_and_frozen(name(1))), (credits("2"), None));
}

#[test]
fn a_grant_does_not_expire_before_its_time() {
    given([granted(1, "5", SOON, "5"), granted(2, "5", None, "10")])
        .when(time("2026-01-09T23:59:59.999999Z"), expire(1))
        .then_refused(CreditAccountError::NotExpired { grant: name(1) })
        .when(time(AFTER), expire(2))
        .then_refused(CreditAccountError::NotExpired { grant: name(2) });
}

#[test]
fn a_grant_that_is_used_up_or_never_was_has_no_end_to_record() {
    given([granted(1, "5", SOON, "5"), spent("5", &[(1, "5", "0")], "0")])
        .when(time(AFTER), expire(1))
        .then_nothing()
        .when(time(AFTER), expire(2))
        .then_nothing();
}

#[test]
fn the_end_of_one_grant_leaves_the_others_alone() {
    given([granted(1, "5", SOON, "5"), granted(2, "1", LATER, "6"), granted(3, "1", SOON, "7")])
        .when(time(AFTER), expire(1))
        .then([expired(1, "5", "2")])
        .when(time(AFTER), spend("1"))
        .then([spent("1", &[(2, "1", "0")], "1")]);
}

#[test]
fn a_grant_is_known_by_its_end_until_it_is_used_up() {
    let events = [granted(1, "5", SOON, "5"), granted(2, "1", None, "6"), granted(3, "1", LATER, "7")];
    let account = given(events.into_iter().chain([spent("5", &[(1, "5", "0")], "2")])).state();
    let ends = [1, 2, 3].map(|number| account.expiry(name(number)));
    assert_eq!(ends, [None, None, LATER.map(time)]);
}
