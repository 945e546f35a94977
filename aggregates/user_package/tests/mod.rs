mod again;
mod days;
mod held;

use chrono::{TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::TestFramework;

use super::*;
use crate::decider::At;
use crate::spec::{Given, day, id, time};

fn given(events: impl IntoIterator<Item = UserPackageEvent>) -> Given<UserPackage> {
    crate::spec::given(events)
}

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

/// 5.00 a day for 30 days, by the Shanghai calendar: most tests change one thing about it.
fn terms() -> Terms {
    Terms {
        product: id(1, ProductId::from_uuid),
        daily_limit: credits("5"),
        duration_days: 30,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
    }
}

fn activate(Terms { product, daily_limit, duration_days, time_zone, day }: Terms) -> UserPackageCommand {
    UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day, starts_at: None }
}

fn activated(starts_at: &str, terms: Terms) -> UserPackageEvent {
    let Terms { product, daily_limit, duration_days, time_zone, day } = terms;
    let starts_at = time(starts_at);
    let ends_at = starts_at + TimeDelta::days(duration_days.into());
    let left = daily_limit.checked_mul(duration_days).unwrap();
    UserPackageEvent::Activated(Activated {
        product,
        daily_limit,
        duration_days,
        time_zone,
        day,
        starts_at,
        ends_at,
        left,
    })
}

fn consume(amount: &str) -> UserPackageCommand {
    UserPackageCommand::Consume { amount: credits(amount), meter: None, reference: None }
}

fn consumed(amount: &str, date: &str, day_left: &str, left: &str) -> UserPackageEvent {
    UserPackageEvent::Consumed(Consumed {
        amount: credits(amount),
        day: day(date),
        day_left: credits(day_left),
        left: credits(left),
        meter: None,
        reference: None,
    })
}

fn not_enough(needed: &str, left: &str) -> UserPackageError {
    UserPackageError::NotEnough { needed: credits(needed), left: credits(left) }
}

/// 14:00 in Shanghai.
const START: &str = "2026-01-05T06:00:00Z";

fn running() -> Given<UserPackage> {
    given([activated(START, terms())])
}

fn running_in(time_zone: Tz, starts_at: &str) -> Given<UserPackage> {
    given([activated(starts_at, Terms { time_zone, ..terms() })])
}

#[test]
fn a_package_runs_from_activation_for_whole_days() {
    given([]).when(time(START), activate(terms())).then([UserPackageEvent::Activated(Activated {
        product: id(1, ProductId::from_uuid),
        daily_limit: credits("5"),
        duration_days: 30,
        time_zone: Tz::Asia__Shanghai,
        day: DayRule::Calendar,
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        left: credits("150"),
    })]);
}

#[test]
fn the_calendar_of_shanghai_is_what_is_meant_when_nothing_is_said() {
    let json =
        r#"{"activate":{"product":"00000000-0000-0000-0000-000000000001","daily_limit":5000000,"duration_days":30}}"#;
    assert_eq!(serde_json::from_str::<UserPackageCommand>(json).unwrap(), activate(terms()));
}

#[test]
fn activating_again_on_the_same_terms_changes_nothing() {
    running()
        .when(time("2026-01-06T00:00:00Z"), activate(terms()))
        .then_nothing()
        .when(time("2027-01-01T00:00:00Z"), activate(terms()))
        .then_nothing();
}

#[test]
fn activating_again_on_other_terms_is_refused() {
    for other in [
        Terms { product: id(2, ProductId::from_uuid), ..terms() },
        Terms { daily_limit: credits("6"), ..terms() },
        Terms { duration_days: 31, ..terms() },
        Terms { time_zone: Tz::UTC, ..terms() },
        Terms { day: DayRule::Anniversary, ..terms() },
    ] {
        running().when(time(START), activate(other)).then_refused(UserPackageError::TermsDiffer);
    }
}

#[test]
fn a_package_without_a_quota_is_refused() {
    given([])
        .when(time(START), activate(Terms { daily_limit: Credits::ZERO, ..terms() }))
        .then_refused(UserPackageError::DailyLimitIsZero);
}

#[test]
fn a_package_runs_for_at_least_a_day_and_at_most_a_century() {
    for days in [0, 36_501, u32::MAX] {
        given([])
            .when(time(START), activate(Terms { duration_days: days, ..terms() }))
            .then_refused(UserPackageError::DurationOutOfRange { days });
    }
    for duration_days in [1, 36_500] {
        let terms = Terms { duration_days, ..terms() };
        given([]).when(time(START), activate(terms)).then([activated(START, terms)]);
    }
}

#[test]
fn a_quota_too_large_to_count_is_refused() {
    let half = Credits::from_micros(i64::MAX / 2 + 1).unwrap();
    given([])
        .when(time(START), activate(Terms { daily_limit: half, duration_days: 2, ..terms() }))
        .then_refused(UserPackageError::TooLarge);
}

#[test]
fn a_run_that_cannot_be_written_down_is_refused() {
    for at in ["9999-12-31T00:00:00Z", "+20000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"] {
        given([]).when(time(at), activate(terms())).then_refused(UserPackageError::TimeOutOfRange);
    }
    given([]).when(DateTime::<Utc>::MAX_UTC, activate(terms())).then_refused(UserPackageError::TimeOutOfRange);
}

