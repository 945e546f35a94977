//! Bought again, given back, moved and revoked.

use super::*;
use crate::reason::BadReason;

const ENDS: &str = "2026-02-04T06:00:00Z";

fn order(number: u128) -> OrderId {
    id(number, OrderId::from_uuid)
}

fn extend(number: u128, days: u32) -> UserPackageCommand {
    UserPackageCommand::Extend { order: order(number), days }
}

fn extended(number: u128, days: u32, ends_at: &str, left: &str) -> UserPackageEvent {
    UserPackageEvent::Extended(Extended { order: order(number), days, ends_at: time(ends_at), left: credits(left) })
}

fn take_back(number: u128) -> UserPackageCommand {
    UserPackageCommand::TakeBack { order: order(number), reason: "refunded".to_owned() }
}

fn shortened(number: u128, days: u32, ends_at: &str, left: &str) -> UserPackageEvent {
    UserPackageEvent::Shortened(Shortened { order: order(number), days, ends_at: time(ends_at), left: credits(left) })
}

fn revoke() -> UserPackageCommand {
    UserPackageCommand::Revoke { reason: "refunded".to_owned() }
}

fn revoked(at: &str) -> UserPackageEvent {
    UserPackageEvent::Revoked(Revoked { reason: "refunded".to_owned(), at: time(at) })
}

fn starts(starts_at: &str) -> UserPackageCommand {
    UserPackageCommand::Move { starts_at: time(starts_at) }
}

fn moved(starts_at: &str, ends_at: &str) -> UserPackageEvent {
    UserPackageEvent::Moved(Moved { starts_at: time(starts_at), ends_at: time(ends_at) })
}

/// The order that activated it has no number here: it is whichever did not extend it.
const FIRST: u128 = 1;

#[test]
fn buying_it_again_moves_the_end_and_the_total_out() {
    running()
        .when(time(START), consume("5"))
        .then([consumed("5", "2026-01-05", "0", "145")])
        .when(time("2026-01-06T00:00:00Z"), extend(2, 10))
        .then([extended(2, 10, "2026-02-14T06:00:00Z", "195")])
        // The day is not longer for it.
        .when(time("2026-01-06T00:00:00Z"), consume("5.01"))
        .then_refused(not_enough("5.01", "5"))
        .when(time("2026-02-14T05:59:59Z"), consume("5"))
        .then([consumed("5", "2026-02-14", "0", "190")])
        .when(time("2026-02-14T06:00:00Z"), consume("1"))
        .then_refused(UserPackageError::Ended { ended_at: time("2026-02-14T06:00:00Z") });
}

#[test]
fn an_order_extends_it_once() {
    running()
        .when(time(START), extend(2, 10))
        .then([extended(2, 10, "2026-02-14T06:00:00Z", "200")])
        .when(time(START), extend(2, 10))
        .then_nothing()
        .when(time(START), extend(2, 11))
        .then_refused(UserPackageError::TermsDiffer)
        .when(time(START), extend(3, 10))
        .then([extended(3, 10, "2026-02-24T06:00:00Z", "250")])
        .when(time(START), take_back(2))
        .then([shortened(2, 10, "2026-02-14T06:00:00Z", "200")])
        .when(time(START), extend(2, 10))
        .then_nothing();
}

#[test]
fn what_waits_can_be_extended_and_what_has_ended_cannot() {
    given([]).when(time(START), extend(2, 10)).then_refused(UserPackageError::NotActivated);
    running().when(time("2026-01-01T00:00:00Z"), extend(2, 10)).then([extended(2, 10, "2026-02-14T06:00:00Z", "200")]);
    let ended = || UserPackageError::Ended { ended_at: time(ENDS) };
    running().when(time(ENDS), extend(2, 10)).then_refused(ended());
    given([activated(START, terms()), UserPackageEvent::Expired(Expired { at: time(ENDS) })])
        .when(time("2026-02-04T05:59:59Z"), extend(2, 10))
        .then_refused(ended());
    given([activated(START, terms()), revoked(START)])
        .when(time(START), extend(2, 10))
        .then_refused(UserPackageError::Revoked);
}

