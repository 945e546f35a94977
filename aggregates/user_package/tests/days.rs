//! When a day begins and ends, whatever a time zone does to its clocks.

use super::*;

#[test]
fn a_new_quota_begins_at_midnight_in_shanghai() {
    running()
        .when(time("2026-01-05T15:59:59.999999Z"), consume("5"))
        .then([consumed("5", "2026-01-05", "0", "145")])
        .when(time("2026-01-05T16:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-06", "0", "140")]);
}

#[test]
fn what_a_day_leaves_over_is_not_carried_to_the_next() {
    running()
        .when(time(START), consume("1"))
        .then([consumed("1", "2026-01-05", "4", "149")])
        .when(time("2026-01-06T06:00:00Z"), consume("6"))
        .then_refused(not_enough("6", "5"));
}

#[test]
fn a_day_card_bought_in_the_afternoon_is_one_quota_and_not_two() {
    given([activated(START, Terms { duration_days: 1, ..terms() })])
        .when(time(START), consume("3"))
        .then([consumed("3", "2026-01-05", "2", "2")])
        .when(time("2026-01-05T16:00:00Z"), consume("2.01"))
        .then_refused(not_enough("2.01", "2"))
        .when(time("2026-01-05T16:00:00Z"), consume("2"))
        .then([consumed("2", "2026-01-06", "3", "0")])
        .when(time("2026-01-05T16:00:00Z"), consume("0.01"))
        .then_refused(not_enough("0.01", "0"));
}

#[test]
fn a_clock_that_goes_back_over_midnight_does_not_grant_a_quota_twice() {
    running()
        .when(time("2026-01-05T15:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-05", "0", "145")])
        .when(time("2026-01-05T16:00:01Z"), consume("4"))
        .then([consumed("4", "2026-01-06", "1", "141")])
        .when(time("2026-01-05T15:59:59Z"), consume("2"))
        .then_refused(not_enough("2", "1"))
        .when(time("2026-01-05T15:59:59Z"), consume("1"))
        .then([consumed("1", "2026-01-06", "0", "140")])
        .when(time("2026-01-05T16:00:02Z"), consume("1"))
        .then_refused(not_enough("1", "0"));
}

#[test]
fn an_anniversary_day_has_24_hours_from_activation() {
    given([activated(START, Terms { day: DayRule::Anniversary, ..terms() })])
        .when(time("2026-01-05T16:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-05", "0", "145")])
        .when(time("2026-01-06T05:59:59.999999Z"), consume("1"))
        .then_refused(not_enough("1", "0"))
        .when(time("2026-01-06T06:00:00Z"), consume("5"))
        .then([consumed("5", "2026-01-06", "0", "140")]);
}

#[test]
fn an_anniversary_day_keeps_its_24_hours_when_clocks_change() {
    // 00:30 in New York, the day before clocks go back: 24 hours later is 00:30 again, another 24 hours later 23:30.
    let terms = Terms { day: DayRule::Anniversary, time_zone: Tz::America__New_York, ..terms() };
    given([activated("2026-10-31T04:30:00Z", terms)])
        .when(time("2026-11-01T04:30:00Z"), consume("5"))
        .then([consumed("5", "2026-11-01", "0", "145")])
        .when(time("2026-11-02T04:29:59Z"), consume("1"))
        .then_refused(not_enough("1", "0"))
        .when(time("2026-11-02T04:30:00Z"), consume("5"))
        .then([consumed("5", "2026-11-02", "0", "140")]);
}

#[test]
fn new_yorks_day_of_23_hours_begins_and_ends_at_midnight() {
    running_in(Tz::America__New_York, "2026-03-01T12:00:00Z")
        .when(time("2026-03-08T04:59:59Z"), consume("5"))
        .then([consumed("5", "2026-03-07", "0", "145")])
        .when(time("2026-03-08T05:00:00Z"), consume("5"))
        .then([consumed("5", "2026-03-08", "0", "140")])
        .when(time("2026-03-09T03:59:59Z"), consume("1"))
        .then_refused(not_enough("1", "0"))
        .when(time("2026-03-09T04:00:00Z"), consume("5"))
        .then([consumed("5", "2026-03-09", "0", "135")]);
}