#[test]
fn consuming_takes_from_the_day_and_from_the_whole() {
    running()
        .when(time(START), consume("1.5"))
        .then([consumed("1.5", "2026-01-05", "3.5", "148.5")])
        .when(time(START), consume("3.5"))
        .then([consumed("3.5", "2026-01-05", "0", "145")]);
}

#[test]
fn more_than_the_day_has_left_is_refused_and_takes_nothing() {
    running()
        .when(time(START), consume("5.000001"))
        .then_refused(not_enough("5.000001", "5"))
        .when(time(START), consume("4"))
        .then([consumed("4", "2026-01-05", "1", "146")])
        .when(time(START), consume("1.01"))
        .then_refused(not_enough("1.01", "1"))
        .when(time(START), consume("1"))
        .then([consumed("1", "2026-01-05", "0", "145")]);
}

#[test]
fn consuming_nothing_is_refused() {
    running().when(time(START), consume("0")).then_refused(UserPackageError::AmountIsZero);
}

#[test]
fn a_label_with_control_characters_is_refused() {
    let command = UserPackageCommand::Consume { amount: credits("1"), meter: Some("a\tb".to_owned()), reference: None };
    running().when(time(START), command).then_refused(crate::label::BadLabel.into());
}

#[test]
fn what_was_never_activated_pays_nothing() {
    given([]).when(time(START), consume("1")).then_refused(UserPackageError::NotActivated);
}

#[test]
fn a_package_pays_nothing_before_it_starts() {
    running()
        .when(time("2026-01-05T05:59:59.999999Z"), consume("1"))
        .then_refused(UserPackageError::NotStarted { starts_at: time(START) });
}

#[test]
fn a_package_pays_until_the_last_moment_and_nothing_after() {
    let ended_at = time("2026-02-04T06:00:00Z");
    running()
        .when(time("2026-02-04T05:59:59.999999Z"), consume("1"))
        .then([consumed("1", "2026-02-04", "4", "149")])
        .when(ended_at, consume("1"))
        .then_refused(UserPackageError::Ended { ended_at });
}

#[test]
fn left_today_is_what_could_be_consumed() {
    let package = given([]).state();
    assert_eq!(package.left_today(time(START)), Credits::ZERO);

    let package = given([activated(START, terms()), consumed("1", "2026-01-05", "4", "149")]).state();
    for (at, left) in [
        ("2026-01-05T05:59:59Z", "0"),
        ("2026-01-05T06:00:00Z", "4"),
        ("2026-01-05T16:00:00Z", "5"),
        ("2026-02-04T05:59:59Z", "5"),
        ("2026-02-04T06:00:00Z", "0"),
    ] {
        assert_eq!(package.left_today(time(at)), credits(left), "{at}");
    }

    let package =
        given([activated(START, Terms { duration_days: 1, ..terms() }), consumed("3", "2026-01-05", "2", "2")]);
    assert_eq!(package.state().left_today(time("2026-01-05T16:00:00Z")), credits("2"));
}

#[test]
fn the_end_is_recorded_once_and_not_before_it() {
    let ends_at = time("2026-02-04T06:00:00Z");
    let expired = || UserPackageEvent::Expired(Expired { at: time("2026-02-04T06:00:00Z") });
    given([]).when(ends_at, UserPackageCommand::Expire).then_refused(UserPackageError::NotActivated);
    running()
        .when(time("2026-02-04T05:59:59.999999Z"), UserPackageCommand::Expire)
        .then_refused(UserPackageError::NotEnded { ends_at })
        .when(ends_at, UserPackageCommand::Expire)
        .then([expired()])
        .when(time("2026-02-04T07:00:00Z"), UserPackageCommand::Expire)
        .then_nothing()
        .when(ends_at, activate(terms()))
        .then_nothing();
}

#[test]
fn what_was_recorded_as_ended_pays_nothing_even_by_a_clock_that_is_behind() {
    let ended_at = time("2026-02-04T06:00:00Z");
    given([activated(START, terms()), UserPackageEvent::Expired(Expired { at: ended_at })])
        .when(time("2026-02-04T05:59:59Z"), consume("1"))
        .then_refused(UserPackageError::Ended { ended_at });
}

#[test]
fn cqrs_es_runs_the_same_decisions() {
    let at = time(START);
    assert_eq!(<UserPackage as Aggregate>::TYPE, "user_package");
    TestFramework::<UserPackage>::with(())
        .given_no_previous_events()
        .when(At { at, command: activate(terms()) })
        .then_expect_events(vec![activated(START, terms())]);
    TestFramework::<UserPackage>::with(())
        .given(vec![activated(START, terms())])
        .when(At { at, command: consume("2") })
        .then_expect_events(vec![consumed("2", "2026-01-05", "3", "148")]);
    TestFramework::<UserPackage>::with(())
        .given(vec![activated(START, terms())])
        .when(At { at, command: consume("6") })
        .then_expect_error(not_enough("6", "5"));
}
