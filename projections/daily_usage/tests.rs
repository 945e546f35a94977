use aggregates::user_package::{Held, Settled};
use aggregates::{AggregateId, DayRule, HoldId, UserPackageId};
use chrono_tz::Tz;
use uuid::Uuid;

use super::days::Calendar;
use super::*;
use crate::facts::{alice, fold, time};

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn calendar(rule: DayRule, zone: Tz) -> Calendar {
    Calendar { rule, zone, starts_at: time("2026-01-05T06:00:00Z") }
}

#[test]
fn uses_of_one_day_are_one_row_with_their_sum_and_what_is_left() {
    let consumed = |day, day_left| {
        let (amount, day_left) = (Credits::whole(1), Credits::whole(day_left));
        let left = Credits::whole(50);
        let consumed = aggregates::user_package::Consumed { amount, day, day_left, left, meter: None, reference: None };
        Event::from(UserPackageEvent::Consumed(consumed))
    };
    let (first, second) = (day("2026-01-05"), day("2026-01-06"));
    let package = UserPackageId::from_uuid(Uuid::from_u128(1));
    let mut usage = DailyUsage::default();
    fold(&mut usage, AggregateId::user_package(package), [consumed(first, 4), consumed(first, 3), consumed(second, 4)]);
    let row = |used, left| Day { used: Credits::whole(used), held: 0, left: Credits::whole(left) };
    let expected = [((alice(), package, first), row(2, 3)), ((alice(), package, second), row(1, 4))];
    assert_eq!(usage.rows, HashMap::from(expected));
}

#[test]
fn what_is_held_of_a_day_is_neither_used_nor_left() {
    let (first, hold) = (day("2026-01-05"), HoldId::from_uuid(Uuid::from_u128(7)));
    let package = UserPackageId::from_uuid(Uuid::from_u128(1));
    let held =
        Held { hold, amount: Credits::whole(3), day: first, day_left: Credits::whole(2), left: Credits::whole(47) };
    let settled = Settled {
        hold,
        amount: Credits::whole(1),
        returned: Credits::whole(1),
        day: first,
        day_left: Credits::whole(3),
        left: Credits::whole(48),
        meter: None,
        reference: None,
    };
    let events = [UserPackageEvent::Held(held), UserPackageEvent::Settled(settled)];
    let mut usage = DailyUsage::default();
    fold(&mut usage, AggregateId::user_package(package), events.map(Event::from));
    let expected = Day { used: Credits::whole(1), held: Credits::whole(1).micros(), left: Credits::whole(3) };
    assert_eq!(usage.rows, HashMap::from([((alice(), package, first), expected)]));
}

#[test]
fn a_calendar_day_ends_at_local_midnight() {
    let shanghai = calendar(DayRule::Calendar, Tz::Asia__Shanghai);
    assert_eq!(shanghai.day(time("2026-01-05T15:59:59Z")), Some(day("2026-01-05")));
    assert_eq!(shanghai.next_day_begins(day("2026-01-05")), Some(time("2026-01-05T16:00:00Z")));
    assert_eq!(shanghai.day(time("2026-01-05T16:00:00Z")), Some(day("2026-01-06")));
}

#[test]
fn clocks_that_jump_move_midnight_and_never_lose_it() {
    // In Cairo clocks jumped from midnight to one on 2024-04-26.
    let cairo = calendar(DayRule::Calendar, Tz::Africa__Cairo);
    assert_eq!(cairo.next_day_begins(day("2024-04-25")), Some(time("2024-04-25T22:00:00Z")));
    assert_eq!(cairo.day(time("2024-04-25T22:00:00Z")), Some(day("2024-04-26")));
    assert_eq!(cairo.day(time("2024-04-25T21:59:59Z")), Some(day("2024-04-25")));
    // In Berlin a day has 23 hours in spring and 25 in autumn.
    let berlin = calendar(DayRule::Calendar, Tz::Europe__Berlin);
    assert_eq!(berlin.next_day_begins(day("2026-03-28")), Some(time("2026-03-28T23:00:00Z")));
    assert_eq!(berlin.next_day_begins(day("2026-03-29")), Some(time("2026-03-29T22:00:00Z")));
    // Samoa had no 30 December 2011 at all.
    let apia = calendar(DayRule::Calendar, Tz::Pacific__Apia);
    assert_eq!(apia.next_day_begins(day("2011-12-29")), Some(time("2011-12-30T10:00:00Z")));
}

#[test]
fn an_anniversary_day_is_24_hours_from_activation() {
    let anniversary = calendar(DayRule::Anniversary, Tz::Asia__Shanghai);
    assert_eq!(anniversary.day(time("2026-01-06T05:59:59Z")), Some(day("2026-01-05")));
    assert_eq!(anniversary.next_day_begins(day("2026-01-05")), Some(time("2026-01-06T06:00:00Z")));
    assert_eq!(anniversary.day(time("2026-01-06T06:00:00Z")), Some(day("2026-01-06")));
    assert_eq!(anniversary.next_day_begins(day("2026-01-09")), Some(time("2026-01-10T06:00:00Z")));
}