#[test]
fn new_yorks_day_of_25_hours_is_still_one_quota() {
    running_in(Tz::America__New_York, "2026-10-20T12:00:00Z")
        .when(time("2026-11-01T04:00:00Z"), consume("4"))
        .then([consumed("4", "2026-11-01", "1", "146")])
        // 01:30 for the second time.
        .when(time("2026-11-01T06:30:00Z"), consume("2"))
        .then_refused(not_enough("2", "1"))
        .when(time("2026-11-02T04:59:59Z"), consume("1"))
        .then([consumed("1", "2026-11-01", "0", "145")])
        .when(time("2026-11-02T05:00:00Z"), consume("5"))
        .then([consumed("5", "2026-11-02", "0", "140")]);
}

#[test]
fn lord_howes_half_hour_moves_midnight_by_half_an_hour() {
    // Summer time, +11:00, until 2026-04-05 02:00; then +10:30.
    running_in(Tz::Australia__Lord_Howe, "2026-03-20T00:00:00Z")
        .when(time("2026-04-04T12:59:59Z"), consume("5"))
        .then([consumed("5", "2026-04-04", "0", "145")])
        .when(time("2026-04-04T13:00:00Z"), consume("5"))
        .then([consumed("5", "2026-04-05", "0", "140")])
        .when(time("2026-04-05T13:29:59Z"), consume("1"))
        .then_refused(not_enough("1", "0"))
        .when(time("2026-04-05T13:30:00Z"), consume("5"))
        .then([consumed("5", "2026-04-06", "0", "135")]);
    // And back to summer time on 2026-10-04 at 02:00.
    running_in(Tz::Australia__Lord_Howe, "2026-09-20T00:00:00Z")
        .when(time("2026-10-03T13:30:00Z"), consume("5"))
        .then([consumed("5", "2026-10-04", "0", "145")])
        .when(time("2026-10-04T12:59:59Z"), consume("1"))
        .then_refused(not_enough("1", "0"))
        .when(time("2026-10-04T13:00:00Z"), consume("5"))
        .then([consumed("5", "2026-10-05", "0", "140")]);
}

#[test]
fn a_day_whose_midnight_does_not_exist_begins_when_the_date_changes() {
    // Beirut, 2021-03-28: 23:59:59 is followed by 01:00:00.
    running_in(Tz::Asia__Beirut, "2021-03-20T00:00:00Z")
        .when(time("2021-03-27T21:59:59Z"), consume("5"))
        .then([consumed("5", "2021-03-27", "0", "145")])
        .when(time("2021-03-27T22:00:00Z"), consume("5"))
        .then([consumed("5", "2021-03-28", "0", "140")]);
}

#[test]
fn a_date_that_comes_twice_is_one_quota() {
    // St. John's, 2010-11-07: one minute after midnight it was 23:01 of the day before.
    running_in(Tz::America__St_Johns, "2010-11-01T12:00:00Z")
        .when(time("2010-11-07T02:00:00Z"), consume("5"))
        .then([consumed("5", "2010-11-06", "0", "145")])
        .when(time("2010-11-07T02:30:30Z"), consume("3"))
        .then([consumed("3", "2010-11-07", "2", "142")])
        .when(time("2010-11-07T02:31:00Z"), consume("3"))
        .then_refused(not_enough("3", "2"))
        .when(time("2010-11-07T03:31:00Z"), consume("2"))
        .then([consumed("2", "2010-11-07", "0", "140")]);
}

/// One second before a new day begins and one second after it: the right day, and each day's quota once.
fn a_day_begins(terms: Terms, begins_at: &str, before: &str, after: &str) {
    let begins_at = time(begins_at);
    let starts_at = (begins_at - TimeDelta::days(10)).to_rfc3339();
    let second = TimeDelta::seconds(1);
    given([activated(&starts_at, terms)])
        .when(begins_at - second, consume("5"))
        .then([consumed("5", before, "0", "145")])
        .when(begins_at - second, consume("0.01"))
        .then_refused(not_enough("0.01", "0"))
        .when(begins_at + second, consume("5"))
        .then([consumed("5", after, "0", "140")])
        .when(begins_at + second, consume("0.01"))
        .then_refused(not_enough("0.01", "0"))
        .when(begins_at - second, consume("0.01"))
        .then_refused(not_enough("0.01", "0"));
}