#[test]
fn an_extension_is_as_bounded_as_a_package() {
    for days in [0, 36_501] {
        running().when(time(START), extend(2, days)).then_refused(UserPackageError::DurationOutOfRange { days });
    }
    let most = Terms { daily_limit: Credits::MAX, duration_days: 1, ..terms() };
    given([activated(START, most)]).when(time(START), extend(2, 1)).then_refused(UserPackageError::TooLarge);
    given([activated("9999-11-25T00:00:00Z", terms())])
        .when(time("9999-12-01T00:00:00Z"), extend(2, 10))
        .then_refused(UserPackageError::TimeOutOfRange);
}

#[test]
fn one_of_several_orders_given_back_takes_its_days_along() {
    let bought_twice = || given([activated(START, terms()), extended(2, 10, "2026-02-14T06:00:00Z", "200")]);
    let package = bought_twice()
        .when(time(START), take_back(2))
        .then([shortened(2, 10, ENDS, "150")])
        .when(time(START), take_back(2))
        .then_nothing()
        .when(time("2026-01-06T06:00:00Z"), take_back(FIRST))
        .then([revoked("2026-01-06T06:00:00Z")])
        .when(time("2026-01-07T06:00:00Z"), take_back(FIRST))
        .then_nothing();
    assert!(package.state().is_revoked());
    bought_twice()
        .when(time(START), take_back(FIRST))
        .then([shortened(FIRST, 30, "2026-01-15T06:00:00Z", "50")])
        .when(time(START), take_back(FIRST))
        .then_nothing()
        .when(time(START), take_back(2))
        .then([revoked(START)]);
}

#[test]
fn what_was_never_extended_is_revoked_when_its_order_is_given_back() {
    given([]).when(time(START), take_back(FIRST)).then_refused(UserPackageError::NotActivated);
    let package = running().when(time(START), take_back(FIRST)).then([revoked(START)]);
    assert!(package.state().is_revoked());
}

#[test]
fn a_package_is_not_shortened_into_the_past_and_not_below_nothing() {
    let late = "2026-02-10T06:00:00Z";
    let used_up = [
        activated(START, Terms { duration_days: 2, ..terms() }),
        consumed("5", "2026-01-05", "0", "5"),
        consumed("3", "2026-01-06", "2", "2"),
        extended(2, 50, "2026-02-26T06:00:00Z", "252"),
    ];
    // Fifty days given back after more than fifty had begun: it ran until now.
    given(used_up.clone())
        .when(time(late), take_back(2))
        .then([shortened(2, 50, late, "2")])
        .when(time(late), consume("1"))
        .then_refused(UserPackageError::Ended { ended_at: time(late) });
    // Two days given back of which 8 of 10 were used.
    given(used_up.into_iter().take(3).chain([extended(2, 1, "2026-01-08T06:00:00Z", "7")]))
        .when(time("2026-01-07T06:00:00Z"), take_back(FIRST))
        .then([shortened(FIRST, 2, "2026-01-07T06:00:00Z", "0")]);
    // What has ended does not end anew, and not later.
    given([activated(START, terms()), extended(2, 10, "2026-02-14T06:00:00Z", "200")])
        .when(time("2026-03-01T00:00:00Z"), take_back(2))
        .then([shortened(2, 10, "2026-02-14T06:00:00Z", "150")]);
}

#[test]
fn what_was_used_of_days_that_were_given_back_is_taken_off_further_days() {
    let morning = time("2026-01-06T02:00:00Z");
    let used_up = [
        activated(START, Terms { duration_days: 1, ..terms() }),
        extended(2, 1, "2026-01-07T06:00:00Z", "10"),
        consumed("5", "2026-01-05", "0", "5"),
        consumed("5", "2026-01-06", "0", "0"),
    ];
    given(used_up)
        .when(morning, take_back(2))
        .then([shortened(2, 1, "2026-01-06T06:00:00Z", "0")])
        .when(morning, extend(3, 1))
        .then([extended(3, 1, "2026-01-07T06:00:00Z", "0")])
        .when(morning, extend(4, 1))
        .then([extended(4, 1, "2026-01-08T06:00:00Z", "5")]);
}

#[test]
fn what_waits_may_start_sooner() {
    running()
        .when(time("2026-01-01T00:00:00Z"), starts("2026-01-03T06:00:00Z"))
        .then([moved("2026-01-03T06:00:00Z", "2026-02-02T06:00:00Z")])
        .when(time("2026-01-01T00:00:00Z"), starts("2026-01-03T06:00:00Z"))
        .then_nothing()
        // No part of it is over before it begins.
        .when(time("2026-01-02T06:00:00Z"), starts("2026-01-01T00:00:00Z"))
        .then([moved("2026-01-02T06:00:00Z", "2026-02-01T06:00:00Z")])
        .when(time("2026-01-02T06:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-02", "0", "145")]);
}

