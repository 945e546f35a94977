//! Quota that is set aside, and what becomes of it.

use super::*;
use crate::ids::HoldId;
use crate::label::Labels;

fn hold(number: u128) -> HoldId {
    id(number, HoldId::from_uuid)
}

fn held(amount: &str, date: &str, day_left: &str, left: &str) -> UserPackageEvent {
    UserPackageEvent::Held(Held {
        hold: hold(1),
        amount: credits(amount),
        day: day(date),
        day_left: credits(day_left),
        left: credits(left),
    })
}

fn settled(amount: &str, returned: &str, date: &str, day_left: &str, left: &str) -> UserPackageEvent {
    UserPackageEvent::Settled(Settled {
        hold: hold(1),
        amount: credits(amount),
        returned: credits(returned),
        day: day(date),
        day_left: credits(day_left),
        left: credits(left),
        meter: None,
        reference: None,
    })
}

type Asked = Result<Vec<UserPackageEvent>, UserPackageError>;

fn set_aside(at: &'static str, amount: &'static str) -> impl FnOnce(&UserPackage) -> Asked {
    move |package| Ok(vec![UserPackageEvent::Held(package.quota(time(at))?.hold(hold(1), credits(amount))?)])
}

/// `spent` of `held`, from the day it was held of.
fn settle(date: &'static str, held: &'static str, spent: &'static str) -> impl FnOnce(&UserPackage) -> Asked {
    move |package| {
        let labels = Labels::try_new(&None, &None).unwrap();
        let settled = package.settle(hold(1), day(date), credits(held), credits(spent), labels)?;
        Ok(vec![UserPackageEvent::Settled(settled)])
    }
}

#[test]
fn what_is_held_counts_as_used_until_it_is_settled() {
    running()
        .when_asked(set_aside(START, "3"))
        .then([held("3", "2026-01-05", "2", "147")])
        .when(time(START), consume("2.01"))
        .then_refused(not_enough("2.01", "2"))
        .when(time(START), consume("1"))
        .then([consumed("1", "2026-01-05", "1", "146")])
        .when_asked(settle("2026-01-05", "3", "2"))
        .then([settled("2", "1", "2026-01-05", "2", "147")])
        .when(time(START), consume("2"))
        .then([consumed("2", "2026-01-05", "0", "145")]);
}

#[test]
fn a_hold_let_go_gives_all_of_it_back_to_the_day() {
    running()
        .when_asked(set_aside(START, "5"))
        .then([held("5", "2026-01-05", "0", "145")])
        .when_asked(settle("2026-01-05", "5", "0"))
        .then([settled("0", "5", "2026-01-05", "5", "150")])
        .when(time(START), consume("5"))
        .then([consumed("5", "2026-01-05", "0", "145")]);
}

#[test]
fn no_more_is_held_than_is_left_and_nothing_is_not_held() {
    running()
        .when_asked(set_aside(START, "5.01"))
        .then_refused(not_enough("5.01", "5"))
        .when_asked(set_aside(START, "0"))
        .then_refused(UserPackageError::AmountIsZero);
    given([activated(START, Terms { duration_days: 1, ..terms() }), consumed("3", "2026-01-05", "2", "2")])
        .when_asked(set_aside("2026-01-06T05:00:00Z", "2.01"))
        .then_refused(not_enough("2.01", "2"));
}

#[test]
fn what_was_held_before_midnight_is_charged_to_the_day_it_is_of() {
    running()
        .when_asked(set_aside("2026-01-05T15:59:59Z", "4"))
        .then([held("4", "2026-01-05", "1", "146")])
        .when(time("2026-01-05T16:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-06", "0", "141")])
        // What comes back can be used on no day of its own any more, only as part of the whole.
        .when_asked(settle("2026-01-05", "4", "1"))
        .then([settled("1", "3", "2026-01-05", "4", "144")])
        .when(time("2026-01-05T16:00:00Z"), consume("0.01"))
        .then_refused(not_enough("0.01", "0"))
        .when(time("2026-01-06T16:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-07", "0", "139")]);
}

#[test]
fn of_each_day_is_known_what_is_held_until_all_of_it_is_settled() {
    let package = running()
        .when_asked(set_aside("2026-01-05T15:59:59Z", "1"))
        .then([held("1", "2026-01-05", "4", "149")])
        .when_asked(set_aside("2026-01-05T15:59:59Z", "2"))
        .then([held("2", "2026-01-05", "2", "147")])
        .when_asked(set_aside("2026-01-05T16:00:00Z", "5"))
        .then([held("5", "2026-01-06", "0", "142")])
        .when_asked(settle("2026-01-05", "1", "1"))
        .then([settled("1", "0", "2026-01-05", "2", "142")])
        .when_asked(settle("2026-01-05", "3", "0"))
        .then_refused(UserPackageError::NotHeld { day: day("2026-01-05") })
        .when_asked(settle("2026-01-05", "2", "0"))
        .then([settled("0", "2", "2026-01-05", "4", "144")])
        .when_asked(settle("2026-01-05", "1", "0"))
        .then_refused(UserPackageError::NotHeld { day: day("2026-01-05") })
        .when_asked(settle("2026-01-06", "5", "5"))
        .then([settled("5", "0", "2026-01-06", "0", "144")]);
    let UserPackage::Activated(run) = package.state() else { panic!("it was activated") };
    assert_eq!((run.newest.map(|newest| newest.date), run.older), (Some(day("2026-01-06")), vec![]));
}