#[test]
fn a_calendar_day_begins_at_midnight_on_the_days_when_clocks_change_too() {
    for (time_zone, midnight, before, after) in [
        (Tz::Asia__Shanghai, "2026-01-05T16:00:00Z", "2026-01-05", "2026-01-06"),
        (Tz::UTC, "2026-01-06T00:00:00Z", "2026-01-05", "2026-01-06"),
        (Tz::America__New_York, "2026-03-08T05:00:00Z", "2026-03-07", "2026-03-08"),
        (Tz::America__New_York, "2026-03-09T04:00:00Z", "2026-03-08", "2026-03-09"),
        (Tz::America__New_York, "2026-11-01T04:00:00Z", "2026-10-31", "2026-11-01"),
        (Tz::America__New_York, "2026-11-02T05:00:00Z", "2026-11-01", "2026-11-02"),
        (Tz::Australia__Lord_Howe, "2026-04-04T13:00:00Z", "2026-04-04", "2026-04-05"),
        (Tz::Australia__Lord_Howe, "2026-04-05T13:30:00Z", "2026-04-05", "2026-04-06"),
        (Tz::Australia__Lord_Howe, "2026-10-03T13:30:00Z", "2026-10-03", "2026-10-04"),
        (Tz::Australia__Lord_Howe, "2026-10-04T13:00:00Z", "2026-10-04", "2026-10-05"),
    ] {
        a_day_begins(Terms { time_zone, ..terms() }, midnight, before, after);
    }
}

#[test]
fn an_anniversary_day_begins_24_hours_after_the_one_before_whatever_clocks_do() {
    for (time_zone, begins_at, before, after) in [
        (Tz::Asia__Shanghai, "2026-01-15T06:00:00Z", "2026-01-14", "2026-01-15"),
        (Tz::UTC, "2026-01-15T06:00:00Z", "2026-01-14", "2026-01-15"),
        // Activated at 23:30, and since the clocks went forward the days begin at half past midnight.
        (Tz::America__New_York, "2026-03-09T04:30:00Z", "2026-03-07", "2026-03-08"),
        // Activated at 00:30, and since the clocks went back the days begin at half past eleven.
        (Tz::America__New_York, "2026-11-02T04:30:00Z", "2026-11-01", "2026-11-02"),
        (Tz::Australia__Lord_Howe, "2026-04-05T13:15:00Z", "2026-04-05", "2026-04-06"),
        (Tz::Australia__Lord_Howe, "2026-10-04T13:15:00Z", "2026-10-03", "2026-10-04"),
    ] {
        a_day_begins(Terms { time_zone, day: DayRule::Anniversary, ..terms() }, begins_at, before, after);
    }
}

#[test]
fn an_extension_adds_days_of_24_hours_across_a_change_of_clocks() {
    // Until 12:00 on the seventh of March in New York; a day later is 13:00 by the clock, and another quota in all.
    let terms = Terms { time_zone: Tz::America__New_York, duration_days: 1, ..terms() };
    let order = id(2, OrderId::from_uuid);
    let ends_at = time("2026-03-08T17:00:00Z");
    let extended = UserPackageEvent::Extended(Extended { order, days: 1, ends_at, left: credits("5") });
    given([activated("2026-03-06T17:00:00Z", terms), consumed("5", "2026-03-06", "0", "0")])
        .when(time("2026-03-07T16:00:00Z"), UserPackageCommand::Extend { order, days: 1 })
        .then([extended])
        .when(time("2026-03-08T04:59:59Z"), consume("3"))
        .then([consumed("3", "2026-03-07", "2", "2")])
        .when(time("2026-03-08T05:00:01Z"), consume("3"))
        .then_refused(not_enough("3", "2"))
        .when(time("2026-03-08T16:59:59Z"), consume("2"))
        .then([consumed("2", "2026-03-08", "3", "0")])
        .when(ends_at, consume("1"))
        .then_refused(UserPackageError::Ended { ended_at: ends_at });
}