#[test]
fn what_runs_or_would_start_later_is_not_moved() {
    let not_sooner = || UserPackageError::NotSooner { starts_at: time(START) };
    given([]).when(time(START), starts(START)).then_refused(UserPackageError::NotActivated);
    running()
        .when(time("2026-01-05T06:00:01Z"), starts("2026-01-01T00:00:00Z"))
        .then_refused(not_sooner())
        .when(time("2026-01-01T00:00:00Z"), starts("2026-01-06T00:00:00Z"))
        .then_refused(not_sooner());
    given([activated(START, terms()), revoked(START)])
        .when(time("2026-01-01T00:00:00Z"), starts("2026-01-02T00:00:00Z"))
        .then_refused(UserPackageError::Revoked);
    given([activated(START, terms())])
        .when(time("-0001-01-01T00:00:00Z"), starts("-0001-01-01T00:00:00Z"))
        .then_refused(UserPackageError::TimeOutOfRange);
}

#[test]
fn what_was_revoked_pays_nothing_and_never_expires() {
    given([]).when(time(START), revoke()).then_refused(UserPackageError::NotActivated);
    let package = running()
        .when(time(START), revoke())
        .then([revoked(START)])
        .when(time("2026-01-06T00:00:00Z"), revoke())
        .then_nothing()
        .when(time(START), consume("1"))
        .then_refused(UserPackageError::Revoked)
        .when(time(ENDS), UserPackageCommand::Expire)
        .then_nothing()
        .when(time(START), activate(terms()))
        .then_nothing()
        .state();
    assert!(package.is_revoked());
    assert_eq!(package.left_today(time(START)), Credits::ZERO);
    assert!(!running().state().is_revoked() && !given([]).state().is_revoked());
}

#[test]
fn a_reason_is_given_for_what_is_taken_away() {
    for why in ["", "a\nb"] {
        for command in [
            UserPackageCommand::Revoke { reason: why.to_owned() },
            UserPackageCommand::TakeBack { order: order(FIRST), reason: why.to_owned() },
        ] {
            running().when(time(START), command).then_refused(BadReason.into());
        }
    }
}

#[test]
fn what_happens_to_a_package_that_never_was_changes_nothing() {
    for event in [extended(2, 10, ENDS, "1"), moved(START, ENDS), revoked(START)] {
        assert_eq!(given([event]).state(), UserPackage::NotActivated);
    }
    // Nor is one activated anew by what cannot have happened.
    let twice = given([activated(START, terms()), activated(ENDS, terms())]).state();
    assert_eq!(twice.run(), given([activated(ENDS, terms())]).state().run(), "the newest event is what is");
}

#[test]
fn each_order_bought_its_own_part_of_the_run() {
    let part = |events: Vec<UserPackageEvent>, number| {
        let part = given(events).state().run_of(order(number));
        part.map(|(from, to)| (from.to_rfc3339(), to.to_rfc3339()))
    };
    let days = |from: &str, to: &str| Some((time(from).to_rfc3339(), time(to).to_rfc3339()));
    let bought = || {
        vec![
            activated(START, terms()),
            extended(2, 10, "2026-02-14T06:00:00Z", "200"),
            extended(3, 20, "2026-03-06T06:00:00Z", "300"),
        ]
    };
    assert_eq!(part(vec![], FIRST), None);
    assert_eq!(part(bought(), FIRST), days(START, ENDS));
    assert_eq!(part(bought(), 2), days(ENDS, "2026-02-14T06:00:00Z"));
    assert_eq!(part(bought(), 3), days("2026-02-14T06:00:00Z", "2026-03-06T06:00:00Z"));
    // What was given back is in nobody's way.
    let given_back = |number, days| {
        let shortened = shortened(number, days, START, "0");
        bought().into_iter().chain([shortened]).collect::<Vec<_>>()
    };
    assert_eq!(part(given_back(2, 10), 3), days(ENDS, "2026-02-24T06:00:00Z"));
    assert_eq!(part(given_back(FIRST, 30), 2), days(START, "2026-01-15T06:00:00Z"));
}