#[test]
fn no_more_is_charged_than_was_held_and_only_of_its_day() {
    let holding = || given([activated(START, terms()), held("3", "2026-01-05", "2", "147")]);
    holding().when_asked(settle("2026-01-05", "3", "3.01")).then_refused(not_enough("3.01", "3"));
    for (date, amount) in [("2026-01-05", "3.01"), ("2026-01-06", "1"), ("2026-01-04", "3")] {
        holding().when_asked(settle(date, amount, "0")).then_refused(UserPackageError::NotHeld { day: day(date) });
    }
    given([]).when_asked(settle("2026-01-05", "3", "1")).then_refused(UserPackageError::NotActivated);
}

#[test]
fn what_was_held_is_settled_after_the_end_and_after_a_revocation() {
    let at = time("2026-02-04T06:00:00Z");
    let revoked = UserPackageEvent::Revoked(Revoked { reason: "refunded".to_owned(), at });
    for (end, refused) in [
        (UserPackageEvent::Expired(Expired { at }), UserPackageError::Ended { ended_at: at }),
        (revoked, UserPackageError::Revoked),
    ] {
        given([activated(START, terms()), held("3", "2026-01-05", "2", "147"), end])
            .when_asked(set_aside(START, "1"))
            .then_refused(refused.clone())
            .when_asked(settle("2026-01-05", "3", "1"))
            .then([settled("1", "2", "2026-01-05", "4", "149")])
            .when(at, consume("1"))
            .then_refused(refused);
    }
}

#[test]
fn what_comes_back_makes_up_for_days_that_were_used_and_given_back() {
    // Two days bought, then a third; 8 used and 5 held of 15. The two days are given back: 10, of which 2 are there.
    let events = [
        activated(START, Terms { duration_days: 2, ..terms() }),
        consumed("5", "2026-01-05", "0", "5"),
        consumed("3", "2026-01-06", "2", "2"),
        UserPackageEvent::Extended(Extended {
            order: id(2, OrderId::from_uuid),
            days: 1,
            ends_at: time("2026-01-08T06:00:00Z"),
            left: credits("7"),
        }),
        held("5", "2026-01-07", "0", "2"),
    ];
    let taken = UserPackageEvent::Shortened(Shortened {
        order: id(1, OrderId::from_uuid),
        days: 2,
        ends_at: time("2026-01-07T06:00:00Z"),
        left: Credits::ZERO,
    });
    let give_back = UserPackageCommand::TakeBack { order: id(1, OrderId::from_uuid), reason: "refunded".to_owned() };
    given(events.clone())
        .when(time("2026-01-07T06:00:00Z"), give_back)
        .then([taken.clone()])
        .when_asked(settle("2026-01-07", "4", "0"))
        .then([settled("0", "4", "2026-01-07", "4", "0")])
        .when_asked(settle("2026-01-07", "1", "1"))
        .then([settled("1", "0", "2026-01-07", "4", "0")]);
    // Where less was used than is left of what was bought, all of it comes back.
    let owing_one = UserPackageEvent::Shortened(Shortened {
        order: id(2, OrderId::from_uuid),
        days: 1,
        ends_at: time("2026-01-07T06:00:00Z"),
        left: Credits::ZERO,
    });
    given([activated(START, Terms { duration_days: 2, ..terms() }), held("5", "2026-01-05", "0", "4"), owing_one])
        .when_asked(settle("2026-01-05", "5", "0"))
        .then([settled("0", "5", "2026-01-05", "5", "4")]);
}

#[test]
fn a_sum_too_large_to_count_is_refused() {
    let most = Terms { daily_limit: Credits::MAX, duration_days: 1, ..terms() };
    let more_than_there_is = UserPackageEvent::Held(Held {
        hold: hold(1),
        amount: credits("1"),
        day: day("2026-01-05"),
        day_left: Credits::MAX,
        left: Credits::MAX,
    });
    given([activated(START, most), more_than_there_is])
        .when_asked(settle("2026-01-05", "1", "0"))
        .then_refused(UserPackageError::TooLarge);
}

#[test]
fn a_hold_across_midnight_when_clocks_change_is_of_the_day_it_was_made_on() {
    // New York's day of 25 hours: 23:59:59 on the first of November is 04:59:59 UTC.
    running_in(Tz::America__New_York, "2026-10-20T12:00:00Z")
        .when_asked(set_aside("2026-11-02T04:59:59Z", "5"))
        .then([held("5", "2026-11-01", "0", "145")])
        .when_asked(set_aside("2026-11-02T05:00:00Z", "5"))
        .then([held("5", "2026-11-02", "0", "140")])
        .when_asked(settle("2026-11-01", "5", "0"))
        .then([settled("0", "5", "2026-11-01", "5", "145")])
        .when_asked(set_aside("2026-11-02T05:00:01Z", "1"))
        .then_refused(not_enough("1", "0"));
}
